import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { decodeLabel } from '../src/core/frame/label.ts';
import { subjectPublicKeyInfo } from '../src/core/identity/id.ts';
import type { VerifyMode } from '../src/core/ledger/verify-report.ts';
import { systemClock } from '../src/node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../src/node/crypto.ts';
import { openLedgerReader } from '../src/node/sqlite-ledger.ts';
import { openNotary } from '../src/roles/notary.ts';
import { verifyLedger } from '../src/roles/verify-ledger.ts';
import { BareInserts, BLOCK_ENTRIES, Filler, makeLabels, makeParty, OwnLedger, type Party } from './ledger-parts.ts';
import { type Comparison, compareRates } from './measure.ts';
import type { Bench, BenchOptions, Row } from './row.ts';

/**
 * Rounds of ten blocks, so that each holds its share of SQLite's checkpoints, and one more to warm up: the last 50,000
 * entries of a size. At 10,000 a round is a whole ledger.
 */
const APPEND = { rounds: 4, runs: 10 } as const;
const FRESH_ROUNDS = 9;
/**
 * As many entries in each round at every size. Three reads of 10,000 entries make about as much garbage as is collected
 * at once: that one collection fell into the same half of round after round, which paid for the other half's garbage.
 */
const FAST = { rounds: 3, entries: 1_000_000 } as const;
const READ_AT_ONCE = 1024;
const SIZES: readonly (readonly [entries: number, name: string])[] = [
  [10_000, '10k'],
  [100_000, '100k'],
  [1_000_000, '1m'],
];

const AGAINST = {
  append:
    'bare inserts of the same rows into the same tables with the same two commits a block of 1,000; ' +
    'copies of real labels with other signature bytes, the last 50,000 of that size',
  fast:
    'bare read of the same rows and two SHA-256 an entry; copies of real labels with other signature bytes, ' +
    'a ledger read as often as makes 1,000,000 entries a round',
  full: 'bare read of the same rows, two SHA-256 and one P-256 verification an entry; real labels, 100k only with --large',
} as const;

interface Measured extends Comparison {
  readonly size: string;
}

/** The rows of every size, and once more the largest under the plain name. */
function rowsOf(name: string, against: string, measured: readonly Measured[]): Row[] {
  const row = (rowName: string, { oursPerSecond, ratio }: Measured): Row => {
    return { name: rowName, value: oursPerSecond, unit: 'entries/s', ratio, against };
  };
  const largest = measured.at(-1);
  return [...(largest ? [row(name, largest)] : []), ...measured.map((found) => row(`${name}-${found.size}`, found))];
}

function scaled(comparison: Comparison, entries: number, size: string): Measured {
  const { oursPerSecond, barePerSecond, ratio } = comparison;
  return { oursPerSecond: oursPerSecond * entries, barePerSecond: barePerSecond * entries, ratio, size };
}

async function fill(own: OwnLedger, bare: BareInserts, filler: Filler, entries: number): Promise<void> {
  while (own.size < entries) {
    const block = filler.block();
    await own.append(block);
    bare.append(block);
  }
}

async function measureAppend(own: OwnLedger, bare: BareInserts, filler: Filler, entries: number): Promise<Comparison> {
  const timedBlocks = (APPEND.rounds + 1) * APPEND.runs;
  await fill(own, bare, filler, entries - timedBlocks * BLOCK_ENTRIES);
  const blocks = Array.from({ length: timedBlocks }, () => filler.block());
  const [ours, theirs] = [blocks.values(), blocks.values()];
  return compareRates(
    () => own.append(ours.next().value ?? []),
    () => bare.append(theirs.next().value ?? []),
    APPEND,
  );
}

/** Fills new ledgers of ten blocks; making the files is not timed. */
async function measureAppendFresh(directory: string, parties: readonly [Party, Party], filler: Filler) {
  await using stack = new AsyncDisposableStack();
  const owns: OwnLedger[] = [];
  const bares: BareInserts[] = [];
  for (let round = 0; round <= FRESH_ROUNDS; round++) {
    owns.push(stack.use(await OwnLedger.begin(join(directory, `fresh-${round}.db`), ...parties)));
    for (const half of ['a', 'b']) {
      bares.push(stack.use(await BareInserts.begin(join(directory, `fresh-bare-${round}${half}.db`))));
    }
  }
  const blocks = Array.from({ length: APPEND.runs }, () => filler.block());
  const [ours, theirs] = [owns.values(), bares.values()];
  const found = await compareRates(
    async () => {
      const own = ours.next().value;
      for (const block of blocks) await own?.append(block);
    },
    () => {
      const bare = theirs.next().value;
      for (const block of blocks) bare?.append(block);
    },
    { rounds: FRESH_ROUNDS, runs: 1 },
  );
  const { oursPerSecond, barePerSecond, ratio } = found;
  return { oursPerSecond: oursPerSecond * APPEND.runs, barePerSecond: barePerSecond * APPEND.runs, ratio };
}

async function verifyOurs(path: string, mode: VerifyMode): Promise<void> {
  await using reader = openLedgerReader(path);
  const options = { reader, crypto: nodeCrypto, verifierOf: nodeVerifier, mode, pin: null, checkpoint: null };
  const report = await verifyLedger(options);
  if (report?.verdict !== 'valid') throw new Error('the bench made a ledger that does not verify');
}

