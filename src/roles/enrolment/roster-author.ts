import { toLowS } from '../../core/crypto/es256.ts';
import type { Crypto } from '../../core/crypto/port.ts';
import { SealwireError } from '../../core/errors.ts';
import { identityId } from '../../core/identity/id.ts';
import type { Clock, Signer } from '../../core/ports.ts';
import type { Roster, SignedRoster } from '../../core/roster/roster.ts';
import { draftRoster } from '../../core/roster/signed-roster.ts';
import type { RosterKeeper } from '../roster-keeper.ts';
import { Turns } from '../turns.ts';

/** What a {@link RosterAuthor} is made of. */
export interface RosterAuthorOptions {
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** The authority's key. */
  readonly signer: Signer;
  readonly keeper: RosterKeeper;
}

/** What a next version changes; null for nothing, and then there is none. */
export type RosterEdit = (current: Roster) => Partial<Pick<Roster, 'members' | 'channels'>> | null;

/** Signs versions of a roster, one after the other. */
export class RosterAuthor {
  readonly #options: RosterAuthorOptions;
  readonly #turns = new Turns();

  constructor(options: RosterAuthorOptions) {
    this.#options = options;
  }

  /** Begins the roster where there is none; gives the newest version. */
  begin(content: Pick<Roster, 'members' | 'channels'>): Promise<SignedRoster> {
    return this.#turns.run(async () => {
      const { keeper, signer } = this.#options;
      if (keeper.current) return keeper.current;
      const authorityKey = signer.publicKey;
      const first = { name: keeper.name, version: 1, previous: null, authorityKey, expiresAtS: null, revocations: [] };
      return this.#sign({ ...first, ...content, issuedAtS: this.#nowS(0) });
    });
  }

  /** The next version as `edit` says; the newest one where it changes nothing. Rejects with what `edit` throws. */
  change(edit: RosterEdit): Promise<SignedRoster> {
    return this.#turns.run(async () => {
      const { current } = this.#options.keeper;
      if (!current) throw new SealwireError('roster-missing', 'There is no roster to change.');
      const change = edit(current);
      if (!change) return current;
      const issuedAtS = this.#nowS(current.issuedAtS);
      return this.#sign({ ...current, ...change, issuedAtS, version: current.version + 1, previous: current.hash });
    });
  }

  async #sign(roster: Roster): Promise<SignedRoster> {
    const { crypto, signer, keeper } = this.#options;
    const draft = draftRoster(roster, identityId(crypto, signer.publicKey));
    await keeper.offer(draft.finish(toLowS(await signer.sign(draft.toBeSigned))));
    const { current } = keeper;
    if (current?.version === roster.version) return current;
    throw new SealwireError('internal', `Version ${roster.version} of the roster did not take.`);
  }

  /** A clock that was set back must not make a version that is older than the one before. */
  #nowS(atLeastS: number): number {
    return Math.max(Math.floor(this.#options.clock.now() / 1000), atLeastS);
  }
}
