import { bytesToHex, equalBytes } from '../../core/bytes.ts';
import type { Grant } from '../../core/channel/grant.ts';
import { decodeReaderState, encodeReaderState, type ReaderState } from '../../core/channel/reader-state.ts';
import type { ChannelStore, StoredRatchet } from '../../core/channel/store.ts';
import { isSealwireError, SealwireError } from '../../core/errors.ts';
import type { OrderPlace } from '../../core/frame/order.ts';
import type { ValidIdentity } from '../../core/identity/path.ts';
import { SKIP_MAX, SKIPPED_KEYS_MAX } from '../../core/limits.ts';
import { ReceivingRatchet } from '../../core/ratchet/receiving.ts';
import { SkippedKeys } from '../../core/ratchet/skipped-keys.ts';
import type { Turns } from '../turns.ts';
import type { ChannelContext } from './channel-context.ts';
import { type Deliver, StreamDelivery } from './stream-delivery.ts';

/** A ratchet whose keys are here, and where its messages go. */
export interface KnownRatchet {
  readonly channel: string;
  readonly writer: ValidIdentity;
  readonly ratchet: ReceivingRatchet;
  readonly delivery: StreamDelivery;
}

/** A writer that granted something. */
export interface KnownWriter {
  readonly identity: ValidIdentity;
  /** By ratchet id in hex, longest known first. */
  readonly ratchets: Map<string, KnownRatchet>;
}

type RestoredRatchet = Omit<ReaderState, 'ratchet'> & { readonly ratchet: ReceivingRatchet };

/** Ratchets of one writer in one channel that are remembered: the one in use, and former ones of which frames may still come. */
const RATCHETS_MAX = 4;

/** What a reader knows of writers: in memory, and in a store from which it goes on after a restart. */
export class KnownWriters {
  readonly #context: ChannelContext;
  readonly #store: ChannelStore;
  readonly #deliver: Deliver;
  readonly #turns: Turns;
  readonly #skipped = new SkippedKeys(SKIPPED_KEYS_MAX, SKIP_MAX);
  readonly #writers = new Map<string, KnownWriter>();
  /** What moved since it was stored last. */
  readonly #touched = new Set<KnownRatchet>();
  #storing: Promise<void> | undefined;

  /** `turns` are those in which everything here is called. */
  constructor(context: ChannelContext, store: ChannelStore, deliver: Deliver, turns: Turns) {
    this.#context = context;
    this.#store = store;
    this.#deliver = deliver;
    this.#turns = turns;
  }

  /** The writer of that id; undefined where it granted nothing so far. */
  find(writerId: Uint8Array): KnownWriter | undefined {
    const key = bytesToHex(writerId);
    const known = this.#writers.get(key) ?? this.#load(writerId);
    if (known) this.#writers.set(key, known);
    return known;
  }

