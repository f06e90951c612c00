import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DAY_MS,
  finishPath,
  fixedHolder,
  type Holder,
  type HolderOptions,
  NOW_MS,
} from '../../../test/support/identities.ts';
import { refused } from '../../../test/support/refused.ts';
import { nodeVerifier } from '../../node/crypto.ts';
import { nobleCrypto, nobleVerifier } from '../crypto/noble.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import { identityId } from './id.ts';
import { type Anchor, checkPath, DATE_TOLERANCE_MS, type ValidIdentity } from './path.ts';

const root = await fixedHolder('plant root', 1, { ca: true });
const middle = await fixedHolder('plant middle', 2, { ca: true, issuer: root });
const leaf = await fixedHolder('plant-sensor-7', 3, { issuer: middle });
const alone = await fixedHolder('alone', 4);
const direct = await fixedHolder('direct', 8, { issuer: root });
const idOf = (holder: Holder): Uint8Array => identityId(nobleCrypto, holder.certificate.publicKey);

async function validate(holders: Holder[], anchors: readonly Anchor[], nowMs = NOW_MS): Promise<ValidIdentity> {
  return validateChain(
    holders.map(({ certificate }) => certificate),
    anchors,
    nowMs,
  );
}

async function validateChain(chain: Certificate[], anchors: readonly Anchor[], nowMs = NOW_MS): Promise<ValidIdentity> {
  const results: ValidIdentity[] = [];
  for (const makeVerifier of [nobleVerifier, nodeVerifier]) {
    results.push(await finishPath(checkPath(nobleCrypto, { chain, anchors, nowMs }), makeVerifier));
  }
  assert.deepEqual(results[0], results[1]);
  return results[0] as ValidIdentity;
}

test('a leaf below an intermediate authority is valid under the root', async () => {
  const expected = {
    id: idOf(leaf),
    publicKey: leaf.signer.publicKey,
    name: 'plant-sensor-7',
    trust: 'authority',
    authority: root.signer.publicKey,
    certificates: [leaf, middle].map(({ certificate }) => certificate.der),
  };
  assert.deepEqual(await validate([leaf, middle], [alone.certificate, root.certificate]), expected);
});

test('the root may be sent along, and stays in what was relied on', async () => {
  const { certificates } = await validate([leaf, middle, root], [root.certificate]);
  assert.equal(certificates.length, 3);
});

test('an intermediate authority may be the anchor, and what follows it is left out', async () => {
  const { certificates } = await validate([leaf, middle, root], [middle.certificate]);
  assert.deepEqual(certificates, [leaf.certificate.der, middle.certificate.der]);
});

test('a pinned identity needs no authority and goes by the name of its pin', async () => {
  const pin = { name: 'boiler', id: idOf(alone) };
  assert.deepEqual(await validate([alone], [pin]), {
    id: idOf(alone),
    publicKey: alone.signer.publicKey,
    name: 'boiler',
    trust: 'pin',
    authority: null,
    certificates: [alone.certificate.der],
  });
  assert.equal((await validate([alone], [idOf(alone)])).name, 'alone');
  assert.equal((await validate([leaf, middle], [idOf(leaf)])).trust, 'pin');
});

test('who is neither pinned nor below an authority is unknown', async () => {
  const unknown = 'identity-unknown';
  await refused(validate([alone], []), unknown, /^alone \(SHA256:.{43}\) is not trusted: it signed its own/);
  await refused(validate([leaf, middle], [alone.certificate]), unknown, /no trusted authority issued it/);
  await refused(validate([leaf], [root.certificate]), unknown, /no trusted authority issued it/);
  await refused(validate([leaf, middle], [{ name: 'x', id: idOf(middle) }]), unknown, /not trusted/);
});

