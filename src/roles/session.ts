import { isSealwireError, SealwireError } from '../core/errors.ts';
import type { DeliveryReceipt } from '../core/frame/receipt.ts';
import type { ValidIdentity } from '../core/identity/path.ts';
import { KIND, type Kind } from '../core/kinds.ts';
import type { RatchetPosition } from '../core/ratchet/sending.ts';
import { Confirming } from './confirming.ts';
import type { ControlKind } from './control.ts';
import { Incoming, type ReceivedMessage } from './incoming.ts';
import { Outgoing } from './outgoing.ts';
import { AsyncQueue } from './queue.ts';
import type { SendUntil, Sent, StoredMessage } from './send-queue.ts';
import type { SessionContext } from './session-context.ts';

/** CoAP Content-Format of plain bytes (RFC 7252, section 12.3), for messages that name none. */
export const OCTET_STREAM = 42;

/** How one message is sent. */
export interface SendOptions {
  /** A CoAP Content-Format number or a media type; 42, plain bytes, unless told. */
  readonly contentType?: number | string;
  /** The application topic it is about, signed with it; none unless told. */
  readonly topic?: string;
  /** Milliseconds since 1970 after which it must not be delivered any more. */
  readonly expiresAtMs?: number;
  /** How far to wait; `sent` unless told. */
  readonly until?: SendUntil;
}

/** What a handshake gives a session to start from. */
export interface SessionStart {
  /** 16 bytes, the same at both ends. */
  readonly sessionId: Uint8Array;
  readonly peer: ValidIdentity;
  readonly sending: RatchetPosition;
  readonly receiving: RatchetPosition;
}

/**
 * Two peers that know each other, over one connection: send messages, iterate over those that come, close.
 *
 * Iteration ends after the peer's signed end, and throws `stream-cut` where the connection ended without one.
 */
export class Session implements AsyncDisposable {
  /** 16 bytes, the same at both ends. */
  readonly id: Uint8Array;
  /** The peer, as its certificate and the trust list show it. */
  readonly peer: ValidIdentity;
  readonly #context: SessionContext;
  readonly #messages: AsyncQueue<ReceivedMessage>;
  readonly #outgoing: Outgoing;
  readonly #incoming: Incoming;
  readonly #confirming: Confirming;
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #peerEnd: PromiseWithResolvers<void> = Promise.withResolvers();
  #closing: Promise<void> | undefined;
  #stopped = false;
  #failure: SealwireError | undefined;

