import { bytesToHex, equalBytes, hexToBytes } from '../../core/bytes.ts';
import { encodeGrant } from '../../core/channel/grant.ts';
import type { GrantAck } from '../../core/channel/grant-ack.ts';
import type { GrantRequest } from '../../core/channel/grant-request.ts';
import { WriterRatchet } from '../../core/channel/writer-ratchet.ts';
import type { ValidIdentity } from '../../core/identity/path.ts';
import { KIND } from '../../core/kinds.ts';
import type { SendingRatchet } from '../../core/ratchet/sending.ts';
import { pinnedName } from '../../core/roster/ids.ts';
import { memberOf } from '../../core/roster/membership.ts';
import { channelByName, isRevoked, mayRead } from '../../core/roster/rights.ts';
import type { SignedRoster } from '../../core/roster/roster.ts';
import type { Session } from '../session.ts';
import type { ChannelContext } from './channel-context.ts';
import { pinnedReaders } from './confirmers.ts';
import { checkReader, type Rights } from './rights.ts';

/** Ratchets that were followed by newer ones and still owe somebody a grant. */
const FORMER_MAX = 4;
/** Ratchets whose frames may still be confirmed. */
const KNOWN_MAX = 16;

/** One writer's ratchets in one channel, and who gets their keys: pushed to those who are there, pulled by the others. */
export class Granting {
  readonly #context: ChannelContext;
  readonly #channel: string;
  readonly #stream: Uint8Array;
  readonly #nextN: () => number;
  #current: WriterRatchet | undefined;
  readonly #former: WriterRatchet[] = [];
  readonly #barred = new WeakSet<WriterRatchet>();
  #beganAtMs = 0;
  #allFetched: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Readers that the roster does not name by key and that were granted something, by id in hex. */
  readonly #issued = new Map<string, ValidIdentity>();
  /** Of all ratchets that were used lately, in hex. */
  readonly #known = new Set<string>();

  /** `nextN` gives the number of the first message that is in no frame yet. */
  constructor(context: ChannelContext, channel: string, stream: Uint8Array, nextN: () => number) {
    this.#context = context;
    this.#channel = channel;
    this.#stream = stream;
    this.#nextN = nextN;
  }

