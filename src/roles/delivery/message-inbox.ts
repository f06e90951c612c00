import { bytesToHex, equalBytes } from '../../core/bytes.ts';
import type { DeliveryStore, InboxEntry, InboxStream, StreamId } from '../../core/delivery.ts';
import { SealwireError } from '../../core/errors.ts';
import type { BodyMessage } from '../../core/frame/body.ts';
import { type Gap, type Ordered, type OrderPlace, StreamOrder } from '../../core/frame/order.ts';
import { toRanges } from '../../core/frame/receipt.ts';
import { KIND } from '../../core/kinds.ts';
import type { Clock, Eventually } from '../../core/ports.ts';
import type { ReceivedMessage } from '../incoming.ts';
import { Gathered } from './gathered.ts';
import type { GroupCommit } from './group-commit.ts';

/** A message that an inbox hands out. */
export interface InboxMessage extends ReceivedMessage {
  /** The sender's name, as trust showed it when the message came. */
  readonly senderName: string;
  /** It may have been handed out before: nobody acknowledged it. */
  readonly redelivered: boolean;
  /** The application has done with it and it never comes again; resolves when that is written. Idempotent. */
  ack(): Promise<void>;
}

/** What happens to a stream beside messages. */
export type InboxEvent = { readonly type: 'gap'; readonly gap: Gap } | { readonly type: 'expired'; readonly n: number };

/** Who sent what came, and whom to tell about it. */
export interface InboxSource {
  readonly senderId: Uint8Array;
  readonly senderName: string;
  readonly onEvent: (event: InboxEvent) => void;
}

/** A message of an outbox, as it came out of its frame. */
export interface StoredArrival {
  readonly message: BodyMessage;
  readonly topic: string | null;
  /** Seconds since 1970. */
  readonly expiresAtS: number | null;
}

/** What an inbox goes by. */
export interface InboxTuning {
  readonly gapWaitMs: number;
  /** What waits for messages before it, in each stream and in all of them together. */
  readonly heldMessagesMax: number;
  readonly heldBytesMax: number;
  /** Messages that are handed out and not acknowledged, at most. */
  readonly unacknowledgedMax: number;
}

/** What a {@link MessageInbox} is made of. */
export interface InboxOptions {
  readonly store: Pick<DeliveryStore, 'inbox'>;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly tuning: InboxTuning;
  /** Hands a message to the application, in order; resolves once there is room for more. */
  readonly deliver: (message: InboxMessage) => Eventually<void>;
}

interface Stream {
  readonly id: StreamId;
  streamNo: number | undefined;
  senderName: string;
  readonly order: StreamOrder<InboxEntry>;
  onEvent: (event: InboxEvent) => void;
  cancelTimer: (() => void) | undefined;
  /** How far it had come when it was last known to be written: everything before was handed out. */
  written: OrderPlace;
  /** What is done with and still on the disk. */
  readonly finished: Gathered<number>;
  /** Writes under way: until they are done memory knows more than the disk. */
  writes: number;
  /** What memory says of it was not written: it is read again from the disk. */
  broken: boolean;
}

/** Streams whose places are in memory; others are read when something of them comes. */
const STREAMS_MAX = 1024;
/** Streams that wait for something, of all senders. */
const HOLDING_STREAMS_MAX = 64;

/**
 * Everything that came out of outboxes, on the disk before it is confirmed, until the application acknowledges it: once,
 * in each stream's order, over sessions, reconnections and restarts.
 */
export class MessageInbox {
  readonly #options: InboxOptions;
  readonly #streams = new Map<string, Stream>();
  /** Of streams that could not be written: what the disk has beyond these places was never handed out. */
  readonly #doubtful = new Map<string, OrderPlace>();
  #unacknowledged = 0;
  #room: PromiseWithResolvers<void> | undefined;
  #delivered: Eventually<void> = undefined;
  #isUnbound = false;
  #stopped = false;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** Hands out what nobody had acknowledged. Call it once, before anything comes. */
  start(): void {
    const again: (InboxEntry & { readonly of: Stream })[] = [];
    for (const stored of this.#options.store.inbox.waiting()) {
      const stream = this.#load(stored);
      for (const entry of stored.entries) if (entry.n < stored.place.next) again.push({ ...entry, of: stream });
      this.#watchGap(stream);
    }
    for (const { of: stream, ...entry } of again) this.#hand(stream, entry, { late: false, redelivered: true });
  }

  /** Resolves when the application has taken enough for more to come. */
  async room(): Promise<void> {
    await this.#delivered;
    while (this.#isFull) {
      this.#room ??= Promise.withResolvers();
      await this.#room.promise;
    }
  }

