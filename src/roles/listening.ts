import { isSealwireError, SealwireError } from '../core/errors.ts';
import { TUNING } from '../core/limits.ts';
import type { Connection, Listener } from '../core/ports.ts';
import type { Peer } from './peer.ts';
import { AsyncQueue } from './queue.ts';
import type { Session } from './session.ts';

/** What {@link Listening} takes beside the peer and its listener. */
export interface ListeningOptions {
  /** Told of whoever did not get a session, and why. Must not throw. */
  readonly onRefused?: (error: SealwireError, remote: string) => void;
  /** Handshakes under way at once; the oldest makes room for the newest. */
  readonly halfOpenMax?: number;
}

/** Answers everybody who connects and gives the sessions that come of it. */
export class Listening implements AsyncDisposable {
  readonly #peer: Peer;
  readonly #listener: Listener;
  readonly #options: ListeningOptions;
  readonly #sessions = new AsyncQueue<Session>(Number.POSITIVE_INFINITY);
  /** The oldest first. */
  readonly #halfOpen = new Set<Connection>();
  readonly #displaced = new WeakSet<Connection>();
  readonly #open = new Set<Session>();
  readonly #accepting: Promise<void>;

  constructor(peer: Peer, listener: Listener, options: ListeningOptions = {}) {
    this.#peer = peer;
    this.#listener = listener;
    this.#options = options;
    this.#accepting = this.#accept();
  }

  /** Where others reach it, with the real port. */
  get address(): string {
    return this.#listener.address;
  }

  /** Sessions as their handshakes are done. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Session> {
    return this.#sessions.items();
  }

  /** Stops listening, gives up handshakes under way, and closes every session that came of it. */
  async close(): Promise<void> {
    await this.#listener.close();
    await Promise.all([...this.#halfOpen].map((connection) => connection.close()));
    await this.#accepting;
    this.#sessions.end();
    await Promise.allSettled([...this.#open].map((session) => session.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #accept(): Promise<void> {
    const { halfOpenMax = TUNING.halfOpenMax } = this.#options;
    for await (const connection of this.#listener.accept()) {
      // Who is honest goes on at once: it is the silent that grow old.
      if (this.#halfOpen.size >= halfOpenMax) this.#displaceOldest();
      void this.#answer(connection);
    }
  }

  #displaceOldest(): void {
    const [oldest] = this.#halfOpen;
    if (!oldest) return;
    this.#halfOpen.delete(oldest);
    this.#displaced.add(oldest);
    void oldest.close();
  }

  async #answer(connection: Connection): Promise<void> {
    this.#halfOpen.add(connection);
    try {
      const session = await this.#peer.answer(connection);
      this.#open.add(session);
      void session.over.then(() => this.#open.delete(session));
      void this.#sessions.push(session);
    } catch (cause) {
      this.#refused(this.#displaced.has(connection) ? displaced(cause) : cause, connection);
    } finally {
      this.#halfOpen.delete(connection);
    }
  }

  #refused(cause: unknown, { remote }: Connection): void {
    const error = isSealwireError(cause) ? cause : new SealwireError('internal', 'A handshake failed.', { cause });
    this.#options.onRefused?.(error, remote);
  }
}

function displaced(cause: unknown): SealwireError {
  return new SealwireError('overloaded', 'The handshake was given up: it had not got on when newer ones needed room.', {
    cause,
  });
}