test('an authority that shows its own certificate must be pinned like any other', async () => {
  const selfSigned = { ...root.certificate, keyUsage: undefined };
  await refused(validateChain([selfSigned], [selfSigned]), 'identity-unknown', /it signed its own certificate/);
  assert.equal((await validateChain([selfSigned], [idOf(root)])).name, 'plant root');
});

test('a CN that is pinned to another key is not taken from an authority', async () => {
  const anchors = [root.certificate, { name: 'plant-sensor-7', id: idOf(alone) }];
  await refused(validate([leaf, middle], anchors), 'key-changed', /is pinned as SHA256:/);
});

test('a known name with a key that nobody vouches for is a changed key, not a stranger', async () => {
  const known = { name: 'alone', id: idOf(leaf) };
  await refused(validate([alone], [known]), 'key-changed', /^alone is trusted as SHA256:.{43}, but SHA256:.{43} was/);
  const check = { chain: [alone.certificate], anchors: [{ name: 'boiler', id: idOf(leaf) }], nowMs: NOW_MS };
  assert.throws(() => checkPath(nobleCrypto, check), { code: 'identity-unknown' });
  const expecting = { ...check, expectedName: 'boiler' };
  assert.throws(() => checkPath(nobleCrypto, expecting), { code: 'key-changed', message: /^boiler is trusted as/ });
});

test('dates count on every certificate of the path, with a tolerance on both sides', async () => {
  const { notBeforeMs, notAfterMs } = leaf.certificate;
  const at = (nowMs: number): Promise<ValidIdentity> => validate([leaf, middle], [root.certificate], nowMs);
  await at(notBeforeMs - DATE_TOLERANCE_MS);
  await at(notAfterMs + DATE_TOLERANCE_MS);
  await refused(
    at(notBeforeMs - DATE_TOLERANCE_MS - 1),
    'certificate-not-yet-valid',
    /^The certificate of plant-sensor-7/,
  );
  await refused(at(notAfterMs + DATE_TOLERANCE_MS + 1), 'certificate-expired', /expired on 2027-04-27T00:00:00Z/);

  const stale: HolderOptions = { ca: true, notAfterMs: NOW_MS - DAY_MS };
  const staleRoot = await fixedHolder('plant root', 1, stale);
  await refused(validate([leaf, middle], [staleRoot.certificate]), 'certificate-expired', /of plant root expired/);
  const staleMiddle = await fixedHolder('plant middle', 2, { ...stale, issuer: root });
  await refused(validate([leaf, staleMiddle], [root.certificate]), 'certificate-expired', /of plant middle expired/);
});

test('of two certificates of one authority the one that is valid now counts', async () => {
  const staleRoot = await fixedHolder('plant root', 1, { ca: true, notAfterMs: NOW_MS - DAY_MS });
  const anchors = [staleRoot.certificate, root.certificate];
  assert.equal((await validate([leaf, middle], anchors)).name, 'plant-sensor-7');
});

test('a clock that was never set is blamed instead of the certificate', async () => {
  for (const nowMs of [0, Date.UTC(2025, 11, 31), Number.NaN, -1]) {
    await refused(validate([leaf, middle], [root.certificate], nowMs), 'clock-unset', /clock is not set/);
  }
});

test('only an authority issues: CA flag, key usage, path length', async () => {
  const forged = (issuer: Holder, name: string): Promise<Holder> => {
    const asIfCa = { ...issuer.certificate, isCa: true };
    return fixedHolder(name, 5, { issuer: { signer: issuer.signer, certificate: asIfCa } });
  };
  const belowLeaf = await forged(leaf, 'forged');
  const invalid = 'certificate-invalid';
  await refused(
    validate([belowLeaf, leaf, middle], [root.certificate]),
    invalid,
    /plant-sensor-7 issued a .* no authority/,
  );

  const noCertSign = { ...middle.certificate, keyUsage: new Set([0, 1]) };
  await refused(
    validateChain([leaf.certificate, noCertSign], [root.certificate]),
    invalid,
    /not allow signing certificates/,
  );

  const tight = await fixedHolder('tight root', 6, { ca: true, pathLength: 0 });
  const between = await fixedHolder('between', 7, { ca: true, issuer: tight });
  const below = await fixedHolder('below', 8, { issuer: tight });
  const tooFar = await fixedHolder('too far', 9, { issuer: between });
  assert.equal((await validate([below], [tight.certificate])).name, 'below');
  await refused(validate([tooFar, between], [tight.certificate]), invalid, /path length of tight root allows 0/);
});

