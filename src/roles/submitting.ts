import { bytesToHex, equalBytes } from '../core/bytes.ts';
import type { Crypto } from '../core/crypto/port.ts';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import type { HeadClaim } from '../core/frame/label.ts';
import type { ValidIdentity } from '../core/identity/path.ts';
import { KIND } from '../core/kinds.ts';
import type { BlockHeader } from '../core/ledger/block.ts';
import { CONSISTENCY_TYPE, encodeConsistencyQuestion, type SizePair } from '../core/ledger/consistency.ts';
import { TreeHasher } from '../core/ledger/merkle.ts';
import { checkReceipt, type ReceiptCheck } from '../core/ledger/receipt.ts';
import {
  ANSWER_TYPE,
  decodeAnswer,
  type LoggedLabel,
  type ReceiptStore,
  SUBMISSION_TYPE,
} from '../core/ledger/submission.ts';
import { TUNING } from '../core/limits.ts';
import type { Clock, VerifierFactory } from '../core/ports.ts';
import { HeadKeeping } from './head-keeping.ts';
import type { LabelSink } from './label-sink.ts';
import type { Session } from './session.ts';

/** What a {@link Submitting} is made of. */
export interface SubmittingOptions {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly verifierOf: VerifierFactory;
  /** Opens a session with the notary; called again after one was lost. */
  readonly open: () => Promise<Session>;
  readonly receipts: ReceiptStore;
  /** Labels that wait for their receipt at most; those that come then are `overloaded`. */
  readonly pendingMax?: number;
  /** How long a label waits for its receipt, lost sessions included. */
  readonly timeoutMs?: number;
  /**
   * How long a label waits for the receipt of a notary that saw its frame by itself, as one at a broker does, before it
   * is handed in; 0 unless told.
   */
  readonly patienceMs?: number;
  /** How long `close` waits for receipts that are still to come. */
  readonly closeTimeoutMs?: number;
  /** Told of a session that was lost and of answers that do not hold. */
  readonly onTrouble?: (error: SealwireError) => void;
}

interface Pending {
  readonly label: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly done: PromiseWithResolvers<LoggedLabel>;
  readonly cancel: () => void;
  /** When it is handed in, milliseconds since 1970; infinite once it was. */
  handAtMs: number;
}

const PENDING_MAX = 65_536;
const TIMEOUT_MS = 60_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
/** Headers whose signature was found good: one block's receipts share one. */
const HEADERS_MAX = 64;

