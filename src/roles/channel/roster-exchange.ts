import { decodeCbor, encodeCbor } from '../../core/cbor.ts';
import { isSealwireError, SealwireError } from '../../core/errors.ts';
import { KIND } from '../../core/kinds.ts';
import { ROSTER_BYTES_MAX } from '../../core/limits.ts';
import type { SignedRoster } from '../../core/roster/roster.ts';
import type { Offered } from '../roster-keeper.ts';
import type { Session } from '../session.ts';

/** The roster as this side keeps it. */
export interface RosterSource {
  readonly current: SignedRoster | null;
  bytesOf(version: number): Uint8Array | undefined;
  offer(bytes: Uint8Array): Promise<Offered>;
}

/** What is used of a session. */
export type RosterSession = Pick<Session, 'peer' | 'sendControl'>;

/** Told of a roster that a peer showed and that was turned away. Must not throw. */
export type OnRefused = (error: SealwireError, peerName: string) => void;

/** Versions are handed on up to the next multiple of it; the peer says what it has then, and gets the rest. */
const VERSIONS_AT_ONCE = 16;
/** Versions that go once more in one session, for a peer that could not keep them: saying that costs it next to nothing. */
const AGAIN_MAX = 32;

/**
 * Members carry the roster to each other, so that no broker can withhold it: in each session both say which version they
 * have, and whoever has a newer one hands on what the other lacks. Nobody believes another about it: see `RosterKeeper`.
 */
export class RosterExchange {
  readonly #source: RosterSource;
  readonly #onRefused: OnRefused;
  readonly #handedOn = new WeakMap<RosterSession, { newest: number; again: number }>();

  constructor(source: RosterSource, onRefused: OnRefused) {
    this.#source = source;
    this.#onRefused = onRefused;
  }

  /** Says which version is here. */
  greet(session: RosterSession): void {
    tell(session, encodeCbor(this.#newest()));
  }

  /** There is a newer version: hands it on at once. */
  announce(session: RosterSession): void {
    const bytes = this.#source.bytesOf(this.#newest());
    if (bytes) tell(session, encodeCbor(bytes));
  }

  /** Takes what a peer says: the number of its version, or the bytes of one. */
  async take(session: RosterSession, payload: Uint8Array): Promise<void> {
    try {
      const said = decodeCbor(payload, { bytesMax: ROSTER_BYTES_MAX + 8 });
      if (typeof said === 'number' && Number.isSafeInteger(said) && said >= 0) this.#handOn(session, said);
      else if (said instanceof Uint8Array) await this.#offer(session, said);
      else throw new SealwireError('malformed', 'What was said of a roster is neither a version nor a roster.');
    } catch (cause) {
      const known = isSealwireError(cause);
      this.#onRefused(
        known ? cause : new SealwireError('internal', 'A roster could not be taken.', { cause }),
        session.peer.name,
      );
    }
  }

  #handOn(session: RosterSession, theirs: number): void {
    const last = Math.min(this.#newest(), (roundOf(theirs) + 1) * VERSIONS_AT_ONCE);
    const handedOn = this.#handedOn.get(session) ?? { newest: 0, again: 0 };
    this.#handedOn.set(session, handedOn);
    for (let version = theirs + 1; version <= last; version++) {
      if (version <= handedOn.newest && handedOn.again++ >= AGAIN_MAX) return;
      handedOn.newest = Math.max(handedOn.newest, version);
      const bytes = this.#source.bytesOf(version);
      if (bytes) tell(session, encodeCbor(bytes));
    }
  }

  async #offer(session: RosterSession, bytes: Uint8Array): Promise<void> {
    const before = this.#newest();
    const outcome = await this.#source.offer(bytes);
    // Said more often, it would bring the same versions again and again.
    const isRoundOver = outcome === 'accepted' && roundOf(this.#newest()) > roundOf(before);
    if (isRoundOver || typeof outcome === 'object') this.greet(session);
  }

  #newest(): number {
    return this.#source.current?.version ?? 0;
  }
}

function roundOf(version: number): number {
  return Math.floor(version / VERSIONS_AT_ONCE);
}

function tell(session: RosterSession, payload: Uint8Array): void {
  // A session that ends meanwhile takes nothing: both say again what they have in the next one.
  session.sendControl(KIND.roster, payload).catch(() => {});
}
