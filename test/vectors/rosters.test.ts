import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { bytesToHex as hex, hexToBytes } from '../../src/core/bytes.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import type { VerifierFactory } from '../../src/core/ports.ts';
import { channelOfTopic } from '../../src/core/roster/rights.ts';
import { parseRosterTopic } from '../../src/core/roster/roster-topic.ts';
import { decodeRoster, draftRoster } from '../../src/core/roster/signed-roster.ts';
import { rosterClaim } from '../../src/core/roster/succession.ts';
import { RosterKeeper } from '../../src/roles/roster-keeper.ts';
import { type ChannelVectors, generateWith } from '../../tools/vectors/channels.ts';
import { inHex, type RosterOfferVector } from '../../tools/vectors/rosters.ts';
import { IMPLEMENTATIONS } from '../support/handshake.ts';
import { MemoryRosters } from '../support/rosters.ts';

const file = new URL('../../vectors/4-channels.json', import.meta.url);
const { roster: vectors } = JSON.parse(readFileSync(file, 'utf8')) as ChannelVectors;

/** What becomes of the version for somebody who has those before. */
async function outcomeOf(offer: RosterOfferVector, crypto: Crypto, verifierOf: VerifierFactory): Promise<string> {
  const authorityId = hexToBytes(vectors.authority.id);
  const keeper = await RosterKeeper.open({
    crypto,
    verifierOf,
    authorityId,
    name: 'plant',
    store: new MemoryRosters(),
  });
  for (const { bytes } of vectors.versions.slice(0, offer.after)) await keeper.offer(hexToBytes(bytes));
  assert.equal(keeper.current?.version ?? 0, offer.after);
  try {
    const outcome = await keeper.offer(hexToBytes(offer.bytes));
    assert.equal(keeper.current?.version ?? 0, offer.after + (outcome === 'accepted' ? 1 : 0));
    return typeof outcome === 'string' ? outcome : 'missing';
  } catch (error) {
    if (!isSealwireError(error)) throw error;
    assert.equal(keeper.current?.version ?? 0, offer.after);
    assert.equal(keeper.failure?.code ?? null, error.code === 'roster-forked' ? 'roster-forked' : null);
    return error.code;
  }
}

for (const { name, crypto, verifier } of IMPLEMENTATIONS) {
  describe(`vectors/4-channels.json, roster (${name})`, () => {
    test('drafting and signing give the same bytes', async () => {
      assert.deepEqual(JSON.parse(JSON.stringify((await generateWith(crypto)).roster)), vectors);
    });

    for (const vector of vectors.versions) {
      test(`version ${vector.version}: ${vector.what}`, async () => {
        const read = decodeRoster(crypto, hexToBytes(vector.bytes));
        const { bytes: _, hash, signerId, signature, toBeVerified, ...content } = read;
        assert.deepEqual({ signerId: hex(signerId), ...(inHex(content) as object) }, vector.roster);
        assert.deepEqual([hash, signature, toBeVerified].map(hex), [vector.hash, vector.signature, vector.toBeSigned]);
        assert.equal(hex(draftRoster(content, signerId).finish(signature)), vector.bytes);
        const { publicKey } = [vectors.authority, vectors.successor].find(({ id }) => id === hex(signerId)) ?? {};
        assert.equal(await verifier(hexToBytes(publicKey ?? '')).verify(toBeVerified, signature), true);
        const { version, hash: short } = rosterClaim(read);
        assert.deepEqual({ version, hash: hex(short) }, vector.claim);
        assert.deepEqual(parseRosterTopic(vector.topic), { name: 'plant', version });
      });
    }

    for (const offer of vectors.offers) {
      test(`${offer.outcome}: ${offer.what}`, async () => {
        assert.equal(await outcomeOf(offer, crypto, verifier), offer.outcome);
      });
    }

    for (const { what, error: code, bytes } of vectors.refused) {
      test(`refused: ${what}`, () => {
        assert.throws(
          () => decodeRoster(crypto, hexToBytes(bytes)),
          (error) => isSealwireError(error) && error.code === code,
        );
      });
    }
  });
}

test('topics belong to the first channel that has a filter for them', () => {
  const newest = vectors.versions.at(-1);
  assert.ok(newest);
  for (const { crypto } of IMPLEMENTATIONS) {
    const roster = decodeRoster(crypto, hexToBytes(newest.bytes));
    for (const { topic, channel } of vectors.topics) {
      assert.equal(channelOfTopic(roster, topic)?.name ?? null, channel, topic);
    }
  }
});
