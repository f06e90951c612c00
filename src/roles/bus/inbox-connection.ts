import { SealwireError } from '../../core/errors.ts';
import { Handoff } from '../../core/handoff.ts';
import { inboxTopic } from '../../core/inbox.ts';
import { FRAME_BYTES_MAX } from '../../core/limits.ts';
import type { BrokerConnection, Clock, Connection, Qos } from '../../core/ports.ts';
import { unitRefusal } from '../../core/unit.ts';

/** Whom an {@link InboxConnection} joins, and how. */
export interface InboxConnectionOptions {
  readonly broker: BrokerConnection;
  /** Ids, 32 bytes. */
  readonly ownId: Uint8Array;
  readonly peerId: Uint8Array;
  readonly qos: Qos;
  readonly clock: Clock;
  readonly onClosed: () => void;
}

/** How long a session may hold up all others at the same broker by taking nothing. */
const STALL_MS = 1_000;

interface Arrival {
  readonly unit: Uint8Array;
  readonly taken: () => void;
}

interface Waiting {
  readonly sinceMs: number;
  readonly resolve: () => void;
}

/**
 * One session's way through a broker: what is about an application topic is published there, everything else goes to
 * the peer's inbox. Units may be lost, doubled and reordered on it; that is the session's to repair.
 */
export class InboxConnection implements Connection {
  readonly remote: string;
  readonly #options: InboxConnectionOptions;
  readonly #inbox: string;
  readonly #arrivals = new Handoff<Arrival>(() => {});
  /** What was not taken yet, the oldest first. */
  readonly #waiting = new Set<Waiting>();
  #cancelWatch: (() => void) | undefined;
  #closed = false;
  /** It took nothing for too long: what comes is lost to it until it does, and its sender sends that again. */
  #stalled = false;

  constructor(options: InboxConnectionOptions) {
    const { broker, ownId, peerId } = options;
    this.#options = options;
    this.#inbox = inboxTopic({ to: peerId, lane: 'frames', from: ownId });
    this.remote = broker.remote;
  }

  async send(unit: Uint8Array, topic?: string): Promise<void> {
    if (this.#closed) throw new SealwireError('session-closed', 'The session over the broker is closed.');
    const refusal = unitRefusal(unit, FRAME_BYTES_MAX);
    if (refusal) throw refusal;
    const { broker, qos } = this.#options;
    if (topic !== undefined) await broker.publish(topic, unit, { qos });
    // Receipts and ends cost little, and losing one costs a round of waiting.
    else await broker.publish(this.#inbox, unit, { qos: qos === 2 ? 2 : 1 });
  }

  /**
   * A unit came for this session; resolves once it was taken in, so that the broker hears of it no sooner. One line
   * serves all sessions, receipts included: one that takes nothing for {@link STALL_MS} is waited for no longer.
   */
  async deliver(unit: Uint8Array): Promise<void> {
    if (this.#closed || this.#stalled) return;
    await new Promise<void>((resolve) => {
      const waiting: Waiting = { sinceMs: this.#options.clock.elapsed(), resolve };
      const taken = (): void => {
        this.#stalled = false;
        this.#waiting.delete(waiting);
        resolve();
      };
      this.#waiting.add(waiting);
      this.#arrivals.put({ unit, taken });
      this.#watch(STALL_MS);
    });
  }

  /** One timer for all that comes in its time: one for each costs more than finding out whose a frame is. */
  #watch(delayMs: number): void {
    const { clock } = this.#options;
    if (this.#waiting.size === 0) return;
    this.#cancelWatch ??= clock.after(delayMs, () => {
      this.#cancelWatch = undefined;
      const now = clock.elapsed();
      for (const waiting of this.#waiting) {
        const leftMs = waiting.sinceMs + STALL_MS - now;
        if (leftMs > 0) return this.#watch(leftMs);
        this.#waiting.delete(waiting);
        this.#stalled = true;
        waiting.resolve();
      }
    });
  }

  /** A unit counts as taken once the next one is asked for, or reading is left. */
  receive(): AsyncIterableIterator<Uint8Array> {
    const arrivals = this.#arrivals.items();
    const given: Arrival[] = [];
    const settle = (): void => {
      for (const { taken } of given.splice(0)) taken();
    };
    const iterator: AsyncIterableIterator<Uint8Array> = {
      async next() {
        settle();
        const { done, value } = await arrivals.next();
        if (done) return { done, value: undefined };
        given.push(value);
        return { value: value.unit };
      },
      async return() {
        settle();
        await arrivals.return?.();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#cancelWatch?.();
      for (const { taken } of this.#arrivals.drop()) taken();
      this.#options.onClosed();
    }
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
