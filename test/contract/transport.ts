import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type ErrorCode, isSealwireError } from '../../src/core/errors.ts';
import type { Clock, Connection } from '../../src/core/ports.ts';
import { manualClock } from '../support/manual-clock.ts';
import { standstill, turn, until } from '../support/turns.ts';

/** The bounds that the tests set, which every transport must keep. */
export interface Bounds {
  readonly clock?: Clock;
  readonly unitBytesMax?: number;
  readonly receiveBufferBytesMax?: number;
  readonly writeTimeoutMs?: number;
  readonly unitTimeoutMs?: number;
}

/** What the suite needs of a transport. */
export interface Transport {
  readonly name: string;
  /** Two connected ends; the test closes them. */
  pair(bounds: Bounds): Promise<{ readonly a: Connection; readonly b: Connection }>;
  /** Breaks the line of a pair without a goodbye. */
  cut(pair: { readonly a: Connection; readonly b: Connection }): void;
  /** A connection whose far end is a bare stream, where units are bytes on a stream. */
  raw?(bounds: Bounds): Promise<{ readonly near: Connection; readonly far: Duplex }>;
}

const MEGABYTE = 1024 * 1024;
const TIMEOUT = { timeout: 60_000 };

/** Runs the contract of `Connection` (src/core/ports.ts) against one transport. */
export function transportContract(transport: Transport): void {
  const promise = (what: string, body: (t: TestContext) => Promise<void>): void => {
    test(`${transport.name}: ${what}`, TIMEOUT, body);
  };
  const pair = async (t: TestContext, bounds: Bounds = {}) => {
    const ends = await transport.pair(bounds);
    t.after(() => Promise.all([ends.a.close(), ends.b.close()]));
    return ends;
  };

  promise('units arrive whole, in order, once, both ways', async (t) => {
    const { a, b } = await pair(t);
    const sizes = [1, 2, 3, 4, 5, 255, 256, 4095, 4096, 4097, 65_535, 65_536, 131_072];
    const sent = [...sizes, ...sizes.toReversed()].map((size, i) => pattern(size, i));
    const [fromA, fromB] = await Promise.all([
      take(b, sent.length),
      take(a, sent.length),
      sendAll(a, sent),
      sendAll(b, sent),
    ]);
    assert.deepEqual(fromA, sent);
    assert.deepEqual(fromB, sent);
  });

  promise('sends that are not awaited keep their order', async (t) => {
    const { a, b } = await pair(t);
    const sent = Array.from({ length: 2000 }, (_, i) => pattern(1 + (i % 700), i));
    const sends = Promise.all(sent.map((unit) => a.send(unit)));
    assert.deepEqual(await take(b, sent.length), sent);
    await sends;
  });

  promise('the bytes may be changed once send has resolved', async (t) => {
    const { a, b } = await pair(t);
    const unit = new Uint8Array(1000).fill(1);
    await a.send(unit);
    unit.fill(2);
    await a.send(unit);
    assert.deepEqual(await take(b, 2), [new Uint8Array(1000).fill(1), new Uint8Array(1000).fill(2)]);
  });

  promise('leaving a receive loop loses nothing: the next one goes on', async (t) => {
    const { a, b } = await pair(t);
    await sendAll(a, [pattern(10, 1), pattern(20, 2), pattern(30, 3)]);
    assert.deepEqual(await take(b, 1), [pattern(10, 1)]);
    assert.deepEqual(await take(b, 2), [pattern(20, 2), pattern(30, 3)]);
  });

  promise('a slow reader makes send wait, memory stays flat, and nothing is lost', async (t) => {
    const { a, b } = await pair(t);
    const units = 1024;
    const before = memory();
    let sent = 0;
    const sending = (async () => {
      for (; sent < units; sent++) await a.send(pattern(64 * 1024, sent));
    })();
    await standstill(() => sent);
    assert.ok(sent < units, 'all 64 MiB were sent though nobody reads');
    assertFlat(before);
    let at = 0;
    for await (const unit of b.receive()) {
      assert.deepEqual(unit, pattern(64 * 1024, at));
      at += 1;
      if (at === units) break;
    }
    await sending;
  });

  promise('a reader that takes nothing at all makes send time out', async (t) => {
    const clock = manualClock();
    const { a } = await pair(t, { clock, writeTimeoutMs: 1000 });
    let sent = 0;
    const sending = (async () => {
      for (;;) {
        await a.send(pattern(64 * 1024, 0));
        sent += 1;
      }
    })();
    const refused = refusal(sending);
    await standstill(() => sent);
    clock.advance(999);
    await turn();
    for (let late = 0; late < 3; late++) {
      clock.advance(1000);
      await turn();
    }
    assert.equal(await refused, 'timeout');
    assert.equal(await refusal(a.send(pattern(1, 0))), 'timeout');
    assert.equal(await refusal(take(a, 1)), 'timeout');
  });

  promise('what cannot be sent is refused and does no harm', async (t) => {
    const { a, b } = await pair(t, { unitBytesMax: 100 });
    assert.equal(await refusal(a.send(new Uint8Array(101))), 'too-large');
    assert.equal(await refusal(a.send(new Uint8Array(0))), 'malformed');
    await a.send(pattern(100, 1));
    assert.deepEqual(await take(b, 1), [pattern(100, 1)]);
  });

  promise('a clean close comes after everything sent, and ends receive', async (t) => {
    const { a, b } = await pair(t);
    const sent = Array.from({ length: 20 }, (_, i) => pattern(10_000, i));
    await sendAll(a, sent);
    const closing = a.close();
    assert.deepEqual(await takeAll(b), sent);
    await closing;
    assert.deepEqual(await takeAll(b), []);
    assert.equal(await refusal(b.send(pattern(1, 1))), 'stream-cut');
  });

  promise('close is idempotent, ends a waiting receive, and refuses what comes later', async (t) => {
    const { a } = await pair(t);
    const waiting = takeAll(a);
    await Promise.all([a.close(), a.close()]);
    await a.close();
    assert.deepEqual(await waiting, []);
    assert.equal(await refusal(a.send(pattern(1, 1))), 'session-closed');
    assert.deepEqual(await takeAll(a), []);
  });

  promise('both ends may close at once', async (t) => {
    const { a, b } = await pair(t);
    await Promise.all([a.send(pattern(10, 1)), b.send(pattern(10, 2))]);
    await Promise.all([a.close(), b.close()]);
  });

  promise('a cut line is told apart from an end, after the units that came before', async (t) => {
    const ends = await pair(t);
    await ends.a.send(pattern(10, 1));
    assert.deepEqual(await take(ends.b, 1), [pattern(10, 1)]);
    const waiting = refusal(take(ends.b, 1));
    transport.cut(ends);
    assert.equal(await waiting, 'stream-cut');
    assert.equal(await refusal(take(ends.b, 1)), 'stream-cut');
    assert.equal(await refusal(ends.b.send(pattern(1, 1))), 'stream-cut');
  });

  promise('no timer is left behind', async (t) => {
    const clock = manualClock();
    const { a, b } = await pair(t, { clock });
    const sending = sendAll(
      a,
      Array.from({ length: 200 }, (_, i) => pattern(50_000, i)),
    );
    await take(b, 200);
    await sending;
    await Promise.all([a.close(), b.close()]);
    assert.equal(clock.pending, 0);
  });

  if (transport.raw) streamContract(transport.name, transport.raw);
}

