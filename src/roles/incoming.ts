import { equalBytes } from '../core/bytes.ts';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import { type BodyMessage, readBody } from '../core/frame/body.ts';
import { decodeRatchetEnd, type RatchetEnd } from '../core/frame/end.ts';
import type { Label } from '../core/frame/label.ts';
import { type OpenedFrame, receiveFrame, type SignedFrame } from '../core/frame/open.ts';
import { type Ordered, StreamOrder } from '../core/frame/order.ts';
import { type DeliveryReceipt, decodeDeliveryReceipt } from '../core/frame/receipt.ts';
import { ownStream } from '../core/frame/stream.ts';
import { idToTopic } from '../core/identity/id.ts';
import { KIND, type Kind, kindName } from '../core/kinds.ts';

import { ReceivingRatchet } from '../core/ratchet/receiving.ts';
import type { RatchetPosition } from '../core/ratchet/sending.ts';
import { isTopic } from '../core/topic.ts';
import { type ControlKind, isControlKind } from './control.ts';
import type { AsyncQueue } from './queue.ts';
import type { SessionContext, StoredIntake } from './session-context.ts';
import { Turns } from './turns.ts';

/** One message as it is given to the application. */
export interface ReceivedMessage {
  readonly kind: Kind;
  /** The sender's id, 32 bytes. */
  readonly senderId: Uint8Array;
  /** The application topic it is about; null for what was sent to this peer as such. */
  readonly topic: string | null;
  readonly n: number;
  /** Milliseconds since 1970, the sender's word. */
  readonly timeMs: number;
  readonly contentType: number | string;
  readonly payload: Uint8Array;
  /** It was reported missing before. */
  readonly late: boolean;
}

/** What the session does with frames that are not messages. */
export interface IncomingHandlers {
  onDeliveryReceipt(receipt: DeliveryReceipt): void;
  /** Something that is not for the application, in its turn. */
  onControl(kind: ControlKind, payload: Uint8Array): void;
  /** A frame's messages could not be taken in: they have to come again, in another session. */
  onNotTaken(error: SealwireError): void;
  /** A frame was taken in and may be confirmed. */
  onTaken(seq: number, leafHash: Uint8Array): void;
  /** A frame came whose seq was used before. */
  onReplayed(seq: number, leafHash: Uint8Array): void;
  /** The peer's signed end is here and nothing before it is missing any more (or was given up). */
  onEnd(): void;
}

const MESSAGE_KINDS: ReadonlySet<Kind> = new Set([KIND.message, KIND.ledgerReceipt]);

/** A message that was opened and waits for its turn. */
interface Arrived {
  readonly message: BodyMessage;
  readonly kind: Kind;
  readonly topic: string | null;
  readonly expired: boolean;
}

/** The receiving half of a session: every check in the order that the specification sets, then order, then delivery. */
export class Incoming {
  readonly #context: SessionContext;
  readonly #handlers: IncomingHandlers;
  readonly #queue: AsyncQueue<ReceivedMessage>;
  readonly #ratchet: ReceivingRatchet;
  readonly #order: StreamOrder<Arrived>;
  readonly #turns = new Turns();
  readonly #ownTopic: string;
  readonly #ownStream: Uint8Array;
  #stream: Uint8Array | undefined;
  /** Frames that were opened and are being written. */
  readonly #writing = new Map<number, Promise<void>>();
  /** Messages of the peer's outbox that came in this session. */
  #storedCount = 0;
  #end: RatchetEnd | undefined;
  #ended = false;
  #cancelGapTimer: (() => void) | undefined;

  constructor(
    context: SessionContext,
    start: RatchetPosition,
    queue: AsyncQueue<ReceivedMessage>,
    handlers: IncomingHandlers,
  ) {
    this.#context = context;
    this.#handlers = handlers;
    this.#queue = queue;
    this.#ratchet = new ReceivingRatchet(context.crypto, start);
    const { heldMessagesMax, heldBytesMax } = context.tuning;
    this.#order = new StreamOrder(heldMessagesMax, heldBytesMax, ({ message }) => message.payload.length);
    this.#ownTopic = idToTopic(context.ownId);
    this.#ownStream = ownStream(start.ratchetId);
  }

