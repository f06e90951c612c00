import { bytesToHex, equalBytes } from '../../core/bytes.ts';
import type { Grant } from '../../core/channel/grant.ts';
import { encodeGrantAck } from '../../core/channel/grant-ack.ts';
import type { ChannelStore } from '../../core/channel/store.ts';
import { isSealwireError, SealwireError } from '../../core/errors.ts';
import { readBody } from '../../core/frame/body.ts';
import type { Label } from '../../core/frame/label.ts';
import { type OpenedFrame, receiveFrame, type SignedFrame } from '../../core/frame/open.ts';
import type { ValidIdentity } from '../../core/identity/path.ts';
import { KIND, kindName } from '../../core/kinds.ts';
import type { Publication } from '../../core/ports.ts';
import { isRevoked } from '../../core/roster/rights.ts';
import type { SignedRoster } from '../../core/roster/roster.ts';
import { topicMatches } from '../../core/topic.ts';
import type { Session } from '../session.ts';
import { Turns } from '../turns.ts';
import type { ChannelContext } from './channel-context.ts';
import { type KnownRatchet, KnownWriters } from './known-writers.ts';
import { Pulling } from './pulling.ts';
import { Receipts } from './receipts.ts';
import { checkMayBeWriter, checkReader, checkWriter, type Rights, rightsIn } from './rights.ts';
import type { Deliver } from './stream-delivery.ts';
import { VerifierCache } from './verifier-cache.ts';

/** Labels under a roster that is not here yet are kept for it, so many. */
const EARLY_MAX = 256;

/** A frame, and how it came. */
interface Arrival extends Publication {
  /** In the reader's inbox, where frames of every topic come. */
  readonly isInbox: boolean;
  /** It was held until its keys were here. */
  readonly wasHeld: boolean;
}

/** One reader in all channels: every check in the order that the specification sets, then order, then delivery. */
export class ChannelReader {
  readonly #context: ChannelContext;
  readonly #own: ValidIdentity;
  readonly #store: ChannelStore;
  readonly #writers: KnownWriters;
  readonly #verifiers: VerifierCache;
  readonly #pulling: Pulling;
  readonly #receipts: Receipts;
  readonly #turns = new Turns();
  /** Frames under a newer roster than ours. */
  readonly #early: Arrival[] = [];
  #stopped = false;

  constructor(context: ChannelContext, own: ValidIdentity, store: ChannelStore, deliver: Deliver) {
    this.#context = context;
    this.#own = own;
    this.#store = store;
    this.#writers = new KnownWriters(context, store, deliver, this.#turns);
    this.#verifiers = new VerifierCache(context.verifierOf);
    this.#pulling = new Pulling(context);
    this.#receipts = new Receipts(context);
  }

  /** Takes a frame of a channel; resolves once it was taken in. Never throws for what is in it. */
  take(publication: Publication, isInbox: boolean): Promise<void> {
    return this.#turns.run(() => this.#take({ ...publication, isInbox, wasHeld: false }));
  }

  /** Keys of a writer, from the session with it. Throws `not-allowed` and whatever the roster does not allow. */
  async onGrant(session: Session, grant: Grant): Promise<void> {
    await this.#turns.run(async () => {
      if (this.#stopped) return;
      // In its turn: the roster may have changed while it waited.
      const rights = rightsIn(this.#context.roster, this.#context.clock, grant.channel);
      checkWriter(rights, session.peer);
      checkReader(rights, this.#own);
      await this.#writers.learn(session.peer, grant);
      const { ratchetId, seq, channel } = grant;
      session.sendControl(KIND.grantAck, encodeGrantAck({ channel, ratchetId, seq })).catch(() => {});
      this.#pulling.answered(session.peer.id, ratchetId);
      for (const { topic, frame } of this.#store.release(session.peer.id, ratchetId)) {
        await this.#take({ topic, payload: frame, retained: false, isInbox: false, wasHeld: true });
      }
    });
  }

  /** There is a newer roster: what waited for it comes. */
  onRoster(now: SignedRoster): Promise<void> {
    return this.#turns.run(async () => {
      this.#writers.forget(now.revocations.map(({ id }) => id));
      for (const publication of this.#early.splice(0)) await this.#take(publication);
    });
  }