/** What holds where units are cut out of a stream that an attacker fills. */
function streamContract(name: string, open: NonNullable<Transport['raw']>): void {
  const promise = (what: string, body: (t: TestContext) => Promise<void>): void => {
    test(`${name}: ${what}`, TIMEOUT, body);
  };
  const raw = async (t: TestContext, bounds: Bounds = {}) => {
    const ends = await open(bounds);
    // A reset line is an error for the bare stream.
    ends.far.on('error', () => {});
    const gone = new Promise<void>((resolve) => ends.far.once('close', resolve));
    t.after(() => {
      ends.far.destroy();
      return ends.near.close();
    });
    return { ...ends, gone };
  };

  promise('a unit that comes byte by byte is delivered once it is whole', async (t) => {
    const { near, far } = await raw(t);
    const got = take(near, 2);
    for (const byte of framed(pattern(40, 1), pattern(3, 2))) {
      far.write(Uint8Array.of(byte));
      await turn();
    }
    assert.deepEqual(await got, [pattern(40, 1), pattern(3, 2)]);
  });

  promise('an end inside a unit or its length is a cut', async (t) => {
    for (const bytes of [5, 2]) {
      const { near, far } = await raw(t);
      far.end(Buffer.concat([framed(pattern(7, 1)), framed(pattern(9, 2)).subarray(0, bytes)]));
      assert.deepEqual(await take(near, 1), [pattern(7, 1)]);
      assert.equal(await refusal(take(near, 1)), 'stream-cut');
    }
  });

  promise('a length over the bound or of zero ends the connection, after the units before it', async (t) => {
    for (const [length, code] of [
      [101, 'too-large'],
      [0xff_ff_ff_ff, 'too-large'],
      [0, 'malformed'],
    ] as const) {
      const { near, far, gone } = await raw(t, { unitBytesMax: 100 });
      const lengthBytes = Buffer.alloc(4);
      lengthBytes.writeUInt32BE(length);
      far.write(Buffer.concat([framed(pattern(100, 1)), lengthBytes]));
      far.resume();
      assert.deepEqual(await take(near, 1), [pattern(100, 1)]);
      assert.equal(await refusal(take(near, 1)), code);
      assert.equal(await refusal(near.send(pattern(1, 1))), code);
      await gone;
    }
  });

  promise('N19: 64 MiB of garbage are neither kept nor read to the end', async (t) => {
    const { near, far, gone } = await raw(t);
    const before = memory();
    const flooding = flood(far, pattern(MEGABYTE, 255), 64);
    assert.equal(await refusal(take(near, 1)), 'too-large');
    far.resume();
    await Promise.race([flooding, gone]);
    assertFlat(before);
  });

  promise('N19: 64 MiB of the longest and of the shortest units wait outside for a reader', async (t) => {
    for (const size of [128 * 1024, 1]) {
      const { near, far } = await raw(t);
      const before = memory();
      const count = Math.floor(MEGABYTE / (size + 4));
      const block = repeated(framed(pattern(size, 1)), count);
      let blocks = 0;
      const flooding = flood(far, block, 64, () => {
        blocks += 1;
      });
      await standstill(() => blocks);
      assert.ok(blocks < 64);
      assertFlat(before);
      far.destroy();
      await near.close();
      await flooding;
    }
  });

  promise('N19: a length that is announced takes no memory before its bytes have come', async (t) => {
    const ends = [];
    const before = memory();
    for (let i = 0; i < 50; i++) ends.push(await raw(t, { unitBytesMax: 64 * MEGABYTE }));
    const lengthBytes = Buffer.alloc(4);
    lengthBytes.writeUInt32BE(64 * MEGABYTE);
    for (const { far } of ends) far.write(Buffer.concat([lengthBytes, pattern(100, 1)]));
    const waiting = ends.map(({ near }) => refusal(take(near, 1)));
    for (let i = 0; i < 20; i++) await turn();
    assertFlat(before);
    for (const { far } of ends) far.end();
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['stream-cut']));
  });

  promise('a unit that never ends times out, however busily it drips', async (t) => {
    const clock = manualClock();
    const { near, far, gone } = await raw(t, { clock, unitTimeoutMs: 1000 });
    const refused = refusal(take(near, 1));
    const bytes = framed(pattern(1000, 1));
    far.resume();
    for (let i = 0; i < 10; i++) {
      far.write(bytes.subarray(i, i + 1));
      await until(() => clock.pending > 0);
      clock.advance(100);
      await turn();
    }
    assert.equal(await refused, 'timeout');
    await gone;
  });

  promise('the time is each unit’s own, and silence between units is no fault', async (t) => {
    const clock = manualClock();
    const { near, far } = await raw(t, { clock, unitTimeoutMs: 1000 });
    const bytes = framed(pattern(10, 1));
    for (let i = 0; i < 5; i++) {
      far.write(bytes.subarray(0, 6));
      await until(() => clock.pending > 0);
      clock.advance(900);
      // The rest, and the beginning of the next one: its time begins now.
      far.write(Buffer.concat([bytes.subarray(6), bytes.subarray(0, 1)]));
      assert.deepEqual(await take(near, 1), [pattern(10, 1)]);
      clock.advance(900);
      far.write(bytes.subarray(1));
      assert.deepEqual(await take(near, 1), [pattern(10, 1)]);
      assert.equal(clock.pending, 0);
      clock.advance(3_600_000);
    }
  });

  promise('a slow reader of ours is not blamed on the far end', async (t) => {
    const clock = manualClock();
    const { near, far } = await raw(t, { clock, unitTimeoutMs: 1000, receiveBufferBytesMax: 1000 });
    far.write(Buffer.concat([framed(pattern(2000, 1)), framed(pattern(9, 2)).subarray(0, 5)]));
    for (let i = 0; i < 20; i++) await turn();
    clock.advance(10_000);
    far.write(framed(pattern(9, 2)).subarray(5));
    assert.deepEqual(await take(near, 2), [pattern(2000, 1), pattern(9, 2)]);
  });

  promise('close does not wait for ever on a far end that stays silent', async (t) => {
    const clock = manualClock();
    const { near, far, gone } = await raw(t, { clock });
    far.pause();
    const closing = near.close();
    await until(() => clock.pending > 0);
    clock.advance(60_000);
    await closing;
    far.resume();
    far.end();
    await gone;
  });
}

