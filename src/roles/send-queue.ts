import type { Kind } from '../core/kinds.ts';
import type { LoggedLabel } from '../core/ledger/submission.ts';

/** What became of a message, as far as its sender waited. */
export interface Sent {
  /** Its place in the session's stream. */
  readonly n: number;
  /** Its frame's place in the ratchet; null while it has none. */
  readonly seq: number | null;
  /** Where its label stands in the ledger; only after waiting for `logged`. */
  readonly logged: LoggedLabel | null;
}

/** How far `send` waits: handed to the transport, confirmed by the reader's signed receipt, or in the ledger. */
export type SendUntil = 'sent' | 'delivered' | 'logged';

/** As {@link SendUntil}, where there is an outbox: `queued` is written to it. */
export type StoredUntil = SendUntil | 'queued';

/** A message that an outbox keeps, as a session takes it. */
export interface StoredMessage {
  readonly topic: string | null;
  readonly n: number;
  readonly expiresAtS: number | null;
  /** Encoded as it will lie in the body. */
  readonly encoded: Uint8Array;
  /** Resolves once the reader has confirmed it; rejects where this session will not have it confirmed any more. */
  readonly done: PromiseWithResolvers<Sent>;
  /** Called when its frame was handed to the carrier. */
  readonly onLeft?: (seq: number) => void;
  /** Told what the ledger says of it. */
  readonly logged?: LoggedListener;
}

/** Told what the ledger says of a message. */
export interface LoggedListener {
  resolve(seq: number, logged: LoggedLabel): void;
  reject(error: unknown): void;
}

/** A message on its way into a frame. */
export interface PendingMessage {
  readonly kind: Kind;
  /** The application topic it is about; null for what goes to the reader as such. */
  readonly topic: string | null;
  readonly n: number;
  readonly expiresAtS: number | null;
  /** Encoded as it will lie in the body. */
  readonly encoded: Uint8Array;
  readonly until: SendUntil;
  /** The broker keeps it, and only the last one: it has a frame of its own. */
  readonly retain?: boolean;
  readonly done: PromiseWithResolvers<Sent>;
  /** It is an outbox's, whose streams share no frame with the session's own. */
  readonly stored?: Pick<StoredMessage, 'onLeft' | 'logged'>;
}

/** How much one frame takes. */
export interface BatchBounds {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

/** Messages waiting for the next frames, first in, first out, bounded: a full queue makes its writers wait. */
export class SendQueue {
  readonly #messagesMax: number;
  #items: PendingMessage[] = [];
  #room: PromiseWithResolvers<void> | undefined;

  constructor(messagesMax: number) {
    this.#messagesMax = messagesMax;
  }

  get length(): number {
    return this.#items.length;
  }

  /** True where the next one would have to wait. */
  get full(): boolean {
    return this.#items.length >= this.#messagesMax;
  }

  /** Resolves when there is room for one more. */
  async room(): Promise<void> {
    while (this.full) {
      this.#room ??= Promise.withResolvers();
      await this.#room.promise;
    }
  }

  /** Call it only after {@link room}, in the same turn of the loop. */
  push(message: PendingMessage): void {
    this.#items.push(message);
  }

  /** Adaptive batching: whatever is queued and may share one label, up to the bounds, and at least one message. */
  takeBatch({ messagesMax, bytesMax }: BatchBounds): PendingMessage[] {
    const first = this.#items[0];
    if (!first) return [];
    if (messagesMax === 1) {
      this.#items.shift();
      this.#release();
      return [first];
    }
    let bytes = first.encoded.length;
    let count = 1;
    for (; count < Math.min(messagesMax, this.#items.length); count++) {
      const next = this.#items[count];
      if (!next || !shareLabel(first, next)) break;
      bytes += next.encoded.length;
      if (bytes > bytesMax) break;
    }
    const batch = this.#items.splice(0, count);
    this.#release();
    return batch;
  }

  /** Empties the queue and rejects everything in it. */
  fail(error: Error): void {
    const items = this.#items;
    this.#items = [];
    for (const { done } of items) done.reject(error);
    this.#release();
  }

  #release(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

function shareLabel(a: PendingMessage, b: PendingMessage): boolean {
  if (a.retain || b.retain || (a.stored === undefined) !== (b.stored === undefined)) return false;
  return a.kind === b.kind && a.topic === b.topic && a.expiresAtS === b.expiresAtS;
}
