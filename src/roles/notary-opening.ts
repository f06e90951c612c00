import { bytesToHex, concatBytes, equalBytes } from '../core/bytes.ts';
import type { Crypto } from '../core/crypto/port.ts';
import { SealwireError } from '../core/errors.ts';
import { identityId } from '../core/identity/id.ts';
import { KIND } from '../core/kinds.ts';
import { isOrigin } from '../core/ledger/block.ts';
import { decodeEntry } from '../core/ledger/entry.ts';
import { readIdentity } from '../core/ledger/identity.ts';
import { TreeHasher } from '../core/ledger/merkle.ts';
import { type Certificates, draftStatement, type StatementContent } from '../core/ledger/statement.ts';
import type { LedgerStore, NewEntry } from '../core/ledger/store.ts';
import type { Clock, Eventually, Signer, VerifierFactory } from '../core/ports.ts';
import type { RosterView } from '../core/roster/roster.ts';
import { decodeRoster } from '../core/roster/signed-roster.ts';
import { appendBlock, loadTail, type NotaryKeys, type Tail } from './head.ts';

/** What `openNotary` takes. */
export interface NotaryOptions {
  /** Stays the caller's to dispose of, after the notary is closed. */
  readonly store: LedgerStore;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly signer: Signer;
  readonly verifierOf: VerifierFactory;
  /** The notary's own, DER, leaf first: they go into the genesis block. */
  readonly certificates: Certificates;
  /** The ledger's own name, 1 to 255 characters, the same for good. */
  readonly origin: string;
  /** Who may write in channels; without it every sender that was admitted may. */
  readonly roster?: RosterView;
  /** Entries in one block at most. */
  readonly blockEntriesMax?: number;
  /** Entries that wait for a block at most. */
  readonly queueEntriesMax?: number;
}

/** A ledger that a notary may go on with. */
export interface OpenLedger {
  readonly keys: NotaryKeys;
  readonly tail: Tail;
  readonly known: Known;
}

/** Finds the end of a notary's ledger, or begins it; throws as `openNotary` says. */
export async function openLedger(options: NotaryOptions): Promise<OpenLedger> {
  const { crypto, signer, origin } = options;
  if (!isOrigin(origin)) {
    throw new SealwireError('usage', "A ledger's name has 1 to 255 characters.", { hint: 'Name it like a host.' });
  }
  const keys: NotaryKeys = {
    crypto,
    hasher: new TreeHasher(crypto),
    signer,
    verifier: options.verifierOf(signer.publicKey),
    id: identityId(crypto, signer.publicKey),
    origin,
  };
  const tail = (await loadTail(keys, options.store)) ?? (await beginLedger(keys, options));
  checkClock(tail.header.timeS, options.clock.now());
  return { keys, tail, known: await readKnown(options) };
}

function checkClock(lastBlockS: number, nowMs: number): void {
  const behindS = lastBlockS - Math.floor(nowMs / 1000);
  if (behindS <= 0) return;
  throw new SealwireError('clock-behind', `The clock is ${behindS} s before the ledger's last block.`, {
    hint: 'Set the clock right; a ledger never goes back in time.',
  });
}

async function beginLedger(keys: NotaryKeys, options: NotaryOptions): Promise<Tail> {
  const { certificates, clock, store } = options;
  const own = readIdentity(keys.crypto, certificates);
  if (!equalBytes(own.id, keys.id)) {
    throw new SealwireError('identity-mismatch', "The notary's certificate is for another key than it signs with.");
  }
  const timeS = Math.floor(clock.now() / 1000);
  const publicKey = keys.signer.publicKey;
  const policy = { kind: KIND.policy, publicKey, ed25519Key: null, origin: keys.origin, certificates } as const;
  const entries = [
    await statementEntry(keys, policy, timeS),
    await statementEntry(keys, { kind: KIND.identity, certificates }, timeS),
  ];
  return appendBlock(keys, store, null, entries, timeS);
}

/** The notary's word as an entry, signed. */
export async function statementEntry(keys: NotaryKeys, content: StatementContent, timeS: number): Promise<NewEntry> {
  const draft = draftStatement({ notaryId: keys.id, origin: keys.origin, timeS }, content);
  const bytes = draft.finish(await keys.signer.sign(draft.toBeSigned));
  return { kind: content.kind, bytes, leaf: keys.hasher.leaf(bytes), position: null, confirms: null };
}

/** What a notary has said before and need not say twice. */
export interface Known {
  /** By id in hex: the certificates of its last identity statement, as {@link chainKey} has them. */
  readonly chains: Map<string, string>;
  /** By index of an entry with a conflict about it: the index of the statement that says so. */
  readonly disputed: Map<number, Eventually<number>>;
  /** The version of the newest roster that the ledger holds; 0 for none. */
  rosterVersion: number;
}

async function readKnown({ store, crypto }: NotaryOptions): Promise<Known> {
  const known: Known = {
    chains: new Map(),
    disputed: new Map(),
    rosterVersion: await newestRosterIn({ store, crypto }),
  };
  const indices = [...(await store.statements(KIND.identity)), ...(await store.statements(KIND.conflict))];
  for (const index of indices) {
    const [stored] = await store.entries(index, 1);
    const entry = stored && decodeEntry(stored.bytes);
    if (entry?.type !== 'statement') continue;
    const { content } = entry.statement;
    if (content.kind === KIND.conflict) known.disputed.set(content.entryIndex, index);
    if (content.kind !== KIND.identity) continue;
    const { id } = readIdentity(crypto, content.certificates);
    known.chains.set(bytesToHex(id), chainKey(crypto, content.certificates));
  }
  return known;
}

async function newestRosterIn({ store, crypto }: Pick<NotaryOptions, 'store' | 'crypto'>): Promise<number> {
  const index = (await store.statements(KIND.signedRoster)).at(-1);
  const [stored] = index === undefined ? [] : await store.entries(index, 1);
  return stored ? decodeRoster(crypto, stored.bytes).version : 0;
}

/** Tells chains of certificates apart. */
export function chainKey(crypto: Crypto, certificates: Certificates): string {
  return bytesToHex(crypto.sha256(concatBytes(...certificates)));
}
