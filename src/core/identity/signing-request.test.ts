import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../../test/support/directory.ts';
import { fixedSigner } from '../../../test/support/identities.ts';
import { noOpenssl, openssl } from '../../../test/support/openssl.ts';
import { nodeVerifier } from '../../node/crypto.ts';
import { writePem } from '../../node/pem.ts';
import { bytesToHex, hexToBytes } from '../bytes.ts';
import { isSealwireError } from '../errors.ts';
import { draftSigningRequest, readSigningRequest } from './signing-request.ts';

const signer = fixedSigner(4);

async function request(name: string): Promise<Uint8Array> {
  const draft = draftSigningRequest(name, signer.publicKey);
  return draft.finish(await signer.sign(draft.toBeSigned));
}

test('a request says name and key, signed by that key', async () => {
  for (const name of ['sensor-7', 'Zoë', 'ж'.repeat(64)]) {
    const read = readSigningRequest(await request(name));
    assert.equal(read.name, name);
    assert.deepEqual(read.publicKey, signer.publicKey);
    assert.ok(await nodeVerifier(read.publicKey).verify(read.toBeVerified, read.signature));
  }
  assert.throws(() => draftSigningRequest(' x', signer.publicKey), { code: 'malformed' });
});

test('OpenSSL reads our requests, and we read those of OpenSSL', { skip: noOpenssl }, async (context) => {
  const pem = writePem('CERTIFICATE REQUEST', await request('sensor-7'));
  assert.match(openssl(['req', '-verify', '-noout', '-subject'], pem), /CN ?= ?sensor-7/);
  const keyFile = join(await temporaryDirectory(context), 'key.pem');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-keyout', keyFile];
  const theirs = openssl(['req', ...key, '-subj', '/CN=theirs', '-addext', 'subjectAltName=DNS:theirs']);
  const base64 = theirs.replace(/-----.*-----|\s/g, '');
  const read = readSigningRequest(new Uint8Array(Buffer.from(base64, 'base64')));
  assert.equal(read.name, 'theirs');
  assert.ok(await nodeVerifier(read.publicKey).verify(read.toBeVerified, read.signature));
});

test('what is cut, changed in its form or too long is refused', async () => {
  const der = await request('sensor-7');
  for (let length = 0; length < der.length; length += 7) {
    assert.throws(
      () => readSigningRequest(der.subarray(0, length)),
      (error) => isSealwireError(error),
    );
  }
  const hex = bytesToHex(der);
  const changed = (from: string, to: string) => () => readSigningRequest(hexToBytes(hex.replace(from, to)));
  assert.throws(changed('300a06082a8648ce3d040302', '300a06082a8648ce3d040303'), { code: 'unsupported' });
  assert.throws(changed('020100', '020101'), { code: 'malformed' });
  assert.throws(changed('06082a8648ce3d030107', '06082a8648ce3d030106'), { code: 'unsupported' });
  assert.throws(changed(bytesToHex(signer.publicKey).slice(-8), '00000000'), { code: 'key-invalid' });
  assert.throws(() => readSigningRequest(new Uint8Array(4000)), { code: 'too-large' });
});
