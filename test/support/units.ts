import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type ErrorCode, isSealwireError } from '../../src/core/errors.ts';
import type { Connection } from '../../src/core/ports.ts';

/** Bytes. */
export const MEGABYTE: number = 1024 * 1024;

/** Bytes that tell their number and their place. */
export function pattern(length: number, number: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (number + i * 7) & 255;
  return bytes;
}

/** Units as they go over a stream. */
export function framed(...units: readonly Uint8Array[]): Buffer {
  const parts = units.flatMap((unit) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(unit.length);
    return [length, unit];
  });
  return Buffer.concat(parts);
}

/** The same bytes over and over. */
export function repeated(bytes: Uint8Array, times: number): Buffer {
  return Buffer.alloc(bytes.length * times, bytes);
}

/** Sends one after the other. */
export async function sendAll(connection: Connection, units: readonly Uint8Array[]): Promise<void> {
  for (const unit of units) await connection.send(unit);
}

/** Receives as many units; fails when there are fewer. */
export async function take(connection: Connection, count: number): Promise<Uint8Array[]> {
  const units: Uint8Array[] = [];
  for await (const unit of connection.receive()) {
    units.push(unit);
    if (units.length === count) return units;
  }
  assert.fail(`it ended after ${units.length} of ${count} units`);
}

/** Receives to the end. */
export async function takeAll(connection: Connection): Promise<Uint8Array[]> {
  const units: Uint8Array[] = [];
  for await (const unit of connection.receive()) units.push(unit);
  return units;
}

/** The code with which `promise` is refused; fails when it is not. */
export async function refusal(promise: Promise<unknown>): Promise<ErrorCode> {
  try {
    await promise;
  } catch (error) {
    if (isSealwireError(error)) return error.code;
    throw error;
  }
  assert.fail('it was not refused');
}

/** Writes `block` so many times, as fast as `far` takes it, and gives up when that is gone. */
export async function flood(
  far: Duplex,
  block: Uint8Array,
  times: number,
  onWritten: () => void = () => {},
): Promise<void> {
  for (let i = 0; i < times && !far.destroyed; i++) {
    if (!far.write(block)) {
      await new Promise<void>((resolve) => far.once('drain', resolve).once('close', resolve));
    }
    onWritten();
  }
}

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Bytes in use outside the JavaScript heap, where all that travels is kept, and inside. */
export function memory(): number {
  collectGarbage();
  // The first collection frees buffers in a thread of its own; the next one waits for it.
  collectGarbage();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

/** Fails when memory has grown by more than what buffers may hold. */
export function assertFlat(before: number): void {
  const grown = memory() - before;
  assert.ok(grown < 24 * MEGABYTE, `${(grown / MEGABYTE).toFixed(1)} MiB more than before`);
}
