import { bytesToHex } from '../../core/bytes.ts';
import type { GrantAck } from '../../core/channel/grant-ack.ts';
import type { GrantRequest } from '../../core/channel/grant-request.ts';
import { SealwireError } from '../../core/errors.ts';
import { encodeMessage, joinBody } from '../../core/frame/body.ts';
import type { DeliveryReceipt } from '../../core/frame/receipt.ts';
import { draftFrame, type SealedFrame } from '../../core/frame/seal.ts';
import type { ValidIdentity } from '../../core/identity/path.ts';
import { KIND } from '../../core/kinds.ts';
import { BODY_BYTES_MAX } from '../../core/limits.ts';
import type { SignedRoster } from '../../core/roster/roster.ts';
import { logLabel } from '../label-logging.ts';
import { checkMessage, type OutgoingMessage, tooLargeMessage } from '../outgoing-message.ts';
import { type PendingMessage, SendQueue, type Sent } from '../send-queue.ts';
import type { Session } from '../session.ts';
import { Turns } from '../turns.ts';
import { AwaitedFrames } from './awaited-frames.ts';
import type { ChannelContext } from './channel-context.ts';
import { Chasing } from './chasing.ts';
import { confirmersOf, pinnedReaders } from './confirmers.ts';
import { Granting } from './granting.ts';
import { LastRetained } from './last-retained.ts';
import { checkNotBehind, checkReader, checkWriter, type Rights, rightsIn } from './rights.ts';

/** What is said of one message in a channel; it always has a topic. */
export interface ChannelMessage extends OutgoingMessage {
  readonly topic: string;
  /** The broker keeps it for those who subscribe later, and it is sealed again for those whom the roster adds later. */
  readonly retain: boolean;
  /** How long a sender that waits for `delivered` does so. */
  readonly waitMs: number;
}

/** One writer in one channel: batches, seals, signs, publishes, logs, and sends again what readers did not confirm. */
export class ChannelWriter {
  readonly #context: ChannelContext;
  readonly #name: string;
  readonly #own: ValidIdentity;
  readonly #queue: SendQueue;
  readonly #granting: Granting;
  readonly #awaited = new AwaitedFrames();
  readonly #chasing: Chasing;
  readonly #retained = new LastRetained();
  /** Of messages whose senders wait no longer. */
  readonly #abandoned = new WeakSet<PendingMessage['done']>();
  /** 8 random bytes: order is kept within it, over all ratchets. */
  readonly #stream: Uint8Array;
  #n = 0;
  /** The n of the first message that is in no frame yet. */
  #nextFramedN = 0;
  readonly #entrance = new Turns();
  #waiting = 0;
  #pumping: Promise<void> | undefined;
  #closed = false;

  constructor(context: ChannelContext, name: string, own: ValidIdentity) {
    this.#context = context;
    this.#name = name;
    this.#own = own;
    this.#queue = new SendQueue(context.tuning.sendQueueMessagesMax);
    this.#stream = context.crypto.random(8);
    this.#granting = new Granting(context, name, this.#stream, () => this.#nextFramedN);
    this.#chasing = new Chasing(context, name, this.#awaited, () => this.#readers());
  }