test('the leaf must be allowed to sign, and to be a peer', async () => {
  const caLeaf = await fixedHolder('ca leaf', 5, { ca: true, issuer: root });
  const invalid = 'certificate-invalid';
  await refused(validate([caLeaf], [root.certificate]), invalid, /does not allow digital signatures/);
  const codeSigning = { ...leaf.certificate, extendedKeyUsage: new Set(['1.3.6.1.5.5.7.3.3']) };
  await refused(validateChain([codeSigning, middle.certificate], [root.certificate]), invalid, /extended key usage/);
  const nameless = { ...leaf.certificate, commonName: undefined };
  await refused(validateChain([nameless, middle.certificate], [root.certificate]), invalid, /no common name/);
});

test('a restriction that is not understood refuses, wherever on the path it is', async () => {
  const restricted = (holder: Holder): Certificate => ({ ...holder.certificate, unprocessed: ['2.5.29.30'] });
  const { certificate } = leaf;
  for (const chain of [
    [restricted(leaf), middle.certificate],
    [certificate, restricted(middle)],
  ]) {
    await refused(validateChain(chain, [root.certificate]), 'unsupported', /restriction 2\.5\.29\.30/);
  }
  await refused(validateChain([certificate, middle.certificate], [restricted(root)]), 'unsupported', /plant root/);
});

test('chains are bounded, do not go in circles, and hang together', async () => {
  const invalid = 'certificate-invalid';
  await refused(validate([], [root.certificate]), invalid, /is empty/);
  await refused(validate([leaf, middle, middle], [root.certificate]), invalid, /circle: plant middle/);
  await refused(validate([leaf, middle, root, alone, direct], [root.certificate]), 'too-large', /5 certificates/);
  await refused(validate([leaf, alone, middle], [root.certificate]), invalid, /not issued by alone, which follows it/);
});

test('an altered certificate is refused, whoever altered it', async () => {
  const invalid = 'certificate-invalid';
  const der = leaf.certificate.der.slice();
  const text = new TextDecoder('latin1').decode(der);
  der[text.indexOf('plant-sensor-7')] = 'q'.charCodeAt(0);
  const altered = parseCertificate(der);
  assert.equal(altered.commonName, 'qlant-sensor-7');
  await refused(
    validateChain([altered, middle.certificate], [root.certificate]),
    invalid,
    /of qlant-sensor-7 does not hold/,
  );

  const resigned = alone.certificate.der.slice();
  resigned[resigned.length - 1] = (resigned.at(-1) ?? 0) ^ 1;
  await refused(validateChain([parseCertificate(resigned)], [idOf(alone)]), invalid, /of alone does not hold/);

  const impostor = await fixedHolder('plant root', 66, { ca: true });
  const below = await fixedHolder('victim', 67, { issuer: { signer: impostor.signer, certificate: root.certificate } });
  await refused(validate([below], [root.certificate]), invalid, /of victim does not hold/);
});

test('verdicts that are missing never pass', () => {
  const check = checkPath(nobleCrypto, {
    chain: [leaf.certificate, middle.certificate],
    anchors: [root.certificate],
    nowMs: NOW_MS,
  });
  for (const valid of [[], [true], [true, true, true]]) {
    assert.throws(() => check.finish(valid), /verdicts for 2 signatures/);
  }
  assert.throws(() => check.finish([true, false]), /of plant middle does not hold/);
});
