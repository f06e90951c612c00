import { bytesToHex, compareBytes, equalBytes } from '../../core/bytes.ts';
import { SealwireError } from '../../core/errors.ts';
import { encodeEnvelope } from '../../core/handshake/envelope.ts';
import { encodeErrorMessage, REFUSAL } from '../../core/handshake/error-message.ts';
import { decodeMessage1 } from '../../core/handshake/message-1.ts';
import type { PeerClaim } from '../../core/handshake/peer.ts';
import {
  type Finished,
  type Message1Answer,
  type Message2Draft,
  receiveMessage1,
  type WaitingForMessage3,
} from '../../core/handshake/responder.ts';
import type { ValidIdentity } from '../../core/identity/path.ts';
import { prove, toSealwireError, toStart } from '../handshake-steps.ts';
import type { SessionStart } from '../session.ts';
import { BoundedTable, type Gone } from './bounded-table.ts';
import { connectionKey, type InboxContext, idKey } from './inbox-context.ts';
import type { UnderWay } from './overlaps.ts';
import { StoredReply } from './resending.ts';
import { TokenBucket } from './token-bucket.ts';

/** What is told of a handshake that somebody else began. */
export interface AnsweringListener {
  onSession(start: SessionStart, facts: { readonly overlapped: boolean }): void;
  onRefused(error: SealwireError, from: Uint8Array): void;
}

/** How often one half-open handshake's message_3 is judged: trust may be given between two copies of it. */
const JUDGED_MAX = 4;

/** Somebody began; message_2 is being signed, or out. */
interface HalfOpen {
  /** Who, as far as the address says. */
  readonly from: Uint8Array;
  readonly beginKey: string;
  readonly underWay: UnderWay;
  waiting: WaitingForMessage3 | undefined;
  /** message_2. */
  reply: StoredReply | undefined;
  isJudging: boolean;
  judged: number;
}

/** A session came of it; message_4 may have been lost. */
interface Answered {
  readonly peerId: Uint8Array;
  readonly message3: Uint8Array;
  /** message_4. */
  readonly reply: StoredReply;
}

/**
 * The handshakes that others began. Whatever comes may be anybody's: it costs bounded work, it is answered by one unit
 * at most, and only a message_3 whose sender is proven and trusted changes anything.
 */
export class Answering {
  readonly #context: InboxContext;
  readonly #listener: AnsweringListener;
  readonly #halfOpen: BoundedTable<HalfOpen>;
  readonly #answered: BoundedTable<Answered>;
  readonly #overloadReports: TokenBucket;
  #isStopped = false;

