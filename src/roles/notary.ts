import { bytesToHex, equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { formatId } from '../core/identity/id.ts';
import { KIND } from '../core/kinds.ts';
import { encodeSignedHeader } from '../core/ledger/block.ts';
import { type LedgerIdentity, readIdentity } from '../core/ledger/identity.ts';
import { AppendedLeaves, planConsistency, planInclusion } from '../core/ledger/proofs.ts';
import { encodeReceipt } from '../core/ledger/receipt.ts';
import type { Certificates, StatementContent } from '../core/ledger/statement.ts';
import type { LedgerHead, NewEntry, Position } from '../core/ledger/store.ts';
import { TUNING } from '../core/limits.ts';
import type { Eventually } from '../core/ports.ts';
import { decodeRoster } from '../core/roster/signed-roster.ts';
import { Admission, type AdmittedLabel } from './admission.ts';
import { Batching } from './batching.ts';
import { appendBlock, read, type Tail } from './head.ts';
import { chainKey, type NotaryOptions, type OpenLedger, openLedger, statementEntry } from './notary-opening.ts';

export type { NotaryOptions } from './notary-opening.ts';

/** An entry of the ledger, with the proof that it is one. */
export interface Logged {
  readonly index: number;
  /** RFC 9942, encoded; see `checkReceipt`. */
  readonly receipt: Uint8Array;
  /** The signed header that the receipt proves into, encoded: COSE_Sign1 with the root detached. */
  readonly header: Uint8Array;
}

/** What became of one of several labels. */
export type Submitted =
  | { readonly status: 'logged'; readonly logged: Logged }
  | { readonly status: 'refused'; readonly error: SealwireError };

/** The newest block of a notary's ledger. */
export interface NotaryHead extends LedgerHead {
  /** Seconds since 1970. */
  readonly timeS: number;
  /** The signed header, encoded. */
  readonly header: Uint8Array;
}

/** Where an entry lies, and how to prove it. */
interface Appended {
  readonly index: number;
  readonly bytes: Uint8Array;
  logged(): Eventually<Logged>;
}

/**
 * Opens a notary over its ledger, and begins the ledger where it is empty. Refuses to start with `ledger-broken` where
 * what is kept does not agree with its head, with `identity-mismatch` for another notary's ledger, with `clock-behind`
 * when the clock is before the last block, with `usage` for an origin that is none.
 */
export async function openNotary(options: NotaryOptions): Promise<Notary> {
  return new Notary(await openLedger(options), options);
}

/** Takes labels in, logs them in signed blocks and proves it. One ledger has one notary at a time. */
export class Notary implements AsyncDisposable {
  readonly #keys: OpenLedger['keys'];
  readonly #options: NotaryOptions;
  readonly #known: OpenLedger['known'];
  readonly #admission: Admission;
  readonly #batching: Batching<NewEntry, Appended>;
  /** By place in a ratchet: what is on its way into a block. */
  readonly #underway = new Map<string, Promise<Appended>>();
  #tail: Tail;

  /** Use {@link openNotary}. */
  constructor({ keys, tail, known }: OpenLedger, options: NotaryOptions) {
    this.#keys = keys;
    this.#options = options;
    this.#tail = tail;
    this.#known = known;
    this.#admission = new Admission(keys.hasher, options.verifierOf, options.roster);
    this.#batching = new Batching(
      (entries) => this.#commit(entries),
      () => options.clock.turn(),
      {
        batchMax: options.blockEntriesMax ?? TUNING.blockEntriesMax,
        queueMax: options.queueEntriesMax ?? TUNING.notaryQueueEntriesMax,
      },
    );
  }

  /** The notary's id, 32 bytes. */
  get id(): Uint8Array {
    return this.#keys.id;
  }

  /** The ledger's name. */
  get origin(): string {
    return this.#keys.origin;
  }

  /** The newest block: durable and signed. */
  get head(): NotaryHead {
    const { head, header, protectedBytes, signature } = this.#tail;
    return { ...head, timeS: header.timeS, header: encodeSignedHeader(protectedBytes, signature) };
  }

  /**
   * Resolves when the ledger could not be written and the notary has stopped for good: what became of the last block is
   * unknown until the ledger is opened again.
   */
  get failed(): Promise<unknown> {
    return this.#batching.failed;
  }

  /**
   * From now on labels of this identity are taken, until the notary closes; its certificates are logged unless they
   * were before. The caller has validated them; `authority` is the key of whoever issued them, 65 bytes, null for a pinned
   * identity. Throws `certificate-invalid`, `key-invalid`, or what stopped the notary.
   */
  async admit(certificates: Certificates, authority: Uint8Array | null = null): Promise<LedgerIdentity> {
    const { crypto } = this.#keys;
    const identity = readIdentity(crypto, certificates);
    const [id, chain] = [bytesToHex(identity.id), chainKey(crypto, certificates)];
    if (this.#known.chains.get(id) !== chain) {
      const before = this.#known.chains.get(id);
      this.#known.chains.set(id, chain);
      try {
        await this.#state({ kind: KIND.identity, certificates });
      } catch (error) {
        if (before === undefined) this.#known.chains.delete(id);
        else this.#known.chains.set(id, before);
        throw error;
      }
    }
    this.#admission.admit(identity, authority);
    return identity;
  }

  /**
   * Logs a version of the roster, which the caller has checked to follow those before it: the next block's header names
   * it. One that is in the ledger is not logged twice. Throws `malformed`, or what stopped the notary.
   */
  async logRoster(bytes: Uint8Array): Promise<void> {
    const { crypto, hasher } = this.#keys;
    const { version } = decodeRoster(crypto, bytes);
    if (version <= this.#known.rosterVersion) return;
    this.#known.rosterVersion = version;
    await this.#append({ kind: KIND.signedRoster, bytes, leaf: hasher.leaf(bytes), position: null, confirms: null });
  }

  /**
   * Logs a label. Resolves once it is durable in a signed block; a label that was logged before gets a receipt again.
   * Rejects as `Admission.check` says, with `conflict` where its sender signed another label for its place, with
   * `overloaded`, or with what stopped the notary.
   */
  async submit(label: Uint8Array): Promise<Logged> {
    const [submitted] = await this.submitMany([label]);
    if (submitted?.status === 'logged') return submitted.logged;
    throw submitted?.error ?? new SealwireError('internal', 'A label was submitted and nothing became of it.');
  }

  /** Logs labels in their order, in one block where they fit; one that is refused does not hold up the others. */
  async submitMany(labels: readonly Uint8Array[]): Promise<Submitted[]> {
    const checked = await Promise.allSettled(labels.map((label) => this.#admission.check(label)));
    const outcomes = await Promise.allSettled(
      checked.map((result) =>
        result.status === 'fulfilled' ? this.#place(result.value) : Promise.reject(result.reason),
      ),
    );
    return outcomes.map((outcome) => {
      if (outcome.status === 'fulfilled') return { status: 'logged', logged: outcome.value };
      if (outcome.reason instanceof SealwireError) return { status: 'refused', error: outcome.reason };
      throw outcome.reason;
    });
  }

  /** Proves any entry, under the newest head. Throws `not-logged` for an index past the end. */
  async receipt(index: number): Promise<Logged> {
    const { head, protectedBytes, signature } = this.#tail;
    if (!Number.isSafeInteger(index) || index < 0 || index >= head.treeSize) {
      throw new SealwireError('not-logged', `There is no entry ${index}; the ledger holds ${head.treeSize}.`);
    }
    const path = await read(this.#options.store, planInclusion(this.#keys.hasher, index, head.treeSize));
    const proof = { treeSize: head.treeSize, leafIndex: index, path };
    return {
      index,
      receipt: encodeReceipt(protectedBytes, signature, proof),
      header: encodeSignedHeader(protectedBytes, signature),
    };
  }

  /**
   * The proof that the tree of the first `first` entries is a prefix of that of the first `second` (RFC 9162, section
   * 2.1.4). Throws `malformed` for sizes that are none, `not-logged` where there are not so many entries.
   */
  async consistency(first: number, second: number): Promise<Uint8Array[]> {
    const { treeSize } = this.#tail.head;
    if (second > treeSize) {
      throw new SealwireError('not-logged', `There are no ${second} entries; the ledger holds ${treeSize}.`);
    }
    return read(this.#options.store, planConsistency(this.#keys.hasher, first, second));
  }

  /** Takes nothing more, and resolves once what was taken is logged. */
  async close(): Promise<void> {
    await this.#batching.stop(new SealwireError('not-logged', 'The notary is closing.'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #place(admitted: AdmittedLabel): Promise<Logged> {
    const { entry } = admitted;
    const key = placeKey(entry.position);
    const underway = this.#underway.get(key);
    // Noted before the store is asked, so that a second label for this place cannot slip in meanwhile.
    const appended = underway ?? this.#appendUnlessThere(entry);
    if (!underway) this.#underway.set(key, appended);
    try {
      const there = await appended;
      return equalBytes(there.bytes, entry.bytes) ? await there.logged() : await this.#conflict(admitted, there.index);
    } finally {
      if (!underway) this.#underway.delete(key);
    }
  }

  async #appendUnlessThere(entry: AdmittedLabel['entry']): Promise<Appended> {
    const { store } = this.#options;
    const index = await store.indexAt(entry.position);
    if (index === null) return this.#append(entry);
    const [stored] = await store.entries(index, 1);
    if (!stored) throw new SealwireError('ledger-broken', `The ledger no longer holds entry ${index}.`);
    return { index, bytes: stored.bytes, logged: () => this.receipt(index) };
  }

  /** Both labels are the sender's own word: whoever reads the ledger sees them side by side. */
  async #conflict({ label }: AdmittedLabel, entryIndex: number): Promise<never> {
    const { disputed } = this.#known;
    let logged = disputed.get(entryIndex);
    if (logged === undefined) {
      logged = this.#state({ kind: KIND.conflict, entryIndex, label: label.bytes });
      disputed.set(entryIndex, logged);
    }
    const about = `${formatId(label.senderId)} signed two labels for seq ${label.seq} of one ratchet`;
    throw new SealwireError(
      'conflict',
      `${about}: entry ${entryIndex} holds the other; entry ${await logged} says so.`,
      {
        hint: 'A home was copied or restored; begin new sessions from one of the two only.',
      },
    );
  }

  async #state(content: StatementContent): Promise<number> {
    const timeS = Math.floor(this.#options.clock.now() / 1000);
    const { index } = await this.#append(await statementEntry(this.#keys, content, timeS));
    return index;
  }

  async #append(entry: NewEntry): Promise<Appended> {
    const [appended] = this.#batching.add([entry]);
    if (!appended) throw new SealwireError('internal', 'An entry was queued and is not in the queue.');
    return appended;
  }

  async #commit(entries: readonly NewEntry[]): Promise<Appended[]> {
    const { store, clock } = this.#options;
    const before = this.#tail;
    const tail = await appendBlock(this.#keys, store, before, entries, Math.floor(clock.now() / 1000));
    this.#tail = tail;
    const leaves = new AppendedLeaves(
      this.#keys.hasher,
      before.range,
      entries.map(({ leaf }) => leaf),
    );
    const header = encodeSignedHeader(tail.protectedBytes, tail.signature);
    return entries.map(({ bytes }, i) => {
      const index = before.head.treeSize + i;
      const logged = (): Logged => {
        const proof = { treeSize: tail.head.treeSize, leafIndex: index, path: leaves.path(index) };
        return { index, receipt: encodeReceipt(tail.protectedBytes, tail.signature, proof), header };
      };
      return { index, bytes, logged };
    });
  }
}

function placeKey({ senderId, ratchetId, seq }: Position): string {
  return `${bytesToHex(senderId)} ${bytesToHex(ratchetId)} ${seq}`;
}
