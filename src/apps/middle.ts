import { SealwireError } from '../core/errors.ts';
import type { Label } from '../core/frame/label.ts';
import { receiveFrame } from '../core/frame/open.ts';
import type { Connection, Listener } from '../core/ports.ts';
import { dialTcp, listenTcp } from '../node/tcp.ts';

/** Which way a unit was going: from whoever dialled, or back. */
export type Direction = 'out' | 'back';

/**
 * What the middle does with one unit: gives the units to pass on instead, in their order. `[unit]` passes it on, `[]`
 * drops it, `[unit, unit]` repeats it. `connection` counts the connections from 0. Must not change the given bytes.
 */
export type Meddle = (
  unit: Uint8Array,
  direction: Direction,
  connection: number,
) => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;

/** Both ends of one connection through the middle. */
interface Line {
  /** Leads to whoever dialled. */
  readonly near: Connection;
  readonly far: Connection;
}

/**
 * A machine in the middle: it takes connections, dials the real address for each, and passes units on as `meddle`
 * says. It has no keys; it is what Sealwire has to withstand, for the tour and the tests.
 */
export class Middle implements AsyncDisposable {
  readonly #listener: Listener;
  readonly #target: () => string;
  readonly #meddle: Meddle;
  readonly #lines = new Map<number, Line>();
  readonly #running: Promise<void>;
  #closing = false;

  /** Use {@link Middle.start}. */
  constructor(listener: Listener, target: () => string, meddle: Meddle) {
    this.#listener = listener;
    this.#target = target;
    this.#meddle = meddle;
    this.#running = this.#run();
  }

  /** Stands in front of `target` (`tcp://host:port`), which may move, on a free loopback port. */
  static async start(target: string | (() => string), meddle: Meddle = (unit) => [unit]): Promise<Middle> {
    const targetNow = typeof target === 'string' ? () => target : target;
    return new Middle(await listenTcp('tcp://127.0.0.1:0'), targetNow, meddle);
  }

  /** What to dial instead of the target. */
  get address(): string {
    return this.#listener.address;
  }

  /** Sends a unit of its own on a connection that is open; rejects with `session-closed` on one that is not. */
  async inject(unit: Uint8Array, direction: Direction, connection: number): Promise<void> {
    const line = this.#lines.get(connection);
    if (!line) throw new SealwireError('session-closed', `Connection ${connection} is not open.`);
    await (direction === 'out' ? line.far : line.near).send(unit);
  }

  /** Cuts every connection, both ways, and goes on listening. */
  async cut(): Promise<void> {
    await Promise.all([...this.#lines.values()].flatMap(({ near, far }) => [near.close(), far.close()]));
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#listener.close();
    await this.cut();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(): Promise<void> {
    const serving: Promise<void>[] = [];
    let count = 0;
    for await (const near of this.#listener.accept()) serving.push(this.#serve(near, count++));
    await Promise.all(serving);
  }

  async #serve(near: Connection, index: number): Promise<void> {
    const far = await dialTcp(this.#target()).catch(() => undefined);
    if (!far || this.#closing) {
      await Promise.all([near.close(), far?.close()]);
      return;
    }
    this.#lines.set(index, { near, far });
    await Promise.all([this.#pump(near, far, 'out', index), this.#pump(far, near, 'back', index)]);
    this.#lines.delete(index);
  }

  async #pump(from: Connection, to: Connection, direction: Direction, index: number): Promise<void> {
    try {
      for await (const unit of from.receive()) {
        for (const passed of await this.#meddle(unit, direction, index)) await to.send(passed);
      }
    } catch {
      // One side broke; the other one is told by the line going down.
    }
    await to.close();
  }
}

/** A frame's label; undefined for a unit of the handshake. */
export function labelIn(unit: Uint8Array): Label | undefined {
  try {
    return receiveFrame(unit).label;
  } catch (error) {
    if (error instanceof SealwireError) return undefined;
    throw error;
  }
}
