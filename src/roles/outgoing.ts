import { equalBytes } from '../core/bytes.ts';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import { encodeMessage, joinBody } from '../core/frame/body.ts';
import { encodeRatchetEnd, VOIDS_MAX } from '../core/frame/end.ts';
import type { DeliveryReceipt } from '../core/frame/receipt.ts';
import { draftFrame, type SealedFrame } from '../core/frame/seal.ts';
import { ownStream } from '../core/frame/stream.ts';
import { idToTopic } from '../core/identity/id.ts';
import { KIND, type Kind } from '../core/kinds.ts';

import { BODY_BYTES_MAX } from '../core/limits.ts';
import { type RatchetPosition, SendingRatchet } from '../core/ratchet/sending.ts';
import { InFlight, type InFlightFrame } from './in-flight.ts';
import { logLabel } from './label-logging.ts';
import { LoopShare } from './loop-share.ts';
import { checkMessage, type OutgoingMessage, tooLargeMessage } from './outgoing-message.ts';
import { Repairing } from './repairing.ts';
import { type PendingMessage, SendQueue, type Sent, type StoredMessage } from './send-queue.ts';
import type { SessionContext } from './session-context.ts';
import { Turns } from './turns.ts';

/** What a label is made of beside what the session knows. */
type LabelPart = Pick<PendingMessage, 'kind' | 'topic' | 'expiresAtS'>;

/** The sending half of a session: batches, seals, signs, sends, logs, and repairs what the reader missed. */
export class Outgoing {
  readonly #context: SessionContext;
  readonly #ratchet: SendingRatchet;
  readonly #queue: SendQueue;
  readonly #inFlight: InFlight;
  readonly #repairing: Repairing;
  readonly #share: LoopShare;
  readonly #stream: Uint8Array;
  readonly #topic: string;
  #n = 0;
  /** Messages of outboxes that went into this session. */
  #storedCount = 0;
  /** Seqs that were used up and never sent, for want of a signature. */
  readonly #voids: number[] = [];
  /** Those who wait for room in the queue. */
  readonly #entrance = new Turns();
  #waiting = 0;
  /** Nothing more is taken in; what was is still sent. */
  #ending = false;
  #pumping: Promise<void> | undefined;
  /** Sealing and sending go through here one after the other, so that seqs leave in order. */
  readonly #turns = new Turns();
  /** Why no message can be sent any more. */
  #closed: SealwireError | undefined;
  /** The ratchet is gone: nothing at all can be sent. */
  #over = false;

  /** `onSilence` is told once nothing was confirmed for too long. */
  constructor(context: SessionContext, start: RatchetPosition, onSilence: (error: SealwireError) => void) {
    const { tuning, crypto } = context;
    this.#context = context;
    this.#ratchet = new SendingRatchet(crypto, start);
    this.#queue = new SendQueue(tuning.sendQueueMessagesMax);
    this.#inFlight = new InFlight({ framesMax: tuning.windowFramesMax, bytesMax: tuning.windowBytesMax });
    this.#repairing = new Repairing(context, this.#inFlight, this.#turns, onSilence);
    this.#share = new LoopShare(() => context.clock.turn());
    this.#stream = ownStream(start.ratchetId);
    this.#topic = idToTopic(context.peerId);
  }

  /** True when the closing frame and all before it are confirmed. */
  get settled(): boolean {
    return this.#closed !== undefined && this.#inFlight.size === 0;
  }

  /** True when all that was given to be sent is confirmed, or given up. */
  get idle(): boolean {
    return this.#inFlight.size === 0 && this.#queue.length === 0 && this.#waiting === 0 && !this.#pumping;
  }

  /** For how long the reader has confirmed nothing, though there was something to confirm; milliseconds. */
  get silentMs(): number {
    return this.#repairing.silentMs;
  }

  /** Resolves when all that was given so far is confirmed or given up. */
  async drained(): Promise<void> {
    await this.#sent();
    await this.#inFlight.empty();
  }

