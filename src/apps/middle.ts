import type { Connection, Listener } from '../core/ports.ts';
import { dialTcp, listenTcp } from '../node/tcp.ts';

/** Which way a unit was going: from whoever dialled, or back. */
export type Direction = 'out' | 'back';

/**
 * What the middle does with one unit: gives the units to pass on instead, in their order. `connection` counts the
 * connections from 0. Must not change the given bytes.
 */
export type Meddle = (
  unit: Uint8Array,
  direction: Direction,
  connection: number,
) => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;

/**
 * A machine in the middle: it takes connections, dials the real address for each, and passes units on as `meddle`
 * says. It has no keys; it is what Sealwire has to withstand, for the tour and the tests.
 */
export class Middle implements AsyncDisposable {
  readonly #listener: Listener;
  readonly #target: string;
  readonly #meddle: Meddle;
  readonly #open = new Set<Connection>();
  readonly #running: Promise<void>;

  /** Use {@link Middle.start}. */
  constructor(listener: Listener, target: string, meddle: Meddle) {
    this.#listener = listener;
    this.#target = target;
    this.#meddle = meddle;
    this.#running = this.#run();
  }

  /** Stands in front of `target` (`tcp://host:port`) on a free loopback port. */
  static async start(target: string, meddle: Meddle = (unit) => [unit]): Promise<Middle> {
    return new Middle(await listenTcp('tcp://127.0.0.1:0'), target, meddle);
  }

  /** What to dial instead of the target. */
  get address(): string {
    return this.#listener.address;
  }

  /** Cuts every connection, both ways, and goes on listening. */
  async cut(): Promise<void> {
    await Promise.all([...this.#open].map((connection) => connection.close()));
  }

  async close(): Promise<void> {
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
    this.#open.add(near);
    const far = await dialTcp(this.#target).catch(() => undefined);
    if (far) {
      this.#open.add(far);
      await Promise.all([this.#pump(near, far, 'out', index), this.#pump(far, near, 'back', index)]);
      this.#open.delete(far);
    } else await near.close();
    this.#open.delete(near);
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