  constructor(context: InboxContext, listener: AnsweringListener) {
    const { tuning, party } = context;
    this.#context = context;
    this.#listener = listener;
    this.#halfOpen = new BoundedTable(
      party.clock,
      { entriesMax: tuning.halfOpenMax, perOwnerMax: tuning.halfOpenPerSenderMax, keepMs: party.timeoutMs },
      (entry, why) => this.#onGone(entry, why),
    );
    const kept = { entriesMax: tuning.answeredMax, perOwnerMax: tuning.answeredMax, keepMs: tuning.answeredKeepMs };
    this.#answered = new BoundedTable(party.clock, kept);
    this.#overloadReports = new TokenBucket(party.clock, { burst: 1, perSecond: 1 });
  }

  /** How many are half-open. */
  get halfOpen(): number {
    return this.#halfOpen.size;
  }

  /** Takes what came without a connection identifier: a message_1, it says. */
  async begin(from: Uint8Array, message: Uint8Array): Promise<void> {
    const { crypto } = this.#context.party;
    // The sender is part of the key: nobody else's copy shares, or uses up, the answers to this one.
    const beginKey = `begin ${idKey(from)} ${bytesToHex(crypto.sha256(message))}`;
    const known = this.#halfOpen.find(beginKey);
    if (known) known.reply?.send(from);
    if (known || this.#answered.find(beginKey) || !isMessage1(message)) return;
    if (!this.#context.beginnings.admit(idKey(from))) {
      this.#reportOverload('More handshakes are begun than are answered at this rate.', from);
      return;
    }
    const answer = this.#read(from, message.slice());
    if (answer?.kind === 'wrong-suite') {
      this.#sendOnce(from, encodeEnvelope({ connectionId: answer.peerConnectionId, message: answer.errorMessage }));
    } else if (answer) await this.#answer(from, beginKey, answer.draft);
  }

  /** Takes what carries `connectionId`, where that is one of ours: a message_3, it says. */
  async take(connectionId: Uint8Array, message: Uint8Array): Promise<void> {
    const key = connectionKey(connectionId);
    const answered = this.#answered.find(key);
    if (answered && compareBytes(answered.message3, message) === 0) answered.reply.send(answered.peerId);
    const entry = this.#halfOpen.find(key);
    if (entry?.waiting) await this.#takeMessage3(entry, entry.waiting, message);
  }

  stop(): void {
    this.#isStopped = true;
    this.#halfOpen.clear();
    this.#answered.clear();
  }

  #read(from: Uint8Array, message1: Uint8Array): Message1Answer | undefined {
    try {
      return receiveMessage1(this.#context.options, message1);
    } catch (cause) {
      this.#listener.onRefused(toSealwireError(cause), from);
      return undefined;
    }
  }

  async #answer(from: Uint8Array, beginKey: string, draft: Message2Draft): Promise<void> {
    const entry: HalfOpen = {
      from,
      beginKey,
      underWay: this.#context.overlaps.begin('responder', idKey(from)),
      waiting: undefined,
      reply: undefined,
      isJudging: false,
      judged: 0,
    };
    this.#halfOpen.add(entry, idKey(from), [beginKey]);
    let waiting: WaitingForMessage3;
    try {
      waiting = draft.finish(await this.#context.party.identity.signer.sign(draft.toBeSigned));
    } catch (cause) {
      this.#remove(entry);
      this.#listener.onRefused(toSealwireError(cause), from);
      return;
    }
    if (!this.#halfOpen.has(entry)) return;
    entry.waiting = waiting;
    this.#halfOpen.alias(entry, connectionKey(waiting.connectionId));
    const { peerConnectionId: connectionId, message2: message } = waiting;
    entry.reply = this.#reply(encodeEnvelope({ connectionId, message }), from);
    entry.reply.send(from);
  }

  async #takeMessage3(entry: HalfOpen, waiting: WaitingForMessage3, message: Uint8Array): Promise<void> {
    if (entry.isJudging || entry.judged >= JUDGED_MAX) return;
    let claim: PeerClaim<Finished>;
    try {
      claim = waiting.receive(message);
    } catch {
      // Only who began has the keys: this is somebody else's, and the genuine one may still come.
      return;
    }
    entry.isJudging = true;
    entry.judged += 1;
    try {
      // Who it is stands in the message: the address that it came under is not asked.
      const { peer, next } = await prove(this.#context.party, claim, null);
      if (!this.#isStopped) this.#finish(entry, peer, next, message);
    } catch (cause) {
      this.#refuse(entry, waiting, toSealwireError(cause));
    } finally {
      entry.isJudging = false;
    }
  }

  #finish(entry: HalfOpen, peer: ValidIdentity, finished: Finished, message3: Uint8Array): void {
    const { party, beginnings } = this.#context;
    const start = toStart(party, finished.established, peer, 'responder');
    const { initiatorConnectionId: connectionId, responderConnectionId } = finished.established;
    const reply = this.#reply(encodeEnvelope({ connectionId, message: finished.message4 }), peer.id);
    const overlapped = this.#endUnderWay(entry, peer);
    this.#halfOpen.remove(entry);
    this.#answered.add({ peerId: peer.id, message3: message3.slice(), reply }, idKey(peer.id), [
      entry.beginKey,
      connectionKey(responderConnectionId),
    ]);
    beginnings.proved(idKey(peer.id));
    this.#listener.onSession(start, { overlapped });
    reply.send(peer.id);
  }

  #endUnderWay({ from, underWay }: HalfOpen, peer: ValidIdentity): boolean {
    underWay.end();
    if (equalBytes(from, peer.id)) return underWay.overlapped;
    // It began under another address than its own, so nobody has looked yet.
    const own = this.#context.overlaps.begin('responder', idKey(peer.id));
    own.end();
    return own.overlapped;
  }

  #refuse(entry: HalfOpen, { peerConnectionId }: WaitingForMessage3, error: SealwireError): void {
    if (this.#isStopped) return;
    this.#sendOnce(
      entry.from,
      encodeEnvelope({ connectionId: peerConnectionId, message: encodeErrorMessage(REFUSAL) }),
    );
    if (entry.judged === 1) this.#listener.onRefused(error, entry.from);
  }

  #reply(unit: Uint8Array, to: Uint8Array): StoredReply {
    return new StoredReply(this.#context, unit, (cause) => this.#listener.onRefused(toSealwireError(cause), to));
  }

  #sendOnce(to: Uint8Array, unit: Uint8Array): void {
    this.#reply(unit, to).send(to);
  }

  #remove(entry: HalfOpen): void {
    this.#halfOpen.remove(entry);
    entry.underWay.end();
  }

  #onGone({ from, underWay }: HalfOpen, why: Gone): void {
    underWay.end();
    if (why === 'displaced') {
      this.#reportOverload('A handshake was given up: it had not got on when newer ones needed room.', from);
    }
  }

  /** Once a second at most: a flood is not to fill the log too. */
  #reportOverload(sentence: string, from: Uint8Array): void {
    if (!this.#overloadReports.take()) return;
    const hint = 'Somebody may be flooding this inbox; let the broker hold writers to their own ids.';
    this.#listener.onRefused(new SealwireError('overloaded', sentence, { hint }), from);
  }
}

/** Looks at the form alone, so that garbage uses nothing up. */
function isMessage1(message: Uint8Array): boolean {
  try {
    decodeMessage1(message);
    return true;
  } catch {
    return false;
  }
}