  /** Queues a message and waits as far as `until` says. Rejects with `too-large`, `usage`, `topic-invalid` or why the session is over. */
  async send(message: OutgoingMessage): Promise<Sent> {
    if (this.#ending) throw sessionClosed();
    this.#assertOpen();
    checkMessage(message, this.#context.sink !== null);
    const isRoom = this.#waiting === 0 && !this.#queue.full;
    // The caller may change its bytes meanwhile.
    const kept = isRoom ? message : { ...message, payload: new Uint8Array(message.payload) };
    const { done } = isRoom ? this.#enqueue(kept) : await this.#enter(() => this.#enqueue(kept));
    return await done.promise;
  }

  /** Takes a message of an outbox; resolves when there was room for it. Rejects with why the session is over. */
  async sendStored(message: StoredMessage): Promise<void> {
    if (this.#ending) throw sessionClosed();
    if (this.#waiting > 0 || this.#queue.full) await this.#enter(() => this.#push(message));
    else {
      this.#assertOpen();
      this.#push(message);
    }
  }

  #push({ topic, n, expiresAtS, encoded, done, onLeft, logged }: StoredMessage): void {
    const stored = { ...(onLeft ? { onLeft } : {}), ...(logged ? { logged } : {}) };
    this.#storedCount += 1;
    this.#queue.push({ kind: KIND.message, topic, n, expiresAtS, encoded, until: 'delivered', done, stored });
    this.#pumping ??= this.#pump();
  }

  /** Sends a frame of an open kind at once, ahead of what is queued. */
  async sendOpen(kind: Kind, content: Uint8Array): Promise<void> {
    await this.#turns.run(async () => {
      // Receipts still follow the own end: the peer may have more to be confirmed than we had to send.
      if (!this.#over) await this.#emit(await this.#seal({ kind, topic: null, expiresAtS: null }, content));
    });
  }

  /** True for a receipt that is about frames of this session. */
  isAbout({ ratchetId }: DeliveryReceipt): boolean {
    return equalBytes(ratchetId, this.#ratchet.ratchetId);
  }

  /**
   * Takes the peer's receipt: releases what it covers and sends again what it shows to be lost. Throws `malformed` or
   * `wrong-session`. It never waits for the carrier: two peers that both wait for room would otherwise stop reading
   * each other.
   */
  confirm(receipt: DeliveryReceipt): void {
    if (!this.isAbout(receipt)) {
      throw new SealwireError('wrong-session', 'A delivery receipt is about another ratchet.');
    }
    const confirmed = this.#inFlight.confirm(this.#context.crypto, receipt);
    for (const { seq, messages } of confirmed.frames) {
      for (const { n, until, done } of messages) if (until === 'delivered') done.resolve({ n, seq, logged: null });
    }
    this.#context.onEvent({ type: 'confirmed', frames: confirmed.frames.length });
    this.#repairing.heard(confirmed);
  }

  /** Sends what was given so far, then the closing frame; resolves when the peer has confirmed all of it. */
  async finish(): Promise<void> {
    this.#ending = true;
    this.#repairing.hurry();
    await this.#sent();
    await this.#turns.run(async () => {
      if (this.#closed) return;
      this.#closed = sessionClosed();
      const end = { finalSeq: this.#ratchet.nextSeq, messages: this.#n + this.#storedCount, voids: this.#voids };
      const sealed = await this.#seal({ kind: KIND.end, topic: null, expiresAtS: null }, encodeRatchetEnd(end));
      // Without it the reader could not tell an end from a cut, whatever may be lost before it.
      this.#track(sealed, [], true);
      await this.#emit(sealed);
    });
    await this.#inFlight.empty();
  }

  /** The session is over: nothing more is sent and whoever waits is told why. */
  fail(error: SealwireError): void {
    this.#closed ??= error;
    this.#over = true;
    this.#repairing.stop();
    this.#ratchet.erase();
    this.#queue.fail(error);
    this.#inFlight.fail(error);
  }

  /** Resolves when all that was given so far has left. */
  async #sent(): Promise<void> {
    await this.#entrance.run(async () => {});
    while (this.#pumping) await this.#pumping;
  }

  #assertOpen(): void {
    if (this.#closed) throw this.#closed;
  }

  /** One after the other, so that messages keep the order of the calls. */
  async #enter<T>(enqueue: () => T): Promise<T> {
    this.#waiting += 1;
    try {
      return await this.#entrance.run(async () => {
        await this.#queue.room();
        this.#assertOpen();
        return enqueue();
      });
    } finally {
      this.#waiting -= 1;
    }
  }