  /**
   * Queues a message and waits as far as `until` says, for `delivered` no longer than `waitMs`; it is sent all the same.
   * Rejects with `too-large`, `usage`, `topic-invalid`, whatever the roster does not allow (`roster-…`,
   * `channel-unknown`, `not-allowed`), `peer-offline` where readers did not confirm it in time, or `session-closed`.
   */
  async send(message: ChannelMessage): Promise<Sent> {
    checkMessage(message, this.#context.sink !== null);
    this.#rights();
    const done = Promise.withResolvers<Sent>();
    const stopWaiting = this.#waitFor(message, done);
    this.#enter(message, done).catch(done.reject);
    try {
      return await done.promise;
    } finally {
      stopWaiting();
    }
  }

  /** A reader asks for the keys from some frame on. Throws `not-allowed`. */
  onRequest(session: Session, request: GrantRequest): void {
    const isFirst = this.#granting.answer(
      session,
      request,
      rightsIn(this.#context.roster, this.#context.clock, this.#name),
    );
    // What is retained was sealed before it might open anything: it is sealed once more.
    if (isFirst) this.#republish();
  }

  /** A reader has its keys. */
  onAck(readerId: Uint8Array, ack: GrantAck): void {
    this.#granting.acknowledged(readerId, ack);
    this.#chasing.hurry();
  }

  /** A reader confirms frames; throws `malformed`, or `not-allowed` for anybody else: labels are no secret. */
  onReceipt(session: Session, receipt: DeliveryReceipt): void {
    checkReader(rightsIn(this.#context.roster, this.#context.clock, this.#name), session.peer);
    const settled = this.#awaited.confirm(this.#context.crypto, session.peer.id, receipt);
    for (const { seq, messages } of settled) for (const { n, done } of messages) done.resolve({ n, seq, logged: null });
    this.#chasing.heard(settled);
  }

  /** True for a receipt about frames of this writer's ratchets. */
  isAbout({ ratchetId }: DeliveryReceipt): boolean {
    return this.#granting.knows(ratchetId);
  }

  /** There is a newer roster: those whom it takes away open nothing from here on. */
  onRoster(now: SignedRoster): void {
    for (const readerId of this.#granting.removed(now)) this.#chasing.forget(readerId);
    if (this.#granting.added(now)) this.#republish();
  }

  /** Sends what is queued and waits, a bounded time long, for those who are to confirm it. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#entrance.run(async () => {});
    while (this.#pumping) await this.#pumping;
    await this.#chasing.finish();
    await this.#granting.finish();
  }

  #rights(): Rights {
    const { roster, clock, sink } = this.#context;
    const rights = rightsIn(roster, clock, this.#name);
    checkWriter(rights, this.#own);
    if (sink?.newestRoster) checkNotBehind(rights.roster, sink.newestRoster);
    return rights;
  }

  /** At once where there is room; else one after the other, so that messages keep the order of the calls. */
  async #enter(message: ChannelMessage, done: PendingMessage['done']): Promise<void> {
    this.#assertOpen();
    if (this.#waiting === 0 && !this.#queue.full) return this.#enqueue(message, done);
    this.#waiting += 1;
    const kept = { ...message, payload: new Uint8Array(message.payload) };
    try {
      await this.#entrance.run(async () => {
        await this.#queue.room();
        this.#enqueue(kept, done);
      });
    } finally {
      this.#waiting -= 1;
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new SealwireError('session-closed', 'This side has left the broker.');
  }

  #enqueue(message: ChannelMessage, done: PendingMessage['done']): void {
    const { kind, topic, contentType, payload, expiresAtMs, until, retain } = message;
    const n = this.#n;
    const timeMs = this.#context.clock.now();
    const encoded = encodeMessage({ stream: this.#stream, n, timeMs, contentType, payload });
    if (encoded.length > BODY_BYTES_MAX) throw tooLargeMessage(encoded.length);
    this.#n += 1;
    const expiresAtS = expiresAtMs === null ? null : Math.ceil(expiresAtMs / 1000);
    this.#queue.push({ kind, topic, n, expiresAtS, encoded, until, retain, done });
    this.#pumping ??= this.#pump();
  }

  /** Ends the wait for readers when its time is up, and then counts it no more; gives what cancels that. */
  #waitFor({ until, waitMs }: ChannelMessage, done: PendingMessage['done']): () => void {
    if (until !== 'delivered' || !Number.isFinite(waitMs)) return () => {};
    return this.#context.clock.after(waitMs, () => {
      this.#abandoned.add(done);
      this.#awaited.abandon(done);
      done.reject(unconfirmed(waitMs));
    });
  }

  async #pump(): Promise<void> {
    // So that everything published in one turn of the loop shares a frame.
    await this.#context.clock.turn();
    try {
      while (this.#queue.length > 0) {
        await this.#chasing.room();
        await this.#sendBatch();
      }
    } finally {
      this.#pumping = undefined;
    }
  }

  async #sendBatch(): Promise<void> {
    let batch: PendingMessage[] = [];
    try {
      const rights = this.#rights();
      batch = this.#queue.takeBatch({ messagesMax: rights.channel.batchMax, bytesMax: BODY_BYTES_MAX });
      await this.#publish(rights, batch);
    } catch (error) {
      // What the roster does not allow now was allowed when it was queued: none of it may leave.
      if (batch.length === 0) this.#queue.fail(error instanceof Error ? error : new Error(String(error)));
      for (const { done } of batch) done.reject(error);
    }
  }

