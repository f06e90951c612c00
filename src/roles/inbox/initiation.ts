import { equalBytes } from '../../core/bytes.ts';
import { isSealwireError, type SealwireError } from '../../core/errors.ts';
import { encodeEnvelope } from '../../core/handshake/envelope.ts';
import { decodeErrorMessage, type ErrorMessage } from '../../core/handshake/error-message.ts';
import {
  type InitiatorStart,
  type Message3Draft,
  type ResponderClaim,
  startInitiator,
  type WaitingForMessage4,
} from '../../core/handshake/initiator.ts';
import type { ValidIdentity } from '../../core/identity/path.ts';
import { checkExpected, type Expected } from '../authenticating.ts';
import { prove, toSealwireError, toStart } from '../handshake-steps.ts';
import type { SessionStart } from '../session.ts';
import { Turns } from '../turns.ts';
import { Hearsay } from './hearsay.ts';
import { connectionKey, type InboxContext, idKey } from './inbox-context.ts';
import type { UnderWay } from './overlaps.ts';
import { Resending } from './resending.ts';
import { TokenBucket } from './token-bucket.ts';

/** What comes of a handshake that this side began. */
export interface Initiated {
  readonly start: SessionStart;
  /** True where the peer, or somebody in its name, began one at the same time. */
  readonly overlapped: boolean;
}

/** Where what carries one of our connection identifiers goes. */
export interface Route {
  /** Whose answer is waited for, 32 bytes. */
  readonly peerId: Uint8Array;
  take(message: Uint8Array): Promise<void>;
}

/** Handshakes under way, by the key of the C_I that this side chose. */
export type Routes = Map<string, Route>;

/** Answers that wait for the one that is being judged. */
const QUEUED_MAX = 4;

/** One try: the suite that we prefer, or the one that the peer says it has. */
interface Attempt {
  readonly start: InitiatorStart;
  readonly resending: Resending;
}

/** message_3 is out. */
interface Confirming {
  readonly attempt: Attempt;
  readonly peer: ValidIdentity;
  readonly waiting: WaitingForMessage4;
  /** The message_2 that it answers. */
  readonly message2: Uint8Array;
  readonly resending: Resending;
}

/**
 * One handshake that this side began. It ends with a session, or with an error when its time is up; nothing that comes
 * from outside ends it sooner.
 */
export class Initiation {
  readonly #context: InboxContext;
  readonly #peerId: Uint8Array;
  readonly #expected: Expected;
  readonly #routes: Routes;
  readonly #attempts: Attempt[] = [];
  readonly #turns = new Turns();
  readonly #budget: TokenBucket;
  readonly #heard = new Hearsay();
  readonly #underWay: UnderWay;
  readonly #result: PromiseWithResolvers<Initiated> = Promise.withResolvers();
  readonly #cancelTimer: () => void;
  #queued = 0;
  #confirming: Confirming | undefined;
  #isOver = false;

  /** Sends message_1 at once. */
  constructor(context: InboxContext, routes: Routes, peerId: Uint8Array, expected: Expected) {
    this.#context = context;
    this.#routes = routes;
    this.#peerId = peerId;
    this.#expected = expected;
    const { clock, timeoutMs } = context.party;
    const first = startInitiator(context.options);
    this.#budget = new TokenBucket(clock, context.tuning.answers);
    this.#underWay = context.overlaps.begin('initiator', idKey(peerId));
    this.#cancelTimer = clock.after(timeoutMs, () => this.fail(this.#heard.verdict(peerId, timeoutMs)));
    this.#attempt(first);
  }

  /** What comes of it. */
  get result(): Promise<Initiated> {
    return this.#result.promise;
  }

