import { bytesToHex, equalBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { decodeRatchetEnd } from '../frame/end.ts';
import { decodeLabel, type HeadClaim, type Label } from '../frame/label.ts';
import { identityId } from '../identity/id.ts';
import { KIND, kindName } from '../kinds.ts';
import type { SignedRoster } from '../roster/roster.ts';
import { decodeRoster } from '../roster/signed-roster.ts';
import { checkFollows, rosterClaim, stepTo } from '../roster/succession.ts';
import type { BlockHeader } from './block.ts';
import { decodeEntry, isLoggedKind, receiptInLabel } from './entry.ts';
import { type LedgerIdentity, readIdentity } from './identity.ts';
import type { TreeHasher } from './merkle.ts';
import type { Statement } from './statement.ts';
import { LeafList, Tracks } from './tracks.ts';
import type { Conflict, Dispute, Findings, Found, Gap, ReceiptProblem } from './verify-report.ts';

/** Items of one kind of finding that a report holds at most. */
const FOUND_MAX = 1000;

/** An ES256 signature to be verified: it holds, or what it is on is broken. */
export interface SignatureCheck {
  /** Uncompressed point, 65 bytes; the same array for every check of one key. */
  readonly publicKey: Uint8Array;
  readonly toBeVerified: Uint8Array;
  readonly signature: Uint8Array;
  readonly block: number;
  /** Null for a block's own. */
  readonly entry: number | null;
}

/** Where an entry lies. */
export interface EntryPlace {
  readonly block: number;
  readonly entry: number;
  /** Of the block: what a label in it can have known. */
  readonly firstIndex: number;
}

/** Who signs blocks and statements, and in which ledger. */
export interface NotaryKey {
  readonly id: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly origin: string;
}

class FoundList<T> {
  #total = 0;
  readonly #first: T[] = [];

  add(item: T): void {
    this.#total += 1;
    if (this.#first.length < FOUND_MAX) this.#first.push(item);
  }

  found(): Found<T> {
    return { total: this.#total, first: this.#first };
  }
}

/**
 * Judges what entries say, one after the other: their form, their senders' keys, repeats, claimed heads, deliveries.
 * It hands out their signatures; whatever else does not hold throws, with the end of a sentence as message.
 */
export class EntryAudit {
  readonly #crypto: Crypto;
  readonly #hasher: TreeHasher;
  readonly #isFromStart: boolean;
  readonly #firstIndex: number;
  readonly #leaves: LeafList;
  readonly #tracks: Tracks;
  readonly #senders = new Map<string, LedgerIdentity>();
  /** By tree size, the blocks' roots. */
  readonly #heads = new Map<number, Uint8Array>();
  readonly #conflicts = new FoundList<Conflict>();
  readonly #disputes = new FoundList<Dispute>();
  readonly #receiptProblems = new FoundList<ReceiptProblem>();
  #roster: SignedRoster | null = null;
  #headsNotCompared = 0;
  #receiptsNotCompared = 0;

  /** `start`: the head that the first entry follows; null at the beginning of a ledger. */
  constructor(crypto: Crypto, hasher: TreeHasher, start: HeadClaim | null) {
    this.#crypto = crypto;
    this.#hasher = hasher;
    this.#isFromStart = start === null;
    this.#firstIndex = start?.treeSize ?? 0;
    this.#leaves = new LeafList(this.#firstIndex);
    this.#tracks = new Tracks(crypto, this.#leaves);
    if (start) this.#heads.set(start.treeSize, start.root);
  }

  /** Claimed heads that lie before the first entry that was read. */
  get headsNotCompared(): number {
    return this.#headsNotCompared;
  }

  /** Delivery receipts about labels that lie before the first entry that was read. */
  get receiptsNotCompared(): number {
    return this.#receiptsNotCompared;
  }

  /**
   * Takes a sender's key from an identity statement, or the newest roster, of before the first entry: it is not verified
   * itself. An id is the key's own hash.
   */
  recall(statement: Uint8Array): void {
    const entry = decodeEntry(statement);
    if (entry.type === 'roster') this.#roster = decodeRoster(this.#crypto, entry.bytes);
    if (entry.type === 'statement' && entry.statement.content.kind === KIND.identity) {
      this.#learn(readIdentity(this.#crypto, entry.statement.content.certificates));
    }
  }

  /** Takes the next entry and gives the signatures on it. */
  take(bytes: Uint8Array, leaf: Uint8Array, place: EntryPlace, notary: NotaryKey): SignatureCheck[] {
    this.#leaves.push(leaf);
    const entry = decodeEntry(bytes);
    if (entry.type === 'label') return this.#takeLabel(entry.label, place);
    if (entry.type === 'roster') return [this.#takeRoster(entry.bytes, place)];
    return this.#takeStatement(entry.statement, place, notary);
  }

  /** Notes the head of a block that holds; throws where it names another roster than the newest before its end. */
  endBlock({ treeSize, roster }: BlockHeader, root: Uint8Array): void {
    const newest = this.#roster && rosterClaim(this.#roster);
    const isNewest =
      newest && roster ? newest.version === roster.version && equalBytes(newest.hash, roster.hash) : newest === roster;
    if (!isNewest) throw refusal('it names another roster than the newest one logged');
    this.#heads.set(treeSize, root);
  }

  /** After the last entry. */
  findings(): Findings {
    const gaps = new FoundList<Gap>();
    for (const gap of this.#tracks.gaps(this.#isFromStart)) gaps.add(gap);
    const receiptProblems = this.#receiptProblems;
    for (const problem of this.#tracks.lateReceipts()) {
      if (problem.problem === 'not-logged' && !this.#isFromStart) this.#receiptsNotCompared += 1;
      else receiptProblems.add(problem);
    }
    return {
      gaps: gaps.found(),
      conflicts: this.#conflicts.found(),
      disputes: this.#disputes.found(),
      receiptProblems: receiptProblems.found(),
    };
  }

  #takeRoster(bytes: Uint8Array, { block, entry }: EntryPlace): SignatureCheck {
    const roster = decodeRoster(this.#crypto, bytes);
    const before = this.#roster;
    const trust = { authorityId: roster.signerId, name: before?.name ?? roster.name };
    const step = stepTo(this.#crypto, trust, before, roster);
    if (step.type !== 'next') throw refusal('it does not follow the roster before it');
    checkFollows(before, roster);
    this.#roster = roster;
    const { toBeVerified, signature } = roster;
    return { publicKey: step.signerKey, toBeVerified, signature, block, entry };
  }

  #takeLabel(label: Label, place: EntryPlace): SignatureCheck[] {
    const { entry } = place;
    const { senderId } = label;
    if (!isLoggedKind(label.kind)) throw refusal(`a label of kind ${kindName(label.kind)} does not belong here`);
    const before = this.#tracks.at(label);
    if (before !== null) throw refusal(`it repeats the place of entry ${before} in its sender's ratchet`);
    this.#tracks.take(label, entry);
    if (label.kind === KIND.end) this.#tracks.end(label, decodeRatchetEnd(label.content, label.seq));
    if (label.head && !this.#wasHead(label.head, place.firstIndex)) {
      this.#disputes.add({ entry, senderId, treeSize: label.head.treeSize });
    }
    const receipt = receiptInLabel(label);
    const problem = receipt && this.#tracks.receipt(entry, senderId, receipt);
    if (problem) this.#receiptProblems.add(problem);
    return [this.#checkOf(label, place)];
  }

  #checkOf(label: Label, { block, entry }: EntryPlace): SignatureCheck {
    const sender = this.#senders.get(bytesToHex(label.senderId));
    if (!sender) throw refusal("no identity before it is its sender's");
    const { toBeVerified, signature } = label;
    return { publicKey: sender.publicKey, toBeVerified, signature, block, entry };
  }

  #wasHead({ treeSize, root }: HeadClaim, firstIndex: number): boolean {
    if (treeSize < this.#firstIndex) {
      this.#headsNotCompared += 1;
      return true;
    }
    const known = this.#heads.get(treeSize);
    return treeSize <= firstIndex && known !== undefined && equalBytes(known, root);
  }

  #takeStatement(statement: Statement, place: EntryPlace, notary: NotaryKey): SignatureCheck[] {
    const { content, toBeVerified, signature } = statement;
    if (!equalBytes(statement.notaryId, notary.id)) throw refusal('it is the statement of another notary');
    if (statement.origin !== notary.origin) throw refusal(`it is a statement about the ledger ${statement.origin}`);
    if ((content.kind === KIND.policy) !== (place.entry === 0)) throw refusal('a ledger has one policy, at its start');
    if (content.kind === KIND.identity) this.#learn(readIdentity(this.#crypto, content.certificates));
    const own = { publicKey: notary.publicKey, toBeVerified, signature, block: place.block, entry: place.entry };
    return content.kind === KIND.conflict ? [own, this.#takeConflict(content.entryIndex, content.label, place)] : [own];
  }

  #takeConflict(about: number, bytes: Uint8Array, place: EntryPlace): SignatureCheck {
    const label = decodeLabel(bytes);
    const known = this.#tracks.at(label);
    if (about >= this.#firstIndex || known !== null) {
      const leaf = this.#leaves.at(about);
      const isConflict = known === about && leaf !== null && !equalBytes(leaf, this.#hasher.leaf(bytes));
      if (!isConflict) throw refusal(`its label is in no conflict with entry ${about}`);
    }
    this.#conflicts.add({ entry: place.entry, about, senderId: label.senderId });
    return this.#checkOf(label, place);
  }

  #learn(identity: LedgerIdentity): void {
    const key = bytesToHex(identity.id);
    if (!this.#senders.has(key)) this.#senders.set(key, identity);
  }
}

/** The notary's key as the policy in a ledger's first entry gives it; throws where there is none. */
export function notaryOf(crypto: Crypto, firstEntry: Uint8Array): NotaryKey {
  const entry = decodeEntry(firstEntry);
  const content = entry.type === 'statement' ? entry.statement.content : null;
  if (content?.kind !== KIND.policy) throw refusal('a ledger begins with the policy of its notary');
  const { publicKey, origin } = content;
  return { id: identityId(crypto, publicKey), publicKey, origin };
}

function refusal(what: string): SealwireError {
  return new SealwireError('ledger-broken', what);
}