  #enqueue({ kind, topic, contentType, payload, expiresAtMs, until }: OutgoingMessage): PendingMessage {
    const n = this.#n;
    const encoded = encodeMessage({
      stream: this.#stream,
      n,
      timeMs: this.#context.clock.now(),
      contentType,
      payload,
    });
    // An n that was given away and never sent would hold up all that follow.
    if (encoded.length > BODY_BYTES_MAX) throw tooLargeMessage(encoded.length);
    this.#n += 1;
    const expiresAtS = expiresAtMs === null ? null : Math.ceil(expiresAtMs / 1000);
    const pending = { kind, topic, n, expiresAtS, encoded, until, done: Promise.withResolvers<Sent>() };
    this.#queue.push(pending);
    this.#pumping ??= this.#pump();
    return pending;
  }

  async #pump(): Promise<void> {
    // So that everything sent in one turn of the loop shares a frame.
    await this.#share.turn();
    try {
      while (this.#queue.length > 0) {
        if (this.#share.isUsed) await this.#share.turn();
        if (!this.#inFlight.hasRoom) await this.#inFlight.room();
        await this.#turns.run(() => this.#sendBatch());
      }
    } finally {
      this.#pumping = undefined;
    }
  }

  async #sendBatch(): Promise<void> {
    const { batchMax, repair } = this.#context.tuning;
    const batch = this.#queue.takeBatch({ messagesMax: batchMax, bytesMax: BODY_BYTES_MAX });
    const first = batch[0];
    if (!first) return;
    let tracked: InFlightFrame | undefined;
    try {
      const body = joinBody(batch.map(({ encoded }) => encoded));
      const sealed = await this.#seal(first, body);
      // The others would only take memory until the receipt is here.
      tracked = this.#track(
        sealed,
        batch.filter(({ until }) => until === 'delivered'),
        repair,
      );
      await this.#emit(sealed, batch, first.topic);
    } catch (error) {
      // A carrier that takes no frame of that size will never take this one.
      if (tracked && isSealwireError(error, 'too-large')) this.#withdraw(tracked);
      for (const { done } of batch) done.reject(error);
    }
  }

  #withdraw(frame: InFlightFrame): void {
    this.#inFlight.giveUp(frame);
    if (this.#voids.length < VOIDS_MAX) this.#voids.push(frame.seq);
  }

  async #seal({ kind, topic, expiresAtS }: LabelPart, content: Uint8Array): Promise<SealedFrame> {
    const { crypto, clock, signer, sink, ownId } = this.#context;
    const plan = {
      kind,
      senderId: ownId,
      rosterName: '',
      topic: topic ?? this.#topic,
      expiresAtS,
      issuedAtS: Math.floor(clock.now() / 1000),
      channel: null,
      roster: null,
      head: sink?.head ?? null,
    };
    const draft = draftFrame(crypto, this.#ratchet, plan, content);
    try {
      return draft.finish(await signer.sign(draft.toBeSigned));
    } catch (error) {
      if (this.#voids.length < VOIDS_MAX) this.#voids.push(draft.seq);
      throw error;
    }
  }

  #track(sealed: SealedFrame, messages: readonly PendingMessage[], repaired: boolean): InFlightFrame {
    const { seq, bytes, label } = sealed;
    const frame = { seq, bytes, leafHash: this.#context.hasher.leaf(label), messages, repaired };
    this.#inFlight.add(frame, this.#context.clock.elapsed(), this.#repairing.pauseMs);
    this.#repairing.watch();
    return frame;
  }

  async #emit(
    sealed: SealedFrame,
    messages: readonly PendingMessage[] = [],
    topic: string | null = null,
  ): Promise<void> {
    logLabel(this.#context.sink, sealed, messages, this.#context.onEvent);
    this.#share.spend(sealed.bytes.length);
    await this.#context.connection.send(sealed.bytes, ...(topic === null ? [] : [topic]));
    for (const { n, until, done, stored } of messages) {
      if (until === 'sent') done.resolve({ n, seq: sealed.seq, logged: null });
      stored?.onLeft?.(sealed.seq);
    }
  }
}

function sessionClosed(): SealwireError {
  return new SealwireError('session-closed', 'The session is closed.');
}