  /** Ends it with `error`. */
  fail(error: SealwireError): void {
    if (this.#isOver) return;
    this.#end();
    this.#result.reject(error);
  }

  #attempt(start: InitiatorStart): void {
    const { connectionId } = start.state;
    const resending = this.#resending(encodeEnvelope({ connectionId: null, message: start.message1 }));
    const attempt: Attempt = { start, resending };
    this.#attempts.push(attempt);
    this.#routes.set(connectionKey(connectionId), {
      peerId: this.#peerId,
      take: (message) => this.#take(attempt, message),
    });
    resending.start();
  }

  #resending(unit: Uint8Array): Resending {
    // Our own carrier says so, and nobody outside can make it: there is nothing to wait for.
    const onFailure = (cause: unknown): void => this.fail(toSealwireError(cause));
    return new Resending(this.#context, this.#peerId, unit, onFailure);
  }

  async #take(attempt: Attempt, message: Uint8Array): Promise<void> {
    const error = this.#readError(message);
    if (error === 'malformed') return;
    if (error) this.#hearError(attempt, error);
    else if (this.#confirming) this.#takeConfirmation(this.#confirming, attempt, message);
    else if (this.#queued < QUEUED_MAX && this.#budget.take()) await this.#queueMessage2(attempt, message);
  }

  #readError(message: Uint8Array): ErrorMessage | 'malformed' | null {
    try {
      return decodeErrorMessage(message);
    } catch (cause) {
      this.#heard.noise(cause);
      return 'malformed';
    }
  }

  /** Nobody vouches for an error message: at most it leads to one more try beside the first. */
  #hearError({ start }: Attempt, error: ErrorMessage): void {
    if (error.kind !== 'wrong-suite') {
      this.#heard.refusal();
      return;
    }
    if (this.#confirming || this.#attempts.length > 1) return;
    try {
      this.#attempt(start.state.retry(error.suites));
    } catch (cause) {
      this.#heard.refusal(toSealwireError(cause));
    }
  }

  async #queueMessage2(attempt: Attempt, message: Uint8Array): Promise<void> {
    this.#queued += 1;
    try {
      await this.#turns.run(() => this.#takeMessage2(attempt, message));
    } finally {
      this.#queued -= 1;
    }
  }

  async #takeMessage2(attempt: Attempt, message: Uint8Array): Promise<void> {
    if (this.#isOver || this.#confirming) return;
    let claim: ResponderClaim;
    try {
      claim = attempt.start.state.receive(message);
    } catch (cause) {
      this.#heard.noise(cause);
      return;
    }
    try {
      // Its inbox is its id: whoever answers there has to be that one, whatever its name.
      const { peer, next } = await prove(this.#context.party, claim, this.#peerId);
      checkExpected(peer, this.#expected);
      await this.#confirm({ attempt, peer, claim, draft: next, message2: message.slice() });
    } catch (cause) {
      this.#heard.doubt(toSealwireError(cause));
    }
  }

  async #confirm(proven: {
    readonly attempt: Attempt;
    readonly peer: ValidIdentity;
    readonly claim: ResponderClaim;
    readonly draft: Message3Draft;
    readonly message2: Uint8Array;
  }): Promise<void> {
    const { attempt, peer, claim, draft, message2 } = proven;
    const waiting = await this.#sign(draft);
    if (!waiting || this.#isOver) return;
    this.#heard.proven();
    // One session is wanted: the other try, where there is one, ends here.
    for (const { resending } of this.#attempts) resending.stop();
    const unit = encodeEnvelope({ connectionId: claim.peerConnectionId, message: waiting.message3 });
    this.#confirming = { attempt, peer, waiting, message2, resending: this.#resending(unit) };
    this.#confirming.resending.start();
  }

  async #sign(draft: Message3Draft): Promise<WaitingForMessage4 | undefined> {
    try {
      return draft.finish(await this.#context.party.identity.signer.sign(draft.toBeSigned));
    } catch (cause) {
      this.fail(toSealwireError(cause));
      return undefined;
    }
  }

  #takeConfirmation(confirming: Confirming, attempt: Attempt, message: Uint8Array): void {
    const { peer, waiting, message2, resending } = confirming;
    if (attempt !== confirming.attempt) return;
    if (equalBytes(message, message2)) {
      resending.again();
      return;
    }
    try {
      this.#succeed(toStart(this.#context.party, waiting.receive(message), peer, 'initiator'));
    } catch (cause) {
      // Forged or altered: the genuine one may still come.
      if (!isSealwireError(cause)) throw cause;
    }
  }

  #succeed(start: SessionStart): void {
    this.#context.beginnings.proved(idKey(this.#peerId));
    this.#end();
    this.#result.resolve({ start, overlapped: this.#underWay.overlapped });
  }

  #end(): void {
    this.#isOver = true;
    this.#cancelTimer();
    this.#underWay.end();
    this.#confirming?.resending.stop();
    for (const { start, resending } of this.#attempts) {
      resending.stop();
      this.#routes.delete(connectionKey(start.state.connectionId));
    }
  }
}