  async #publish(rights: Rights, batch: readonly PendingMessage[]): Promise<void> {
    const [first] = batch;
    if (!first || first.topic === null) return;
    const { topic } = first;
    // Before it, so that readers have the keys of a new ratchet before its first frame.
    const { ratchet, isNew } = this.#granting.ratchetFor(rights);
    if (isNew && this.#startsRepublishing(rights, first)) this.#republish();
    this.#retained.taken(first);
    const retain = first.retain === true && this.#retained.isNewest(topic, first);
    // Its readers have the newer one; who reads it as news has had it.
    if (this.#retained.isCopy(first) && !retain) return;
    this.#nextFramedN = Math.max(this.#nextFramedN, (batch.at(-1)?.n ?? -1) + 1);
    const sealed = await this.#seal(rights, first, joinPadded(batch, rights.channel.paddingBytes));
    const mayLeave = (): boolean => {
      const isAllowed = this.#granting.maySend(ratchet);
      if (isAllowed && retain) this.#retained.remember(topic, first);
      if (isAllowed) this.#left(rights, ratchet.ratchetId, sealed, batch);
      else this.#sealAgain(batch);
      return isAllowed;
    };
    await this.#context.broker.publish(topic, sealed.bytes, { qos: this.#context.qos, retain, mayLeave });
    for (const { n, until, done } of batch) if (until === 'sent') done.resolve({ n, seq: sealed.seq, logged: null });
  }

  /** A frame leaves for the broker: it counts from now on. */
  #left(rights: Rights, ratchetId: Uint8Array, sealed: SealedFrame, batch: readonly PendingMessage[]): void {
    logLabel(this.#context.sink, sealed, batch, this.#context.onEvent);
    if (this.#await(rights, ratchetId, sealed, batch)) return;
    for (const { n, until, done } of batch)
      if (until === 'delivered') done.resolve({ n, seq: sealed.seq, logged: null });
  }

  /** Somebody who may read no more holds the keys of a frame that has not left: its messages go in another one. */
  #sealAgain(batch: readonly PendingMessage[]): void {
    for (const message of batch) {
      this.#retained.queued(message);
      this.#queue.push(message);
    }
    this.#pumping ??= this.#pump();
  }

  async #seal({ roster, channel }: Rights, first: PendingMessage, content: Uint8Array): Promise<SealedFrame> {
    const { crypto, clock, signer, sink, ownId } = this.#context;
    const plan = {
      kind: KIND.message,
      senderId: ownId,
      rosterName: roster.name,
      topic: first.topic ?? '',
      expiresAtS: first.expiresAtS,
      issuedAtS: Math.floor(clock.now() / 1000),
      channel: channel.name,
      roster: { version: roster.version, hash: roster.hash.subarray(0, 16) },
      head: sink?.head ?? null,
    };
    const draft = draftFrame(crypto, this.#granting.sending, plan, content);
    return draft.finish(await signer.sign(draft.toBeSigned));
  }

  /** True where somebody has to confirm it. */
  #await(rights: Rights, ratchetId: Uint8Array, sealed: SealedFrame, batch: readonly PendingMessage[]): boolean {
    const { hasher, clock, ownId, qos } = this.#context;
    const leafHash = hasher.leaf(sealed.label);
    const missing = qos === 0 ? undefined : confirmersOf(rights, ownId, this.#granting.grantedReaders());
    if (missing === undefined || missing?.size === 0) {
      this.#awaited.addSettled(ratchetId, sealed.seq, leafHash);
      return false;
    }
    const waiting = batch.filter(({ until, done }) => until === 'delivered' && !this.#abandoned.has(done));
    const now = clock.elapsed();
    this.#chasing.add({
      ...{ ratchetId, seq: sealed.seq, bytes: sealed.bytes, leafHash, missing, messages: new Set(waiting) },
      ...{ publishedAtMs: now, sentAtMs: now, tries: 0 },
    });
    return true;
  }

  /** Everybody who may read now and is known by key, as ids in hex. */
  #readers(): string[] {
    const rights = rightsIn(this.#context.roster, this.#context.clock, this.#name);
    const pinned = pinnedReaders(rights, this.#context.ownId).map(bytesToHex);
    return [...new Set([...pinned, ...this.#granting.grantedReaders()])];
  }

  /** False for a copy where one ratchet does not last for all of them: that would never come to its end. */
  #startsRepublishing({ channel }: Rights, first: PendingMessage): boolean {
    return !this.#retained.isCopy(first) || this.#retained.size <= channel.rotateAfterFrames;
  }

  /** Seals what is retained once more, so that those may open it who could not before; for the others it is nothing new. */
  #republish(): void {
    for (const copy of this.#retained.copies()) this.#queue.push(copy);
    this.#pumping ??= this.#pump();
  }
}

function unconfirmed(waitMs: number): SealwireError {
  return new SealwireError('peer-offline', `Not all readers who have to confirmed a message within ${waitMs} ms.`, {
    hint: 'It may have reached some of them. It is sent again to those who come while this side is there.',
  });
}

/** A body of these messages, padded to a multiple of `unitBytes`. */
function joinPadded(batch: readonly PendingMessage[], unitBytes: number): Uint8Array {
  const encoded = batch.map((message) => message.encoded);
  if (unitBytes === 0) return joinBody(encoded);
  const bytes = encoded.reduce((sum, { length }) => sum + length, 0);
  const padded = Math.min(BODY_BYTES_MAX, Math.ceil(bytes / unitBytes) * unitBytes);
  return joinBody(encoded, Math.max(0, padded - bytes));
}
