import { generateKeyPairSync } from 'node:crypto';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { mac0Tag } from '../src/core/cose.ts';
import { draftLabel, encodeLabelHeader } from '../src/core/frame/label.ts';
import { draftCertificate } from '../src/core/identity/certificate-draft.ts';
import { identityId } from '../src/core/identity/id.ts';
import { KIND } from '../src/core/kinds.ts';
import { TreeHasher } from '../src/core/ledger/merkle.ts';
import type { Certificates } from '../src/core/ledger/statement.ts';
import type { LedgerStore, NewEntry } from '../src/core/ledger/store.ts';
import type { Signer } from '../src/core/ports.ts';
import { systemClock } from '../src/node/clock.ts';
import { nodeCrypto, nodeSigner, nodeVerifier } from '../src/node/crypto.ts';
import { openLedgerStore } from '../src/node/sqlite-ledger.ts';
import { appendBlock, loadTail, type NotaryKeys, type Tail } from '../src/roles/head.ts';
import { openNotary } from '../src/roles/notary.ts';

/** Entries in each block. */
export const BLOCK_ENTRIES = 1000;
/** Ratchets that the entries take turns in. */
const RATCHETS = 4;
const ORIGIN = 'bench';

/** Whoever signs in the bench. */
export interface Party {
  readonly signer: Signer;
  readonly certificates: Certificates;
  readonly id: Uint8Array;
}

/** A new key and its certificate. */
export async function makeParty(commonName: string): Promise<Party> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = nodeSigner(privateKey);
  const { publicKey } = signer;
  const [notBeforeMs, notAfterMs] = [Date.UTC(2026, 0, 1), Date.UTC(2036, 0, 1)];
  const request = { commonName, publicKey, notBeforeMs, notAfterMs, serial: new Uint8Array(16).fill(1), ca: false };
  const draft = draftCertificate(nodeCrypto, request);
  const certificate = draft.finish(await signer.sign(draft.toBeSigned));
  return { signer, certificates: [certificate], id: identityId(nodeCrypto, publicKey) };
}

/** Real labels, as a session's sender makes them; `seq` counts on in each of the ratchets. */
export async function makeLabels({ signer, id }: Party, count: number): Promise<Uint8Array[]> {
  const labels: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const protectedBytes = encodeLabelHeader({
      kind: KIND.message,
      senderId: id,
      rosterName: '',
      topic: 'plant/line-4/boiler-2/temperature',
      expiresAtS: null,
      issuedAtS: 1_782_864_000,
      tokenId: nodeCrypto.random(16),
      channel: null,
      ratchetId: new Uint8Array(16).fill(i % RATCHETS),
      seq: Math.floor(i / RATCHETS),
      roster: null,
      head: null,
    });
    const payload = nodeCrypto.random(32);
    const draft = draftLabel(protectedBytes, { payload, tag: mac0Tag(nodeCrypto, payload, payload, protectedBytes) });
    labels.push(draft.finish(await signer.sign(draft.toBeSigned)));
  }
  return labels;
}

/** Copies of real labels, each with other bytes in its signature: right in everything that is not verified. */
export class Filler {
  readonly #sample: readonly Uint8Array[];
  #made = 0;

  constructor(sample: readonly Uint8Array[]) {
    this.#sample = sample;
  }

  /** The next block's entries. */
  block(): NewEntry[] {
    return Array.from({ length: BLOCK_ENTRIES }, () => {
      const at = this.#made++;
      const bytes = (this.#sample[at % this.#sample.length] ?? new Uint8Array(300)).slice();
      new DataView(bytes.buffer).setFloat64(bytes.length - 8, at);
      const position = {
        senderId: new Uint8Array(32),
        ratchetId: new Uint8Array(16).fill(at % RATCHETS),
        seq: Math.floor(at / RATCHETS),
      };
      return { kind: KIND.message, bytes, leaf: nodeCrypto.sha256(bytes), position, confirms: null };
    });
  }
}

/** A ledger that a notary with admitted labels appends to. */
export class OwnLedger implements AsyncDisposable {
  readonly #keys: NotaryKeys;
  readonly #hasher: TreeHasher;
  readonly store: LedgerStore;
  #tail: Tail | null;

  constructor(keys: NotaryKeys, store: LedgerStore, tail: Tail | null) {
    this.#keys = keys;
    this.#hasher = keys.hasher;
    this.store = store;
    this.#tail = tail;
  }

  /** Begins one whose notary has admitted `member`. */
  static async begin(path: string, notary: Party, member: Party): Promise<OwnLedger> {
    const store = openLedgerStore(path);
    const { signer, certificates, id } = notary;
    const shared = { crypto: nodeCrypto, signer, origin: ORIGIN };
    const begun = await openNotary({ ...shared, store, certificates, clock: systemClock, verifierOf: nodeVerifier });
    await begun.admit(member.certificates);
    await begun.close();
    const keys = { ...shared, hasher: new TreeHasher(nodeCrypto), verifier: nodeVerifier(signer.publicKey), id };
    return new OwnLedger(keys, store, await loadTail(keys, store));
  }

  /** Entries so far. */
  get size(): number {
    return this.#tail?.head.treeSize ?? 0;
  }

  /** What a notary does with admitted labels: leaf hashes, tree, header, signature, two commits. */
  async append(entries: readonly NewEntry[]): Promise<void> {
    const hashed = entries.map((entry) => ({ ...entry, leaf: this.#hasher.leaf(entry.bytes) }));
    this.#tail = await appendBlock(this.#keys, this.store, this.#tail, hashed, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
  }
}

/** The same rows in the same tables with as many commits, and nothing else. */
export class BareInserts implements Disposable {
  readonly #db: DatabaseSync;
  readonly #entry: StatementSync;
  readonly #block: StatementSync;
  readonly #signature: StatementSync;
  #entries = 0;
  #blocks = 0;

  constructor(path: string) {
    this.#db = new DatabaseSync(path);
    this.#db.exec('PRAGMA synchronous = FULL');
    this.#entry = this.#db.prepare(
      'INSERT INTO entry (idx, kind, ratchet, seq, leaf, bytes) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#block = this.#db.prepare('INSERT INTO block (height, size, header, root) VALUES (?, ?, ?, ?)');
    this.#signature = this.#db.prepare('UPDATE block SET signature = ? WHERE height = ?');
  }

  /** Opens the tables of a new ledger. */
  static async begin(path: string): Promise<BareInserts> {
    await openLedgerStore(path)[Symbol.asyncDispose]();
    return new BareInserts(path);
  }

  append(entries: readonly NewEntry[]): void {
    this.#db.exec('BEGIN IMMEDIATE');
    for (const { kind, position, leaf, bytes } of entries) {
      const [ratchet, seq] = [position?.ratchetId[0] ?? 0, position?.seq ?? 0];
      this.#entry.run(this.#entries++, kind, ratchet, seq, leaf, bytes);
    }
    this.#block.run(this.#blocks, this.#entries, new Uint8Array(150), new Uint8Array(32));
    this.#db.exec('COMMIT');
    this.#db.exec('BEGIN IMMEDIATE');
    this.#signature.run(new Uint8Array(64), this.#blocks++);
    this.#db.exec('COMMIT');
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