/** Bytes that tell their number and their place. */
function pattern(length: number, number: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (number + i * 7) & 255;
  return bytes;
}

function framed(...units: readonly Uint8Array[]): Buffer {
  const parts = units.flatMap((unit) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(unit.length);
    return [length, unit];
  });
  return Buffer.concat(parts);
}

function repeated(bytes: Uint8Array, times: number): Buffer {
  return Buffer.alloc(bytes.length * times, bytes);
}

async function sendAll(connection: Connection, units: readonly Uint8Array[]): Promise<void> {
  for (const unit of units) await connection.send(unit);
}

async function take(connection: Connection, count: number): Promise<Uint8Array[]> {
  const units: Uint8Array[] = [];
  for await (const unit of connection.receive()) {
    units.push(unit);
    if (units.length === count) return units;
  }
  assert.fail(`it ended after ${units.length} of ${count} units`);
}

async function takeAll(connection: Connection): Promise<Uint8Array[]> {
  const units: Uint8Array[] = [];
  for await (const unit of connection.receive()) units.push(unit);
  return units;
}

async function refusal(promise: Promise<unknown>): Promise<ErrorCode> {
  try {
    await promise;
  } catch (error) {
    if (isSealwireError(error)) return error.code;
    throw error;
  }
  assert.fail('it was not refused');
}

async function flood(far: Duplex, block: Uint8Array, times: number, onWritten: () => void = () => {}): Promise<void> {
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
function memory(): number {
  collectGarbage();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

function assertFlat(before: number): void {
  const grown = memory() - before;
  assert.ok(grown < 24 * MEGABYTE, `${(grown / MEGABYTE).toFixed(1)} MiB more than before`);
}