  /** The ratchet that the next frame is sealed with; a new one where the last one has come to its end. */
  ratchetFor(rights: Rights): { readonly ratchet: WriterRatchet; readonly isNew: boolean } {
    const now = this.#context.clock.now();
    const current = this.#current;
    current?.expire(now);
    if (current && !current.mustRotate(now, rights.channel)) return { ratchet: current, isNew: false };
    return { ratchet: this.#begin(rights), isNew: true };
  }

  /** What seals the next frame; call {@link ratchetFor} before. */
  get sending(): SendingRatchet {
    if (!this.#current) throw new Error('there is no ratchet yet');
    return this.#current.sending;
  }

  /** False for a ratchet whose keys somebody holds who may read no more: what is sealed with it must not leave. */
  maySend(ratchet: WriterRatchet): boolean {
    return !this.#barred.has(ratchet);
  }

  /** True for a ratchet of this writer that is still known. */
  knows(ratchetId: Uint8Array): boolean {
    return this.#known.has(bytesToHex(ratchetId));
  }

  /** Readers that the roster does not name by key and that hold keys, as ids in hex. */
  grantedReaders(): Iterable<string> {
    return this.#issued.keys();
  }

  /**
   * Gives a reader the keys that it is entitled to: those of the ratchet it asks for, or of the one in use where that
   * one is gone or owes it nothing. True where it gets keys of the one in use for the first time. Throws `not-allowed`.
   */
  answer(session: Session, request: GrantRequest, rights: Rights): boolean {
    checkReader(rights, session.peer);
    const { id } = session.peer;
    const now = this.#context.clock.now();
    // Nobody may have written for more than a day.
    for (const ratchet of this.#all()) ratchet.expire(now);
    this.#dropSettled();
    const asked = this.#find(request.ratchetId);
    const ratchet = asked?.isEntitled(id) ? asked : this.#current;
    if (!ratchet) return false;
    const isFirst = !ratchet.isEntitled(id);
    if (isFirst) {
      ratchet.entitle(id, this.#nextN(), now);
      if (!pinnedReaders(rights, this.#context.ownId).some((pinned) => equalBytes(pinned, id))) {
        this.#issued.set(bytesToHex(id), session.peer);
      }
    }
    this.#give(session, ratchet);
    return isFirst;
  }

  /** A reader has its keys: those from before are owed to one less. */
  acknowledged(readerId: Uint8Array, { ratchetId, seq }: GrantAck): void {
    this.#find(ratchetId)?.acknowledge(readerId, seq);
    this.#dropSettled();
  }

  /** Readers that the roster names by key and that are new in it may read from the next frame on; true where there are any. */
  added(now: SignedRoster): boolean {
    const channel = channelByName(now, this.#channel);
    const current = this.#current;
    if (!channel || !current) return false;
    const added = pinnedReaders({ roster: now, channel }, this.#context.ownId).filter((id) => !current.isEntitled(id));
    for (const id of added) {
      current.entitle(id, this.#nextN(), this.#context.clock.now());
      const session = this.#context.sessions.current(id);
      if (session) this.#give(session, current);
    }
    return added.length > 0;
  }

  /** Those who may read no more, as ids; where there are any, nothing that follows opens for them. */
  removed(now: SignedRoster): Uint8Array[] {
    const gone = this.#holders().filter((id) => !this.#mayStillRead(now, id));
    for (const id of gone) {
      for (const ratchet of this.#all()) {
        if (ratchet.isEntitled(id)) this.#barred.add(ratchet);
        ratchet.drop(id);
      }
      this.#issued.delete(bytesToHex(id));
    }
    if (gone.length > 0) this.#retire();
    return gone;
  }

  /** Waits, as long as readers that are there take, for those who have not fetched the keys yet; then forgets them all. */
  async finish(): Promise<void> {
    const { clock, tuning, onEvent } = this.#context;
    const leftMs = this.#beganAtMs + tuning.closeTimeoutMs - clock.elapsed();
    if (this.#owes && leftMs > 0) {
      const late = Promise.withResolvers<void>();
      const cancel = clock.after(leftMs, () => late.resolve());
      await Promise.race([this.#allFetched.promise, late.promise]);
      cancel();
    }
    const readers = this.#all().flatMap((ratchet) => ratchet.owedIds());
    if (readers.length > 0) onEvent({ type: 'unfetched', channel: this.#channel, readers });
    this.#stop();
  }

  get #owes(): boolean {
    return this.#all().some((ratchet) => ratchet.owes);
  }

  #stop(): void {
    for (const ratchet of this.#all()) ratchet.erase();
    this.#current = undefined;
    this.#former.length = 0;
  }

  #begin(rights: Rights): WriterRatchet {
    const { crypto, clock, ownId, sessions, onEvent } = this.#context;
    this.#retire();
    const ratchet = WriterRatchet.begin(crypto, {
      channel: this.#channel,
      stream: this.#stream,
      n: this.#nextN(),
      nowMs: clock.now(),
      history: rights.channel.history,
    });
    this.#current = ratchet;
    this.#beganAtMs = clock.elapsed();
    this.#allFetched = Promise.withResolvers();
    this.#remember(ratchet);
    const entitled = [...pinnedReaders(rights, ownId), ...[...this.#issued.values()].map(({ id }) => id)];
    for (const id of entitled) ratchet.entitle(id, this.#nextN());
    onEvent({ type: 'rotated', channel: this.#channel });
    for (const id of entitled) {
      const session = sessions.current(id);
      if (session && !session.closing) this.#give(session, ratchet);
    }
    return ratchet;
  }

  /** The ratchet in use is used no more; it stays as long as somebody is owed its keys. */
  #retire(): void {
    const { clock } = this.#context;
    if (this.#current) this.#former.push(this.#current);
    this.#current = undefined;
    for (const ratchet of this.#former) ratchet.expire(clock.now());
    for (const ratchet of this.#former.splice(0, this.#former.length - FORMER_MAX)) ratchet.erase();
    this.#dropSettled();
  }

  #dropSettled(): void {
    if (!this.#owes) this.#allFetched.resolve();
    const settled = this.#former.filter((ratchet) => !ratchet.owes);
    for (const ratchet of settled) {
      ratchet.erase();
      this.#former.splice(this.#former.indexOf(ratchet), 1);
    }
  }

  #remember(ratchet: WriterRatchet): void {
    this.#known.add(bytesToHex(ratchet.ratchetId));
    const [oldest] = this.#known;
    if (this.#known.size > KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest);
  }

  #give(session: Session, ratchet: WriterRatchet): void {
    const { id } = session.peer;
    // Whoever had the keys and asks again has lost them: it goes on from here.
    if (ratchet === this.#current && !ratchet.grantFor(id)) ratchet.renew(id, this.#nextN(), this.#context.clock.now());
    const grant = ratchet.grantFor(id);
    if (!grant) return;
    // A session that ends meanwhile takes nothing: the reader asks in its next one.
    session.sendControl(KIND.grant, encodeGrant(grant)).catch(() => {});
  }

  #find(ratchetId: Uint8Array): WriterRatchet | undefined {
    return this.#all().find((ratchet) => equalBytes(ratchet.ratchetId, ratchetId));
  }

  #all(): WriterRatchet[] {
    return this.#current ? [...this.#former, this.#current] : [...this.#former];
  }

  #holders(): Uint8Array[] {
    const ids = new Set(this.#all().flatMap((ratchet) => ratchet.entitledIds().map(bytesToHex)));
    return [...new Set([...ids, ...this.#issued.keys()])].map(hexToBytes);
  }

  #mayStillRead(now: SignedRoster, id: Uint8Array): boolean {
    if (isRevoked(now, id)) return false;
    const channel = channelByName(now, this.#channel);
    if (!channel) return false;
    const pinned = pinnedName(now, id);
    if (pinned !== undefined) return mayRead(channel, pinned);
    const issued = this.#issued.get(bytesToHex(id));
    const member = issued ? memberOf(now, issued) : null;
    return member !== null && mayRead(channel, member);
  }
}