/** Reads all rows and hashes them: a leaf with its prefix, a node of two hashes. */
function verifyBare(path: string, eachEntry: (index: number) => void = () => {}): void {
  const db = new DatabaseSync(path, { readOnly: true });
  const read = db.prepare('SELECT idx, leaf, bytes FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx');
  read.setReturnArrays(true);
  const node = new Uint8Array(65);
  const leaf = new Uint8Array(4096);
  for (let index = 0; ; ) {
    const rows = read.all(index, index + READ_AT_ONCE) as unknown as [number, Uint8Array, Uint8Array][];
    if (rows.length === 0) break;
    for (const [, , bytes] of rows) {
      leaf.set(bytes, 1);
      hash('sha256', leaf.subarray(0, bytes.length + 1), 'buffer');
      hash('sha256', node, 'buffer');
      eachEntry(index++);
    }
  }
  db.close();
}

async function measureFast(path: string, entries: number): Promise<Comparison> {
  return compareRates(
    () => verifyOurs(path, 'fast'),
    () => verifyBare(path),
    { rounds: FAST.rounds, runs: Math.max(1, Math.round(FAST.entries / entries)) },
  );
}

interface ToVerify {
  readonly toBeVerified: Uint8Array;
  readonly signature: Uint8Array;
}

async function measureFull(directory: string, notary: Party, member: Party, entries: number): Promise<Comparison> {
  const path = join(directory, `full-${entries}.db`);
  const labels = await makeLabels(member, entries);
  await using own = await OwnLedger.begin(path, notary, member);
  await using logging = await openNotary({
    store: own.store,
    crypto: nodeCrypto,
    clock: systemClock,
    signer: notary.signer,
    // What it logs was signed a moment ago.
    verifierOf: () => ({ verify: () => true }),
    certificates: notary.certificates,
    origin: 'bench',
    blockEntriesMax: BLOCK_ENTRIES,
    queueEntriesMax: entries,
  });
  await logging.admit(member.certificates);
  await logging.submitMany(labels);
  const key = createPublicKey({
    key: Buffer.from(subjectPublicKeyInfo(member.signer.publicKey)),
    format: 'der',
    type: 'spki',
  });
  const checks: ToVerify[] = labels.map(decodeLabel);
  return compareRates(
    () => verifyOurs(path, 'full'),
    () => verifyBare(path, (index) => verifySignature(key, checks[index % checks.length])),
    { rounds: 1, runs: 1 },
  );
}

function verifySignature(key: KeyObject, check: ToVerify | undefined): void {
  if (check) verify('sha256', check.toBeVerified, { key, dsaEncoding: 'ieee-p1363' }, check.signature);
}

/** Until the code is compiled for good. */
async function warmUp(directory: string, notary: Party, member: Party, sample: readonly Uint8Array[]): Promise<void> {
  const path = join(directory, 'warm-up.db');
  await using own = await OwnLedger.begin(path, notary, member);
  using bare = await BareInserts.begin(join(directory, 'warm-up-bare.db'));
  await measureAppend(own, bare, new Filler(sample), 60_000);
}

async function run({ large }: BenchOptions): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sealwire-bench-'));
  try {
    const [notary, member] = [await makeParty('notary'), await makeParty('member')];
    const sample = await makeLabels(member, BLOCK_ENTRIES);
    await warmUp(directory, notary, member, sample);
    const path = join(directory, 'own.db');
    await using own = await OwnLedger.begin(path, notary, member);
    using bare = await BareInserts.begin(join(directory, 'bare.db'));
    const filler = new Filler(sample);
    const [append, fast, full]: Measured[][] = [[], [], []];
    for (const [entries, size] of SIZES) {
      if (entries > 100_000 && !large) continue;
      const isFresh = entries <= APPEND.runs * BLOCK_ENTRIES;
      if (isFresh) await fill(own, bare, filler, entries);
      const appended = isFresh
        ? await measureAppendFresh(directory, [notary, member], filler)
        : await measureAppend(own, bare, filler, entries);
      append?.push(scaled(appended, BLOCK_ENTRIES, size));
      fast?.push(scaled(await measureFast(path, own.size), own.size, size));
    }
    // Afterwards: it leaves so much behind that the sizes would not be measured under like conditions.
    for (const [entries, size] of SIZES) {
      if (entries > (large ? 100_000 : 10_000)) continue;
      full?.push(scaled(await measureFull(directory, notary, member, entries), entries, size));
    }
    return [
      ...rowsOf('ledger-append', AGAINST.append, append ?? []),
      ...rowsOf('ledger-verify-fast', AGAINST.fast, fast ?? []),
      ...rowsOf('ledger-verify-full', AGAINST.full, full ?? []),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A notary's ledger on disk as it grows: `NAME-SIZE` at each size, plain `NAME` at the largest. */
export const bench: Bench = {
  names: ['ledger-append', 'ledger-verify-fast', 'ledger-verify-full'].flatMap((name) => [
    name,
    ...SIZES.map(([, size]) => `${name}-${size}`),
  ]),
  // Collecting in threads of its own disturbs what is measured on few cores.
  nodeFlags: ['--single-threaded-gc'],
  run,
};