  /**
   * Takes messages of one stream in; resolves once they are written, whether they are new or were there before, so that
   * they may be confirmed. Rejects with `file-unwritable`: then nothing was taken in, and they have to come again.
   */
  async take(source: InboxSource, arrivals: readonly StoredArrival[]): Promise<void> {
    const first = arrivals[0];
    if (!first || this.#stopped) throw new SealwireError('session-closed', 'This side takes in nothing any more.');
    const stream = this.#streamOf({ senderId: source.senderId, stream: first.message.stream });
    stream.senderName = source.senderName;
    stream.onEvent = source.onEvent;
    const added: InboxEntry[] = [];
    const ready: Ordered<InboxEntry>[] = [];
    for (const arrival of arrivals) {
      const entry = toEntry(arrival);
      if (!stream.order.isNew(entry.n)) continue;
      added.push(entry);
      ready.push(...stream.order.accept(entry.n, entry));
    }
    if (stream.order.holding) this.#boundHeld(stream);
    if (added.length === 0) {
      // What it repeats may still be on its way to the disk.
      await this.#options.commits.run(() => {});
      if (stream.broken) throw notWritten();
      return;
    }
    await this.#write(stream, added, ready);
  }

  /** From now on whoever brings something never waits: only what is still under way is to come. */
  unbound(): void {
    this.#isUnbound = true;
    this.#release();
  }

  /** Takes in nothing more. */
  stop(): void {
    this.#stopped = true;
    for (const { cancelTimer } of this.#streams.values()) cancelTimer?.();
    this.#streams.clear();
    this.#release();
  }

  async #write(stream: Stream, added: readonly InboxEntry[], ready: readonly Ordered<InboxEntry>[]): Promise<void> {
    const { commits, store } = this.#options;
    const { place } = stream.order;
    stream.writes += 1;
    try {
      const written = await commits.run(() => {
        if (stream.broken) return false;
        stream.streamNo ??= store.inbox.begin(stream.id, stream.senderName);
        for (const entry of added) store.inbox.add(stream.streamNo, entry);
        store.inbox.setPlace(stream.streamNo, place);
        return true;
      });
      if (!written) throw notWritten();
    } catch (error) {
      this.#drop(stream);
      throw error;
    } finally {
      stream.writes -= 1;
    }
    stream.written = place;
    this.#deliver(stream, ready);
    this.#watchGap(stream);
  }

  #deliver(stream: Stream, ready: readonly Ordered<InboxEntry>[]): void {
    for (const next of ready) {
      if (next.type === 'gap') stream.onEvent(next);
      else this.#hand(stream, next.item, { late: next.late, redelivered: false });
    }
  }