  constructor(context: SessionContext, start: SessionStart) {
    this.#context = context;
    this.id = start.sessionId;
    this.peer = start.peer;
    const { receiveQueueMessagesMax, receiveQueueBytesMax } = context.tuning;
    this.#messages = new AsyncQueue(receiveQueueMessagesMax, receiveQueueBytesMax, ({ payload }) => payload.length);
    this.#outgoing = new Outgoing(context, start.sending, (error) => this.#stop(error));
    this.#confirming = new Confirming(context, start.receiving.ratchetId, (content) =>
      this.#outgoing.sendOpen(KIND.deliveryReceipt, content),
    );
    this.#incoming = new Incoming(context, start.receiving, this.#messages, {
      onDeliveryReceipt: (receipt) => this.#onReceipt(receipt),
      onControl: (kind, payload) => context.control?.onControl(this, kind, payload),
      onNotTaken: (error) => this.#stop(error),
      onTaken: (seq, leafHash) => this.#confirming.add(seq, leafHash),
      onReplayed: (seq, leafHash) => this.#confirming.again(seq, leafHash),
      onEnd: () => this.#onPeerEnd(),
    });
    void this.#read();
  }

  /** Where the peer is, for people. */
  get remote(): string {
    return this.#context.connection.remote;
  }

  /** True once one side has begun to end it, or it is over: nothing more can be sent. */
  get closing(): boolean {
    return this.#closing !== undefined || this.#stopped;
  }

  /** True while something that was sent in it is not confirmed yet. */
  get unsettled(): boolean {
    return !this.#stopped && !this.#outgoing.idle;
  }

  /** For how long the peer has confirmed nothing, though there was something to confirm; milliseconds. */
  get silentMs(): number {
    return this.#outgoing.silentMs;
  }

  /** Resolves when all that was sent so far is confirmed, or the session is over. */
  async settled(): Promise<void> {
    await Promise.race([this.#outgoing.drained(), this.over]);
  }

  /** Resolves when the session is over, for whatever reason. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /**
   * Seals and sends one message; what is sent in one turn of the loop shares a frame. Resolves as far as `until` says;
   * rejects with `too-large`, `usage`, `topic-invalid`, `session-closed`, `stream-cut` or `not-logged`. The payload may be changed at once.
   */
  send(payload: Uint8Array, options: SendOptions = {}): Promise<Sent> {
    return this.#send(KIND.message, payload, options);
  }

  /** Takes a message of an outbox; resolves when there was room for it. Rejects with why the session is over. */
  sendStored(message: StoredMessage): Promise<void> {
    return this.#outgoing.sendStored(message);
  }

  /** As {@link send}, for what a notary answers: a frame of kind ledger-receipt. */
  sendLedgerReceipt(payload: Uint8Array, contentType: string): Promise<Sent> {
    return this.#send(KIND.ledgerReceipt, payload, { contentType });
  }

  /** As {@link send}, for what peers tell each other about channels and rosters. Resolves once it is confirmed. */
  sendControl(kind: ControlKind, payload: Uint8Array): Promise<Sent> {
    return this.#send(kind, payload, { until: 'delivered' });
  }

  /** Confirms frames that came on a channel; `content` is an encoded delivery receipt. Lost ones are not sent again. */
  sendReceipt(content: Uint8Array): Promise<void> {
    return this.#outgoing.sendOpen(KIND.deliveryReceipt, content);
  }

  #send(kind: Kind, payload: Uint8Array, options: SendOptions): Promise<Sent> {
    return this.#outgoing.send({
      kind,
      topic: options.topic ?? null,
      contentType: options.contentType ?? OCTET_STREAM,
      payload,
      expiresAtMs: options.expiresAtMs ?? null,
      until: options.until ?? 'sent',
    });
  }

  /** The messages as they come, in the sender's order. One consumer; an unread queue holds the peer back. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ReceivedMessage> {
    return this.#messages.items();
  }

  /**
   * Sends what is queued and a signed end, waits until the peer has confirmed both and has ended too, and closes the
   * connection. Waits `closeTimeoutMs` at most. Rejects with `timeout`, `stream-cut` or whatever ended the session
   * before. What came meanwhile can still be iterated.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** As {@link close}, but what had ended the session before is not told once more. */
  async [Symbol.asyncDispose](): Promise<void> {
    const before = this.#failure;
    try {
      await this.close();
    } catch (error) {
      if (error !== before) throw error;
    }
  }

  async #close(): Promise<void> {
    const { clock, tuning } = this.#context;
    this.#messages.unbound();
    const late = new SealwireError('timeout', `The peer did not confirm the end within ${tuning.closeTimeoutMs} ms.`);
    const cancel = clock.after(tuning.closeTimeoutMs, () => this.#stop(late));
    try {
      await Promise.race([this.#endInOrder(), this.over]);
    } catch (cause) {
      this.#stop(toSealwireError(cause));
      await this.over;
    }
    cancel();
    if (this.#failure) throw this.#failure;
    this.#stop();
    await this.over;
  }

  async #endInOrder(): Promise<void> {
    await this.#outgoing.finish();
    await this.#peerEnd.promise;
    await this.#confirming.drained();
  }

  #onReceipt(receipt: DeliveryReceipt): void {
    const { control } = this.#context;
    if (control && !this.#outgoing.isAbout(receipt)) control.onReceipt(this, receipt);
    else this.#outgoing.confirm(receipt);
  }

  #onPeerEnd(): void {
    this.#messages.end();
    this.#confirming.flush();
    this.#peerEnd.resolve();
    // Whoever ends first, the other side ends too: what it had queued still goes out before.
    this.close().catch(() => {});
  }

  async #read(): Promise<void> {
    let failure: SealwireError | undefined;
    try {
      for await (const unit of this.#context.units) await this.#incoming.take(unit);
    } catch (cause) {
      failure = toSealwireError(cause);
    }
    if (this.#incoming.ended && this.#outgoing.settled) {
      this.#stop();
      return;
    }
    // Nobody is held back any more, and whoever sends or closes is to learn at once that the session is over.
    this.#messages.unbound();
    await this.#incoming.giveUp();
    const what = this.#incoming.ended ? 'confirmed what was sent' : 'signed its end';
    this.#stop(failure ?? new SealwireError('stream-cut', `The connection ended before the peer ${what}.`));
  }

  /** The one way in which a session gets to its end; the first call decides how. */
  #stop(failure?: SealwireError): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#failure = failure;
    this.#confirming.stop();
    this.#incoming.stop();
    this.#outgoing.fail(failure ?? new SealwireError('session-closed', 'The session is closed.'));
    this.#messages.end(this.#incoming.ended ? undefined : failure);
    this.#context.connection
      .close()
      .catch(() => {})
      .finally(() => this.#over.resolve());
  }
}

function toSealwireError(cause: unknown): SealwireError {
  if (isSealwireError(cause)) return cause;
  return new SealwireError('internal', 'The session failed.', { cause });
}
