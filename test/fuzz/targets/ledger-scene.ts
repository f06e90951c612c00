import { equalBytes } from '../../../src/core/bytes.ts';
import {
  COSE,
  decodeProtected,
  decodeSign1,
  encodeSign1,
  type Sign1,
  sign1ToBeSigned,
} from '../../../src/core/cose.ts';
import type { Block } from '../../../src/core/ledger/block.ts';
import type { LedgerHead, StoredEntry } from '../../../src/core/ledger/store.ts';
import { nodeCrypto, nodeVerifier } from '../../../src/node/crypto.ts';
import { memoryLedger } from '../../../src/roles/memory-ledger.ts';
import { openNotary } from '../../../src/roles/notary.ts';
import { StillClock, Writer } from '../../support/ledger.ts';
import { versionsOf } from '../../support/rosters.ts';
import { authority, type Someone, someone } from './people.ts';

const NOTHING = new Uint8Array(0);
const ENTRIES_MAX = 10_000;
/** The fixed ledger's name. */
export const origin = 'plant.example/ledger';

/** A ledger as it is kept. */
export interface Kept {
  readonly head: LedgerHead | null;
  readonly blocks: readonly Block[];
  readonly entries: readonly StoredEntry[];
}

/** A genuine ledger with everything in it that ledgers hold, made by the notary itself. */
export async function scene() {
  const [notary, alice, bob, root] = await Promise.all([
    someone('notary', 21),
    someone('alice', 11),
    someone('bob', 12),
    authority(),
  ]);
  const store = memoryLedger();
  const clock = new StillClock();
  const { certificates, signer } = notary;
  const shared = { crypto: nodeCrypto, verifierOf: nodeVerifier };
  await using open = await openNotary({ ...shared, store, clock, signer, certificates, origin });
  for (const one of [alice, bob]) await open.admit(one.certificates);
  const writer = new Writer(alice);
  const labels = await writer.labels(3);
  await open.submitMany(labels);
  await open.logRoster((await versionsOf(root, [{}]))[0]?.bytes ?? NOTHING);
  writer.head = { treeSize: open.head.treeSize, root: open.head.root };
  clock.nowMs += 5000;
  const reading = new Writer(bob, 2);
  await open.submit(await reading.deliveryReceipt(labels));
  const label = await writer.label();
  const { receipt } = await open.submit(label);
  await open.submit(await new Writer(alice).label({ topic: 'something else' })).catch(() => {});
  await open.submit(await writer.end([]));
  const kept: Kept = {
    head: await store.head(),
    blocks: await store.blocks(0, ENTRIES_MAX),
    entries: await store.entries(0, ENTRIES_MAX),
  };
  const paths = { from: 2, to: 7, path: await open.consistency(2, 7) };
  return { notary, alice, bob, root, labels: [...labels, label], label, receipt, kept, paths };
}

/** What {@link scene} gives. */
export type Scene = Awaited<ReturnType<typeof scene>>;

/** Signed by whichever of them it names as its signer; others stay as they are. */
export function signedAnew(people: readonly Someone[], entry: Uint8Array): Uint8Array {
  try {
    const sign1 = decodeSign1(entry);
    const keyId = decodeProtected(sign1.protectedBytes).get(COSE.keyId);
    const signer = people.find(({ id }) => keyId instanceof Uint8Array && equalBytes(id, keyId));
    return signer ? encodeSign1(withSignature(sign1, signer)) : entry;
  } catch {
    return entry;
  }
}

function withSignature(sign1: Sign1, { fast }: Someone): Sign1 {
  return { ...sign1, signature: fast(sign1ToBeSigned(sign1.protectedBytes, sign1.payload ?? NOTHING)) };
}