  #hand(stream: Stream, entry: InboxEntry, marks: { readonly late: boolean; readonly redelivered: boolean }): void {
    const { n, expiresAtS, topic, timeMs, contentType, payload } = entry;
    if (expiresAtS !== null && expiresAtS * 1000 <= this.#options.clock.now()) {
      stream.onEvent({ type: 'expired', n });
      stream.finished.add(n).catch(() => {});
      return;
    }
    this.#unacknowledged += 1;
    let acknowledged: Promise<void> | undefined;
    const ack = (): Promise<void> => {
      acknowledged ??= this.#acknowledge(stream, n).catch((error: unknown) => {
        // Whoever tries again may have more luck.
        acknowledged = undefined;
        throw error;
      });
      return acknowledged;
    };
    this.#delivered = this.#options.deliver({
      ...{ kind: KIND.message, senderId: stream.id.senderId, senderName: stream.senderName },
      ...{ topic, n, timeMs, contentType, payload, ...marks },
      ack,
    });
  }

  async #acknowledge(stream: Stream, n: number): Promise<void> {
    await stream.finished.add(n);
    this.#unacknowledged -= 1;
    if (!this.#isFull) this.#release();
  }

  #removeFinished({ streamNo }: Stream, finished: readonly number[]): void {
    if (streamNo === undefined) return;
    const ascending = [...new Set(finished)].sort((a, b) => a - b);
    for (const [first, last] of toRanges(ascending)) this.#options.store.inbox.remove(streamNo, first, last);
  }

  #streamOf(id: StreamId): Stream {
    const key = keyOf(id);
    const known = this.#streams.get(key);
    if (known) {
      // The one that was heard longest ago is forgotten first.
      this.#streams.delete(key);
      this.#streams.set(key, known);
      return known;
    }
    const stored = this.#options.store.inbox.find(id);
    const stream = stored ? this.#load(stored) : this.#begin(id);
    if (stored) this.#handKept(stream, stored);
    this.#forgetIdle();
    return stream;
  }

  #begin(id: StreamId): Stream {
    const { commits, tuning } = this.#options;
    const { heldMessagesMax, heldBytesMax } = tuning;
    const stream: Stream = {
      id,
      streamNo: undefined,
      senderName: '',
      order: new StreamOrder(heldMessagesMax, heldBytesMax, ({ payload }) => payload.length),
      onEvent: () => {},
      cancelTimer: undefined,
      written: { next: 0, gaps: [] },
      finished: new Gathered(commits, (finished) => this.#removeFinished(stream, finished)),
      writes: 0,
      broken: false,
    };
    this.#streams.set(keyOf(id), stream);
    return stream;
  }

  #load({ senderId, stream: name, streamNo, senderName, place, entries }: InboxStream): Stream {
    const stream = this.#begin({ senderId, stream: name });
    stream.streamNo = streamNo;
    stream.senderName = senderName;
    stream.order.resume(place);
    stream.written = place;
    for (const entry of entries) if (entry.n > place.next) stream.order.accept(entry.n, entry);
    return stream;
  }

  /**
   * A peer may begin any number of streams: what they hold together is bounded as what one of them holds is. Whoever
   * brought the last of it loses patience first.
   */
  #boundHeld(newest: Stream): void {
    const { heldBytesMax } = this.#options.tuning;
    const holding = [...this.#streams.values()].filter(({ order }) => order.holding);
    let [count, bytes] = [holding.length, holding.reduce((sum, { order }) => sum + order.weight, 0)];
    const isTheirs = ({ id }: Stream): boolean => equalBytes(id.senderId, newest.id.senderId);
    const others = holding.filter((stream) => stream !== newest);
    for (const stream of [...others.filter(isTheirs), ...others.filter((other) => !isTheirs(other))]) {
      if (count <= HOLDING_STREAMS_MAX && bytes <= heldBytesMax) return;
      count -= 1;
      bytes -= stream.order.weight;
      stream.cancelTimer?.();
      this.#losePatience(stream, stream.order.newest);
    }
  }

  /** What memory says is not what the disk says: whatever comes next is judged by the disk. */
  #drop(stream: Stream): void {
    stream.broken = true;
    this.#doubtful.set(keyOf(stream.id), this.#doubtful.get(keyOf(stream.id)) ?? stream.written);
    stream.cancelTimer?.();
    if (this.#streams.get(keyOf(stream.id)) === stream) this.#streams.delete(keyOf(stream.id));
  }

  /** The disk may have kept what it said it could not: nobody was given that yet, and its sender does not send it again. */
  #handKept(stream: Stream, { place, entries }: InboxStream): void {
    const before = this.#doubtful.get(keyOf(stream.id));
    this.#doubtful.delete(keyOf(stream.id));
    if (!before) return;
    const isNew = (n: number): boolean =>
      n >= before.next || before.gaps.some(({ first, last }) => first <= n && n <= last);
    for (const entry of entries) {
      if (entry.n < place.next && isNew(entry.n))
        this.#hand(stream, entry, { late: entry.n < before.next, redelivered: false });
    }
  }

  #forgetIdle(): void {
    for (const [key, { order, writes }] of this.#streams) {
      if (this.#streams.size <= STREAMS_MAX) return;
      if (!order.holding && writes === 0) this.#streams.delete(key);
    }
  }

  /** Patience starts when something is found missing and ends when nothing is. */
  #watchGap(stream: Stream): void {
    if (!stream.order.holding || this.#stopped || stream.broken) {
      stream.cancelTimer?.();
      stream.cancelTimer = undefined;
    } else if (!stream.cancelTimer) {
      const { clock, tuning } = this.#options;
      const { newest } = stream.order;
      stream.cancelTimer = clock.after(tuning.gapWaitMs, () => this.#losePatience(stream, newest));
    }
  }

  #losePatience(stream: Stream, newest: number): void {
    stream.cancelTimer = undefined;
    const ready: Ordered<InboxEntry>[] = [];
    while (stream.order.holding && stream.order.next <= newest) ready.push(...stream.order.giveUp());
    // Where it can't be written it is read again, and patience starts anew with the next message.
    this.#write(stream, [], ready).catch(() => {});
  }

  get #isFull(): boolean {
    return !this.#isUnbound && this.#unacknowledged >= this.#options.tuning.unacknowledgedMax;
  }

  #release(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

function keyOf({ senderId, stream }: StreamId): string {
  return `${bytesToHex(senderId)} ${bytesToHex(stream)}`;
}

function toEntry({ message, topic, expiresAtS }: StoredArrival): InboxEntry {
  const { n, timeMs, contentType, payload } = message;
  return { n, topic, timeMs, contentType, payload, expiresAtS };
}

function notWritten(): SealwireError {
  return new SealwireError('file-unwritable', 'A message before this one could not be written.');
}