  /** Confirms what was taken in and keeps where everything stands. */
  async close(): Promise<void> {
    await this.#turns.run(async () => {
      this.#stopped = true;
      this.#pulling.stop();
      this.#writers.close();
    });
    await this.#receipts.close();
  }

  async #take(publication: Arrival): Promise<void> {
    if (this.#stopped) return;
    try {
      await this.#open(publication);
    } catch (cause) {
      const error = isSealwireError(cause)
        ? cause
        : new SealwireError('internal', 'A frame of a channel could not be taken.', { cause });
      this.#context.onEvent({ type: 'refused', error, where: publication.topic });
    }
  }

  async #open(publication: Arrival): Promise<void> {
    const { payload, topic, isInbox } = publication;
    const received = receiveFrame(payload);
    const { label } = received;
    if (equalBytes(label.senderId, this.#context.ownId)) return;
    const rights = this.#rightsFor(label);
    if (!rights) return this.#keepEarly(publication);
    checkTopic(label, rights, isInbox ? null : topic);
    // On topics of many, what others alone may read is none of ours.
    if (!this.#mayRead(rights)) return;
    const known = this.#writers.find(label.senderId);
    if (!known) {
      // Nobody has shown this key yet, so its signature cannot be checked.
      checkMayBeWriter(rights, label.senderId);
      return this.#hold(label, publication);
    }
    checkWriter(rights, known.identity);
    const signed = received.verified(await this.#isSigned(known.identity, label));
    const ratchet = known.ratchets.get(bytesToHex(label.ratchetId));
    if (!ratchet) return this.#hold(label, publication);
    if (ratchet.channel !== label.channel) {
      throw new SealwireError('wrong-session', 'A frame is sealed with the keys of another channel.');
    }
    await this.#apply(rights, known.identity, ratchet, signed, publication);
  }

  async #apply(
    rights: Rights,
    writer: ValidIdentity,
    ratchet: KnownRatchet,
    signed: SignedFrame,
    publication: Arrival,
  ): Promise<void> {
    const { clock } = this.#context;
    const opened = this.#openSealed(rights, writer, ratchet, signed, publication);
    if (!opened) return;
    const { label, content, commit } = opened;
    const messages = readBody(content);
    const { delivery } = ratchet;
    if (messages.some(({ stream }) => !equalBytes(stream, delivery.stream))) {
      throw new SealwireError('wrong-session', 'A writer has one stream of messages in a channel.');
    }
    const expired = label.expiresAtS !== null && label.expiresAtS * 1000 <= clock.now();
    commit();
    this.#writers.touched(ratchet);
    this.#receipts.taken(rights, this.#own, writer, label);
    const isRepaired = rights.channel.confirmers !== 'none' && this.#context.qos !== 0;
    await delivery.take(messages, { topic: label.topic, expired, retained: publication.retained, isRepaired });
  }

  #openSealed(
    rights: Rights,
    writer: ValidIdentity,
    { ratchet, channel }: KnownRatchet,
    signed: SignedFrame,
    publication: Arrival,
  ): OpenedFrame | undefined {
    const { label } = signed;
    if (label.kind !== KIND.message) {
      throw new SealwireError('unsupported', `A frame of kind ${kindName(label.kind)} has no place in a channel.`);
    }
    try {
      return signed.open(this.#context.crypto, ratchet);
    } catch (error) {
      if (isSealwireError(error, 'replayed')) {
        this.#receipts.again(rights, this.#own, writer, label);
        // A broker hands out what it kept for every subscription.
        if (publication.retained) return undefined;
      }
      // With the keys that the writer gave just now it is too far all the same: it would be asked for without end.
      if (isSealwireError(error, 'skipped-too-far') && !publication.wasHeld) {
        this.#hold(label, publication);
        this.#pulling.ask(writer.id, { channel, ratchetId: label.ratchetId, seq: label.seq });
      }
      throw error;
    }
  }

  /** What the label's channel allows now; null where it was written under a roster that is yet to come. */
  #rightsFor(label: Label): Rights | null {
    const { roster: view, clock } = this.#context;
    const rights = rightsIn(view, clock, label.channel ?? '');
    const { roster } = rights;
    if (label.rosterName !== roster.name || label.roster === null) {
      throw new SealwireError('not-allowed', 'A frame was written under another roster.');
    }
    if (label.roster.version > roster.version) return null;
    const hash = view.hashOf(label.roster.version);
    if (!hash || !equalBytes(hash.subarray(0, 16), label.roster.hash)) {
      throw new SealwireError('roster-forked', 'A frame was written under a roster that is not an ancestor of ours.');
    }
    if (isRevoked(roster, label.senderId)) {
      throw new SealwireError('identity-revoked', 'A frame was signed with a key that counts no more.');
    }
    return rights;
  }

  #mayRead(rights: Rights): boolean {
    try {
      checkReader(rights, this.#own);
      return true;
    } catch {
      return false;
    }
  }

  #keepEarly(publication: Arrival): void {
    if (this.#early.length < EARLY_MAX) this.#early.push(publication);
  }

  async #isSigned(writer: ValidIdentity, { toBeVerified, signature }: Label): Promise<boolean> {
    return this.#verifiers.of(writer).verify(toBeVerified, signature);
  }

  /** Keeps a frame until its keys are here, and asks for them. */
  #hold(label: Label, { payload }: Arrival): void {
    const { senderId, ratchetId, seq, channel, topic } = label;
    if (channel === null) return;
    if (!this.#store.hold(senderId, ratchetId, seq, { topic, frame: payload })) {
      this.#context.onEvent({ type: 'held-full', writerId: senderId, channel });
    }
    this.#pulling.ask(senderId, { channel, ratchetId, seq });
  }
}

/** Throws `wrong-topic` unless the label's topic is the channel's, and the one on which the frame came. */
function checkTopic(label: Label, { channel }: Rights, arrived: string | null): void {
  if (arrived !== null && label.topic !== arrived) {
    const sentence = `A frame that was signed for ${JSON.stringify(label.topic)} came on ${JSON.stringify(arrived)}.`;
    throw new SealwireError('wrong-topic', sentence);
  }
  if (channel.filters.some((filter) => topicMatches(filter, label.topic))) return;
  throw new SealwireError('wrong-topic', `The channel ${channel.name} has no topic ${JSON.stringify(label.topic)}.`);
}
