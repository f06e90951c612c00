import { equalBytes } from '../core/bytes.ts';
import type { Crypto } from '../core/crypto/port.ts';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import type { VerifierFactory } from '../core/ports.ts';
import type { RosterView, SignedRoster } from '../core/roster/roster.ts';
import { decodeRoster } from '../core/roster/signed-roster.ts';
import type { RosterStore } from '../core/roster/store.ts';
import { checkFollows, forked, type RosterTrust, stepTo } from '../core/roster/succession.ts';
import { Turns } from './turns.ts';
import { AHEAD_MAX, WaitingRosters } from './waiting-rosters.ts';

/** What a {@link RosterKeeper} is made of. */
export interface RosterKeeperOptions extends RosterTrust {
  readonly crypto: Crypto;
  readonly verifierOf: VerifierFactory;
  readonly store: RosterStore;
}

/** What became of a roster that somebody showed; `missing` are versions that have to come before it. */
export type Offered = 'accepted' | 'known' | { readonly missing: readonly number[] };

type Listener = Parameters<RosterView['onChange']>[0];

/**
 * Keeps the versions of one roster: forward only, each over the hash of the one before, each signed by the authority
 * that the one before names. Whoever shows one need not be trusted.
 */
export class RosterKeeper implements RosterView {
  readonly #options: RosterKeeperOptions;
  readonly #versions: SignedRoster[] = [];
  readonly #ahead = new WaitingRosters();
  readonly #listeners = new Set<Listener>();
  readonly #turns = new Turns();
  #failure: SealwireError | null = null;

  /** Goes on from what is kept; throws `roster-invalid` or `roster-forked` where that does not hold, and `malformed`. */
  static async open(options: RosterKeeperOptions): Promise<RosterKeeper> {
    const keeper = new RosterKeeper(options);
    for (const bytes of await options.store.load()) {
      const outcome = await keeper.#judge(decodeRoster(options.crypto, bytes));
      if (outcome !== 'accepted') throw new SealwireError('roster-invalid', 'A version of the roster is missing here.');
    }
    await keeper.#recallFork(await options.store.fork());
    return keeper;
  }

  private constructor(options: RosterKeeperOptions) {
    this.#options = options;
  }

  /** The roster's name. */
  get name(): string {
    return this.#options.name;
  }

  get current(): SignedRoster | null {
    return this.#versions.at(-1) ?? null;
  }

  get failure(): SealwireError | null {
    return this.#failure;
  }

  hashOf(version: number): Uint8Array | null {
    return this.#versions[version - 1]?.hash ?? null;
  }

  /** The COSE_Sign1 of a version that was accepted; undefined for any other. */
  bytesOf(version: number): Uint8Array | undefined {
    return this.#versions[version - 1]?.bytes;
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Somebody shows a version. Rejects with what is wrong with it (`malformed`, `roster-invalid`, `signature-invalid`,
   * …), which changes nothing; with `roster-forked` where the authority has signed two histories, which ends all use.
   */
  offer(bytes: Uint8Array): Promise<Offered> {
    return this.#turns.run(async () => {
      // Brokers show what is known again and again.
      if (this.#versions.some((known) => equalBytes(known.bytes, bytes))) return 'known';
      const offered = decodeRoster(this.#options.crypto, bytes);
      const outcome = await this.#judge(offered, (roster) => this.#options.store.keep(roster.version, roster.bytes));
      if (outcome === 'accepted') await this.#takeAhead();
      return outcome;
    });
  }

  async #judge(offered: SignedRoster, keep?: (roster: SignedRoster) => Promise<void>): Promise<Offered> {
    const step = stepTo(this.#options.crypto, this.#options, this.current, offered);
    if (step.type === 'known') {
      await this.#checkSame(offered);
      return 'known';
    }
    if (step.type === 'ahead') return this.#wait(offered);
    await this.#checkSigned(offered, step.signerKey);
    try {
      checkFollows(this.current, offered);
    } catch (error) {
      throw await this.#stopAt(error, offered);
    }
    await keep?.(offered);
    const before = this.current;
    this.#versions.push(offered);
    for (const listener of this.#listeners) listener(offered, before);
    return 'accepted';
  }

  /** What was accepted before is nothing new; another one of its number is a fork if the authority did sign it. */
  async #checkSame(offered: SignedRoster): Promise<void> {
    const ours = this.#versions[offered.version - 1];
    if (!ours || equalBytes(ours.hash, offered.hash)) return;
    if (!equalBytes(ours.signerId, offered.signerId)) {
      throw new SealwireError('roster-invalid', 'A roster was turned away: it is not signed by its authority.');
    }
    const signerKey = this.#versions[offered.version - 2]?.authorityKey ?? ours.authorityKey;
    await this.#checkSigned(offered, signerKey);
    throw await this.#stopAt(forked(`there are two versions ${offered.version}`), offered);
  }

  async #checkSigned({ toBeVerified, signature }: SignedRoster, signerKey: Uint8Array): Promise<void> {
    if (await this.#options.verifierOf(signerKey).verify(toBeVerified, signature)) return;
    throw new SealwireError('signature-invalid', 'A roster was turned away: its signature does not hold.');
  }

  #wait(offered: SignedRoster): Offered {
    const next = (this.current?.version ?? 0) + 1;
    // Those far ahead come again.
    this.#ahead.add(offered, next);
    const missing: number[] = [];
    for (let version = next; version < offered.version && missing.length < AHEAD_MAX; version++) {
      if (!this.#ahead.has(version)) missing.push(version);
    }
    return { missing };
  }

  async #takeAhead(): Promise<void> {
    let isNew = true;
    while (isNew) {
      isNew = false;
      // Those too that came by another way meanwhile: what waited beside them may be a fork.
      for (const waiting of this.#ahead.takeUpTo((this.current?.version ?? 0) + 1)) {
        isNew = (await this.#follows(waiting)) || isNew;
      }
    }
  }

  /** Anyone can show what waits: one that does not follow is as if it had never come. */
  async #follows(waiting: SignedRoster): Promise<boolean> {
    try {
      const keep = ({ version, bytes }: SignedRoster): Promise<void> => this.#options.store.keep(version, bytes);
      return (await this.#judge(waiting, keep)) === 'accepted';
    } catch (error) {
      if (isSealwireError(error, 'file-unwritable')) throw error;
      return false;
    }
  }

  /** A fork ends all use, here and after every restart: it is kept beside what it contradicts. */
  async #stopAt(error: unknown, offered: SignedRoster): Promise<unknown> {
    if (!isSealwireError(error, 'roster-forked')) return error;
    this.#failure ??= error;
    await this.#options.store.keepFork(offered.bytes);
    return error;
  }

  /** What was kept is judged as if somebody showed it now: what is not genuine changes nothing. */
  async #recallFork(bytes: Uint8Array | null): Promise<void> {
    if (!bytes) return;
    try {
      await this.offer(bytes);
    } catch (error) {
      if (!isSealwireError(error)) throw error;
    }
  }
}
