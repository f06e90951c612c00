import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelOf } from '../../test/support/channels.ts';
import { NOW_MS } from '../../test/support/identities.ts';
import { manualClock } from '../../test/support/manual-clock.ts';
import { MemoryRosters, nextVersion } from '../../test/support/rosters.ts';
import { identityOf } from '../../test/support/session-pair.ts';
import { refusal } from '../../test/support/units.ts';
import { toLowS } from '../core/crypto/es256.ts';
import { draftFrame, type LabelPlan } from '../core/frame/seal.ts';
import { KIND } from '../core/kinds.ts';
import { decodeBlockHeader } from '../core/ledger/block.ts';
import type { LedgerStore } from '../core/ledger/store.ts';
import type { VerifyReport } from '../core/ledger/verify-report.ts';
import { SendingRatchet } from '../core/ratchet/sending.ts';
import type { PinnedMember } from '../core/roster/roster.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { memoryLedger } from './memory-ledger.ts';
import { type Notary, openNotary } from './notary.ts';
import { RosterKeeper } from './roster-keeper.ts';
import { verifyLedger } from './verify-ledger.ts';

const NAMES = ['alice', 'bob', 'carol'];

interface Scene {
  readonly notary: Notary;
  readonly store: LedgerStore;
  readonly keeper: RosterKeeper;
}

/** A notary that goes by Alice's roster, in which she alone writes. */
async function scene(): Promise<Scene> {
  const [alice, own] = [await identityOf('alice'), await identityOf('notary')];
  const members = await Promise.all(
    NAMES.map(async (name): Promise<PinnedMember> => ({ type: 'pin', name, id: (await identityOf(name)).id })),
  );
  const parts = { crypto: nodeCrypto, verifierOf: nodeVerifier };
  const keeper = await RosterKeeper.open({
    ...parts,
    store: new MemoryRosters(),
    authorityId: alice.id,
    name: 'works',
  });
  await keeper.offer((await nextVersion(alice, null, { members, channels: [channelOf()] })).bytes);
  const store = memoryLedger();
  const { signer, certificates } = own;
  const clock = manualClock(NOW_MS);
  const notary = await openNotary({
    ...parts,
    ...{ store, clock, signer, certificates, origin: 'test', roster: keeper },
  });
  for (const name of NAMES) await notary.admit((await identityOf(name)).certificates);
  return { notary, store, keeper };
}

async function labelBy(name: string, more: Partial<LabelPlan> = {}): Promise<Uint8Array> {
  const { id, signer } = await identityOf(name);
  const ratchet = new SendingRatchet(nodeCrypto, {
    ratchetId: nodeCrypto.random(16),
    seq: 0,
    chainKey: nodeCrypto.random(32),
  });
  const plan: LabelPlan = {
    ...{ kind: KIND.message, senderId: id, rosterName: 'works', topic: 'plant/load', channel: 'plant' },
    ...{ expiresAtS: null, issuedAtS: NOW_MS / 1000, roster: { version: 1, hash: new Uint8Array(16) }, head: null },
    ...more,
  };
  const draft = draftFrame(nodeCrypto, ratchet, plan, new TextEncoder().encode('x'));
  return draft.finish(toLowS(await signer.sign(draft.toBeSigned))).label;
}

function verdict(reader: LedgerStore): Promise<VerifyReport | null> {
  const about = { pin: null, checkpoint: null, mode: 'full' } as const;
  return verifyLedger({ ...about, crypto: nodeCrypto, verifierOf: nodeVerifier, reader });
}

test('rosters are entries; blocks name the newest, and verification finds one that does not follow', async () => {
  const { notary, store, keeper } = await scene();
  const alice = await identityOf('alice');
  const first = keeper.bytesOf(1);
  assert.ok(first);
  await notary.logRoster(first);
  await notary.logRoster(first);
  assert.ok(keeper.current);
  const second = await nextVersion(alice, keeper.current);
  await keeper.offer(second.bytes);
  await notary.logRoster(second.bytes);
  await notary.submit(await labelBy('alice'));
  const versions = (await store.blocks(0, 100)).map(
    ({ protectedBytes }) => decodeBlockHeader(protectedBytes).roster?.version,
  );
  assert.deepEqual([versions.at(-2), versions.at(-1)], [2, 2]);
  assert.equal((await store.statements(KIND.signedRoster)).length, 2);
  assert.equal((await verdict(store))?.broken, null);
  const stranger = await nextVersion(await identityOf('bob'), null);
  await notary.logRoster(
    (await nextVersion(await identityOf('bob'), await nextVersion(await identityOf('bob'), stranger))).bytes,
  );
  assert.equal((await verdict(store))?.broken?.code, 'ledger-broken');
});

test('what the roster does not allow is not logged', async () => {
  const { notary, keeper } = await scene();
  await notary.submit(await labelBy('alice'));
  assert.equal(await refusal(notary.submit(await labelBy('bob'))), 'not-admitted');
  assert.equal(await refusal(notary.submit(await labelBy('alice', { topic: 'office/door' }))), 'not-admitted');
  assert.equal(await refusal(notary.submit(await labelBy('alice', { rosterName: 'other' }))), 'not-admitted');
  assert.equal(await refusal(notary.submit(await labelBy('alice', { channel: 'none' }))), 'not-admitted');
  assert.ok(keeper.current);
  const { id } = await identityOf('alice');
  const revocations = [{ id, timeS: NOW_MS / 1000, sinceIndex: null }];
  await keeper.offer((await nextVersion(await identityOf('alice'), keeper.current, { revocations })).bytes);
  assert.equal(await refusal(notary.submit(await labelBy('alice'))), 'not-admitted');
  const toBob = { channel: null, rosterName: '', roster: null };
  assert.equal(await refusal(notary.submit(await labelBy('alice', toBob))), 'not-admitted');
});