/** A peer's side of logging: hands labels to a notary, checks and keeps the receipts, and knows the newest head. */
export class Submitting implements LabelSink {
  readonly #options: SubmittingOptions;
  readonly #hasher: TreeHasher;
  readonly #pending = new Map<string, Pending>();
  readonly #goodHeaders = new Set<string>();
  #session: Session | undefined;
  readonly #heads: HeadKeeping;
  #newestRoster: BlockHeader['roster'] = null;
  #running: Promise<void> | undefined;
  #closed = false;
  #wake: () => void = () => {};
  #cancelHanding: (() => void) | undefined;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(options: SubmittingOptions) {
    this.#options = options;
    this.#hasher = new TreeHasher(options.crypto);
    this.#heads = new HeadKeeping(this.#hasher);
  }

  get head(): HeadClaim | null {
    return this.#heads.head;
  }

  get newestRoster(): BlockHeader['roster'] {
    return this.#newestRoster;
  }

  /** Opens the first session; rejects where there is no reaching the notary. Afterwards it reconnects by itself. */
  async start(): Promise<void> {
    this.#session = await this.#options.open();
    this.#running = this.#run(this.#session);
  }

  submit(label: Uint8Array): Promise<LoggedLabel> {
    const { clock, pendingMax = PENDING_MAX, timeoutMs = TIMEOUT_MS } = this.#options;
    if (this.#closed) return Promise.reject(new SealwireError('not-logged', 'The session with the notary is closed.'));
    if (this.#pending.size >= pendingMax) {
      return Promise.reject(new SealwireError('overloaded', `${pendingMax} labels wait for the notary already.`));
    }
    const leafHash = this.#hasher.leaf(label);
    const key = bytesToHex(leafHash);
    const known = this.#pending.get(key);
    if (known) return known.done.promise;
    const done = Promise.withResolvers<LoggedLabel>();
    const cancel = clock.after(timeoutMs, () => {
      this.#settle(key)?.done.reject(
        new SealwireError('not-logged', `The notary gave no receipt within ${timeoutMs} ms.`, {
          hint: 'The message itself is not affected; the ledger may lack it.',
        }),
      );
    });
    const { patienceMs = 0 } = this.#options;
    const pending = { label, leafHash, done, cancel, handAtMs: clock.elapsed() + patienceMs };
    this.#pending.set(key, pending);
    if (patienceMs > 0) this.#handLater(patienceMs);
    else this.#hand(pending);
    return done.promise;
  }

  /** Waits a bounded time for the receipts that are still to come, then closes the session with the notary. */
  async close(): Promise<void> {
    const { clock, closeTimeoutMs = TUNING.closeTimeoutMs } = this.#options;
    if (this.#pending.size > 0) {
      this.#idle ??= Promise.withResolvers();
      const cancel = clock.after(closeTimeoutMs, () => this.#abandon());
      // Nobody is patient on leaving.
      this.#handDue(Number.POSITIVE_INFINITY);
      await this.#idle.promise;
      cancel();
    }
    this.#closed = true;
    this.#cancelHanding?.();
    this.#wake();
    await this.#session?.close().catch((error: unknown) => this.#tell(error));
    await this.#running;
  }

  #abandon(): void {
    for (const key of [...this.#pending.keys()]) {
      const error = new SealwireError('not-logged', 'The session with the notary closed before the receipt came.');
      this.#settle(key)?.done.reject(error);
    }
  }

  async #run(first: Session): Promise<void> {
    let session = first;
    for (;;) {
      await this.#serve(session);
      this.#session = undefined;
      const next = await this.#reconnect();
      if (!next) return;
      session = next;
      this.#session = next;
      this.#ask(next, this.#heads.restart());
      for (const pending of this.#pending.values()) if (!Number.isFinite(pending.handAtMs)) this.#hand(pending);
    }
  }

  async #serve(session: Session): Promise<void> {
    try {
      for await (const { kind, contentType, payload } of session) {
        if (kind !== KIND.ledgerReceipt) continue;
        if (contentType === ANSWER_TYPE) await this.#take(payload, session);
        if (contentType === CONSISTENCY_TYPE) this.#takeProof(payload, session);
      }
    } catch (error) {
      this.#tell(error);
    }
  }

  async #reconnect(): Promise<Session | null> {
    for (let delayMs = RETRY_MIN_MS; !this.#closed; delayMs = Math.min(delayMs * 2, RETRY_MAX_MS)) {
      // Before the first try too: a notary that lets in and hangs up is not to be asked without a pause.
      await this.#pause(delayMs);
      if (this.#closed) break;
      try {
        const session = await this.#options.open();
        if (!this.#closed) return session;
        await session.close();
      } catch (error) {
        this.#tell(error);
      }
    }
    return null;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(delayMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** What a lost session swallows is handed to the next one. */
  #hand(pending: Pending): void {
    pending.handAtMs = Number.POSITIVE_INFINITY;
    this.#session?.send(pending.label, { contentType: SUBMISSION_TYPE }).catch(() => {});
  }

  #handLater(delayMs: number): void {
    const { clock } = this.#options;
    this.#cancelHanding ??= clock.after(delayMs, () => {
      this.#cancelHanding = undefined;
      const nextAtMs = this.#handDue(clock.elapsed());
      if (nextAtMs !== undefined) this.#handLater(Math.max(0, nextAtMs - clock.elapsed()));
    });
  }

  /** Hands in what has waited long enough; gives when the next one will have. */
  #handDue(nowMs: number): number | undefined {
    let next: number | undefined;
    for (const pending of this.#pending.values()) {
      if (!Number.isFinite(pending.handAtMs)) continue;
      if (pending.handAtMs <= nowMs) this.#hand(pending);
      else next ??= pending.handAtMs;
    }
    return next;
  }

  #ask(session: Session, sizes: SizePair | null): void {
    if (sizes) session.send(encodeConsistencyQuestion(sizes), { contentType: CONSISTENCY_TYPE }).catch(() => {});
  }

  #takeProof(payload: Uint8Array, session: Session): void {
    try {
      this.#ask(session, this.#heads.answer(payload));
    } catch (error) {
      this.#tell(error);
    }
  }

  async #take(payload: Uint8Array, session: Session): Promise<void> {
    try {
      const answer = decodeAnswer(payload);
      const key = bytesToHex(answer.leafHash);
      const pending = this.#pending.get(key);
      if (!pending) return;
      if (answer.refusal !== null) {
        this.#settle(key)?.done.reject(
          new SealwireError(answer.refusal, `The notary refused a label: ${answer.refusal}.`),
        );
        return;
      }
      const check = await this.#check(answer.receipt, pending.label, session.peer);
      this.#noteRoster(check.header);
      const logged = { index: check.leafIndex, receipt: answer.receipt };
      await this.#keep(key, pending.label, logged);
      this.#settle(key)?.done.resolve(logged);
      this.#ask(session, this.#heads.offer(check.head));
    } catch (error) {
      this.#tell(error);
    }
  }

  #noteRoster({ roster }: BlockHeader): void {
    if (roster && roster.version >= (this.#newestRoster?.version ?? 0)) this.#newestRoster = roster;
  }

  /** A receipt that cannot be kept is no receipt: whoever waits for it is told at once. */
  async #keep(key: string, label: Uint8Array, logged: LoggedLabel): Promise<void> {
    try {
      await this.#options.receipts.keep(label, logged);
    } catch (cause) {
      const sentence = 'The notary logged a label, but its receipt cannot be kept here.';
      this.#settle(key)?.done.reject(new SealwireError('not-logged', sentence, { cause }));
      throw cause;
    }
  }

  async #check(receipt: Uint8Array, label: Uint8Array, notary: ValidIdentity): Promise<ReceiptCheck> {
    const check = checkReceipt(this.#hasher, receipt, label);
    const { crypto, verifierOf } = this.#options;
    if (!equalBytes(check.header.notaryId, notary.id)) {
      throw new SealwireError('signature-invalid', 'A receipt is from another notary than the one that was asked.');
    }
    const header = bytesToHex(crypto.sha256(check.toBeVerified)) + bytesToHex(check.signature);
    if (this.#goodHeaders.has(header)) return check;
    const valid = await verifierOf(notary.publicKey).verify(check.toBeVerified, check.signature);
    if (!valid) throw new SealwireError('signature-invalid', "A receipt's block is not signed by this notary.");
    const [oldest] = this.#goodHeaders;
    if (this.#goodHeaders.size >= HEADERS_MAX && oldest !== undefined) this.#goodHeaders.delete(oldest);
    this.#goodHeaders.add(header);
    return check;
  }

  #settle(key: string): Pending | undefined {
    const pending = this.#pending.get(key);
    pending?.cancel();
    this.#pending.delete(key);
    if (this.#pending.size === 0) this.#idle?.resolve();
    return pending;
  }

  #tell(error: unknown): void {
    const trouble = isSealwireError(error) ? error : new SealwireError('internal', 'Logging failed.', { cause: error });
    this.#options.onTrouble?.(trouble);
  }
}