  /** True once the peer's signed end was reached. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Takes one unit from the wire. Never throws for what is in it: that is refused, reported and changes nothing. */
  take(unit: Uint8Array): Promise<void> {
    return this.#turns.run(async () => {
      try {
        await this.#context.intake?.room();
        const received = receiveFrame(unit);
        this.#checkPlace(received.label);
        const { toBeVerified, signature } = received.label;
        const valid = await this.#context.verifier.verify(toBeVerified, signature);
        await this.#apply(this.#open(received.verified(valid)));
      } catch (error) {
        if (!(error instanceof SealwireError)) throw error;
        this.#context.onEvent({ type: 'refused', error });
      }
    });
  }

  /** Stops waiting for what is missing; what was held comes now, after its gap. */
  giveUp(): Promise<void> {
    this.#stopGapTimer();
    return this.#turns.run(async () => {
      if (this.#end) await this.#complete(this.#end);
      else while (this.#order.holding) await this.#deliver(this.#order.giveUp());
    });
  }

  /** The session is over: keys are forgotten. Give up first. */
  stop(): void {
    this.#stopGapTimer();
    this.#ratchet.erase();
  }

  /** What needs no cryptography: is this frame from this peer, for us, in this session? */
  #checkPlace(label: Label): void {
    const { peerId } = this.#context;
    if (!equalBytes(label.senderId, peerId)) {
      throw new SealwireError('sender-unknown', 'A frame names another sender than the peer of this session.');
    }
    if (!this.#isForUs(label)) {
      throw new SealwireError('wrong-recipient', 'A frame is addressed to somebody else.');
    }
    if (!equalBytes(label.ratchetId, this.#ratchet.ratchetId) || label.channel !== null || label.rosterName !== '') {
      throw new SealwireError('wrong-session', 'A frame belongs to another session.');
    }
  }

  /** Control goes to this peer by its id; what is about an application topic is bound to it by the ratchet. */
  #isForUs({ topic, kind }: Label): boolean {
    return topic === this.#ownTopic || (kind === KIND.message && isTopic(topic));
  }

  #open(signed: SignedFrame): OpenedFrame {
    try {
      return signed.open(this.#context.crypto, this.#ratchet);
    } catch (error) {
      if (isSealwireError(error, 'replayed') && !this.#writing.has(signed.label.seq)) {
        this.#handlers.onReplayed(signed.label.seq, this.#context.hasher.leaf(signed.label.bytes));
      }
      throw error;
    }
  }

  async #apply(opened: OpenedFrame): Promise<void> {
    const { label } = opened;
    if (this.#isDelivered(label.kind)) await this.#applyMessages(opened);
    else if (label.kind === KIND.deliveryReceipt) this.#applyReceipt(opened);
    else if (label.kind === KIND.end) this.#applyEnd(opened);
    else throw new SealwireError('unsupported', `A frame of kind ${kindName(label.kind)} has no place in a session.`);
    const end = this.#end;
    if (end && this.#hasAll(end)) await this.#complete(end);
    this.#watchGap();
  }

  #isDelivered(kind: Kind): boolean {
    return MESSAGE_KINDS.has(kind) || isControlKind(kind);
  }

  async #applyMessages({ label, content, commit }: OpenedFrame): Promise<void> {
    if (this.#end && label.seq > this.#end.finalSeq) {
      throw new SealwireError('malformed', "A message follows its sender's signed end.");
    }
    // It could not be given to anybody any more, so it must not be confirmed either.
    if (this.#ended) throw new SealwireError('session-closed', 'A message was given up before it came.');
    const messages = readBody(content);
    const named = messages[0]?.stream;
    const { intake } = this.#context;
    if (intake && named && label.kind === KIND.message && !equalBytes(named, this.#ownStream)) {
      checkStream(messages, named);
      commit();
      this.#takeStored(intake, label, messages);
      return;
    }
    const stream = this.#stream ?? named;
    checkStream(messages, stream);
    const expired = label.expiresAtS !== null && label.expiresAtS * 1000 <= this.#context.clock.now();
    commit();
    this.#stream = stream;
    this.#confirm(label);
    const { kind } = label;
    const topic = label.topic === this.#ownTopic ? null : label.topic;
    await this.#deliver(
      messages.flatMap((message) => this.#order.accept(message.n, { message, kind, topic, expired })),
    );
  }

  /** Written together with others while the next frames are opened; confirmed once it is. */
  #takeStored(intake: StoredIntake, label: Label, messages: readonly BodyMessage[]): void {
    const { seq, expiresAtS } = label;
    const topic = label.topic === this.#ownTopic ? null : label.topic;
    const leafHash = this.#context.hasher.leaf(label.bytes);
    this.#storedCount += messages.length;
    const arrivals = messages.map((message) => ({ message, topic, expiresAtS }));
    const written = intake.take(arrivals, this.#context.onEvent).then(
      () => {
        this.#writing.delete(seq);
        this.#handlers.onTaken(seq, leafHash);
      },
      (cause: unknown) => {
        const error = isSealwireError(cause)
          ? cause
          : new SealwireError('internal', 'Messages could not be taken in.', { cause });
        this.#handlers.onNotTaken(error);
      },
    );
    this.#writing.set(seq, written);
  }

  #applyReceipt({ content, commit }: OpenedFrame): void {
    const receipt = decodeDeliveryReceipt(content);
    if (!equalBytes(receipt.senderId, this.#context.ownId)) {
      throw new SealwireError('wrong-recipient', 'A delivery receipt is about the frames of somebody else.');
    }
    this.#handlers.onDeliveryReceipt(receipt);
    commit();
  }

  #applyEnd({ label, content, commit }: OpenedFrame): void {
    if (this.#end) throw new SealwireError('malformed', 'A sender signed a second end.');
    const end = decodeRatchetEnd(content, label.seq);
    commit();
    this.#end = end;
    this.#confirm(label);
  }

  #confirm(label: Label): void {
    this.#handlers.onTaken(label.seq, this.#context.hasher.leaf(label.bytes));
  }

  /** Every message is here, or every frame but those that the sender says were never sent: receipts may be missing. */
  #hasAll(end: RatchetEnd): boolean {
    return this.#order.next + this.#storedCount >= end.messages || this.#ratchet.skippedCount <= end.voids.length;
  }

  async #complete(end: RatchetEnd): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopGapTimer();
    await Promise.all(this.#writing.values());
    // What an outbox had sent in vain comes again: how much of it is missing tells nothing about the session's own stream.
    const messages = this.#storedCount === 0 ? end.messages : this.#order.next;
    await this.#deliver(this.#order.finish(messages));
    this.#handlers.onEnd();
  }

  async #deliver(ready: readonly Ordered<Arrived>[]): Promise<void> {
    for (const next of ready) {
      if (next.type === 'gap') this.#context.onEvent(next);
      else if (next.item.expired) this.#context.onEvent({ type: 'expired', n: next.n });
      else if (isControlKind(next.item.kind)) this.#handlers.onControl(next.item.kind, next.item.message.payload);
      else await this.#queue.push(this.#toReceived(next));
    }
  }

  #toReceived({ n, late, item: { message, kind, topic } }: Ordered<Arrived> & { type: 'message' }): ReceivedMessage {
    const { timeMs, contentType, payload } = message;
    return { kind, senderId: this.#context.peerId, topic, n, timeMs, contentType, payload, late };
  }

  /** Patience starts when something is found missing and ends when nothing is. */
  #watchGap(): void {
    const missing = this.#order.holding || (this.#end !== undefined && !this.#ended);
    if (!missing) this.#stopGapTimer();
    else if (!this.#cancelGapTimer) {
      const { clock, tuning } = this.#context;
      const [end, newest] = [this.#end, this.#order.newest];
      this.#cancelGapTimer = clock.after(tuning.gapWaitMs, () => void this.#losePatience(end, newest));
    }
  }

  /** Gives up on what was missing when patience started; what is missing since then gets its own time. */
  #losePatience(end: RatchetEnd | undefined, newest: number): Promise<void> {
    this.#stopGapTimer();
    return this.#turns.run(async () => {
      if (end) await this.#complete(end);
      else while (this.#order.holding && this.#order.next <= newest) await this.#deliver(this.#order.giveUp());
      this.#watchGap();
    });
  }

  #stopGapTimer(): void {
    this.#cancelGapTimer?.();
    this.#cancelGapTimer = undefined;
  }
}

function checkStream(messages: readonly BodyMessage[], stream: Uint8Array | undefined): void {
  if (stream && messages.every((message) => equalBytes(message.stream, stream))) return;
  throw new SealwireError('wrong-session', 'A frame carries one stream of messages, and a session its own.');
}