  /** Takes a writer's grant, and has stored it by the time it resolves. */
  async learn(identity: ValidIdentity, grant: Grant): Promise<void> {
    const known = this.find(identity.id) ?? { identity, ratchets: new Map<string, KnownRatchet>() };
    const writer = { identity, ratchets: known.ratchets };
    this.#writers.set(bytesToHex(identity.id), writer);
    const before = writer.ratchets.get(bytesToHex(grant.ratchetId));
    if (before) before.ratchet.moveTo(grant);
    const learnt = before ?? (await this.#begin(writer, grant));
    writer.ratchets.set(bytesToHex(grant.ratchetId), learnt);
    this.#dropOldest(writer, grant.channel);
    this.#touched.add(learnt);
    this.#storeNow();
  }

  /** Something was opened with it: it is stored again soon. */
  touched(ratchet: KnownRatchet): void {
    this.#touched.add(ratchet);
    this.#storing ??= this.#storeSoon();
  }

  /** Forgets writers whose keys count no more, in the store too. */
  forget(writerIds: readonly Uint8Array[]): void {
    for (const id of writerIds) {
      const key = bytesToHex(id);
      for (const known of this.#writers.get(key)?.ratchets.values() ?? []) {
        known.delivery.stop();
        this.#touched.delete(known);
        known.ratchet.erase();
      }
      this.#writers.delete(key);
      this.#store.forget(id);
    }
  }

  /** Stores where everything stands and forgets it here. */
  close(): void {
    this.#tryStore();
    for (const { ratchets } of this.#writers.values()) for (const { delivery } of ratchets.values()) delivery.stop();
    this.#writers.clear();
  }

  async #begin(writer: KnownWriter, grant: Grant): Promise<KnownRatchet> {
    const { channel, stream, n } = grant;
    const ratchet = new ReceivingRatchet(this.#context.crypto, grant, this.#skipped);
    const former = [...writer.ratchets.values()].filter((known) => known.channel === channel);
    const same = former.find(({ delivery }) => equalBytes(delivery.stream, stream));
    // A writer that lost its state goes on in another stream: nothing follows in the one before.
    if (!same) for (const { delivery } of former) await delivery.finish();
    const delivery =
      same?.delivery ?? this.#deliveryOf(writer.identity, channel, stream, { next: n, gaps: startGaps(n) });
    return { channel, writer: writer.identity, ratchet, delivery };
  }

  #deliveryOf({ id, name }: ValidIdentity, channel: string, stream: Uint8Array, place: OrderPlace): StreamDelivery {
    const { heldMessagesMax, heldBytesMax } = this.#context.tuning;
    const about = { channel, from: name, senderId: id, stream };
    const delivery = new StreamDelivery(
      this.#context,
      about,
      { heldMessagesMax, heldBytesMax },
      this.#deliver,
      this.#turns,
    );
    delivery.order.resume(place);
    return delivery;
  }

  #load(writerId: Uint8Array): KnownWriter | undefined {
    const states = this.#store.ratchetsOf(writerId).flatMap((stored) => this.#read(stored));
    const identity = states.at(-1)?.writer;
    if (!identity) return undefined;
    const ratchets = new Map<string, KnownRatchet>();
    const deliveries = new Map<string, StreamDelivery>();
    for (const { channel, stream, order, ratchet } of states) {
      const streamKey = bytesToHex(stream);
      const delivery = deliveries.get(streamKey) ?? this.#deliveryOf(identity, channel, stream, order);
      // Ratchets of one stream share its order; that of the last one stored is the newest.
      if (order.next > delivery.order.next) delivery.order.resume(order);
      deliveries.set(streamKey, delivery);
      ratchets.set(bytesToHex(ratchet.ratchetId), { channel, writer: identity, ratchet, delivery });
    }
    return { identity, ratchets };
  }

  /** What cannot be read, because it is damaged or another version wrote it, is asked for anew. */
  #read({ writerId, ratchetId, state }: StoredRatchet): RestoredRatchet[] {
    try {
      const { ratchet: saved, ...rest } = decodeReaderState(state);
      return [{ ...rest, ratchet: ReceivingRatchet.restore(this.#context.crypto, saved, this.#skipped) }];
    } catch (error) {
      if (!isSealwireError(error, 'malformed')) throw error;
      this.#store.drop(writerId, ratchetId);
      return [];
    }
  }

  #dropOldest({ ratchets }: KnownWriter, channel: string): void {
    const ofChannel = [...ratchets].filter(([, known]) => known.channel === channel);
    for (const [key, known] of ofChannel.slice(0, -RATCHETS_MAX)) {
      this.#forget(known);
      ratchets.delete(key);
    }
  }

  #forget(known: KnownRatchet): void {
    this.#touched.delete(known);
    this.#store.drop(known.writer.id, known.ratchet.ratchetId);
    known.ratchet.erase();
  }

  async #storeSoon(): Promise<void> {
    await this.#context.clock.turn();
    this.#storing = undefined;
    this.#tryStore();
  }

  #tryStore(): void {
    try {
      this.#storeNow();
    } catch (cause) {
      // It stays touched: the next frame, or the end, tries again.
      this.#context.onEvent({ type: 'not-stored', error: toSealwireError(cause) });
    }
  }

  #storeNow(): void {
    if (this.#touched.size === 0) return;
    this.#store.put([...this.#touched].map(stateOf));
    this.#touched.clear();
  }
}

function toSealwireError(cause: unknown): SealwireError {
  if (isSealwireError(cause)) return cause;
  const sentence = 'What is known of writers could not be stored.';
  return new SealwireError('file-unwritable', sentence, { cause, hint: 'Is the disk full?' });
}

function startGaps(n: number): OrderPlace['gaps'] {
  return n > 0 ? [{ first: 0, last: n - 1 }] : [];
}

function stateOf({ channel, writer, ratchet, delivery }: KnownRatchet): StoredRatchet {
  const order = delivery.order.place;
  const state = encodeReaderState({ channel, writer, stream: delivery.stream, order, ratchet: ratchet.save() });
  return { writerId: writer.id, ratchetId: ratchet.ratchetId, state };
}
