import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate as CertificateStructure } from '@peculiar/asn1-x509';
import { DAY_MS, fixedHolder, fixedSigner, NOW_MS } from '../../../test/support/identities.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../bytes.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { isSealwireError, SealwireError } from '../errors.ts';
import { CERTIFICATE_BYTES_MAX, parseCertificate } from './certificate.ts';
import { draftCertificate } from './certificate-draft.ts';

const root = await fixedHolder('plant root', 1, { ca: true, pathLength: 1 });
const leaf = await fixedHolder('plant-sensor-7', 3, { issuer: root });

function refused(der: Uint8Array, code: string, sentence: RegExp): void {
  assert.throws(
    () => parseCertificate(der),
    (error) => {
      assert.ok(error instanceof SealwireError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, sentence);
      return true;
    },
  );
}

/** The leaf's DER with a piece of it replaced, wherever it stands, by one of the same length. */
function replaced(fromHex: string, toHex: string): Uint8Array {
  const hex = bytesToHex(leaf.certificate.der);
  assert.equal(fromHex.length, toHex.length);
  assert.ok(hex.includes(fromHex), `${fromHex} is there`);
  return hexToBytes(hex.replaceAll(fromHex, toHex));
}

const hexOf = (text: string): string => bytesToHex(new TextEncoder().encode(text));

test('what was drafted reads back', () => {
  const { certificate } = leaf;
  assert.equal(certificate.commonName, 'plant-sensor-7');
  assert.deepEqual(certificate.publicKey, fixedSigner(3).publicKey);
  assert.equal(certificate.notBeforeMs, NOW_MS - 30 * DAY_MS);
  assert.equal(certificate.notAfterMs, NOW_MS + 300 * DAY_MS + 999);
  assert.deepEqual(certificate.issuer, root.certificate.subject);
  assert.deepEqual(certificate.authorityKeyId, root.certificate.subjectKeyId);
  assert.deepEqual(certificate.serial, Uint8Array.of(0x43, ...new Array(15).fill(3)));
  assert.deepEqual([certificate.isCa, certificate.pathLength], [false, undefined]);
  assert.deepEqual([root.certificate.isCa, root.certificate.pathLength], [true, 1]);
  assert.deepEqual([...(certificate.keyUsage ?? [])], [0]);
  assert.deepEqual([...(root.certificate.keyUsage ?? [])], [5]);
  assert.deepEqual([...(certificate.extendedKeyUsage ?? [])], ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  assert.deepEqual(certificate.unprocessed, []);
});

test("OpenSSL reads the same in it, and believes the issuer's signature", () => {
  const [other, issuer] = [new X509Certificate(leaf.certificate.der), new X509Certificate(root.certificate.der)];
  assert.equal(other.subject, 'CN=plant-sensor-7');
  assert.equal(other.subjectAltName, 'DNS:plant-sensor-7');
  assert.equal(other.validToDate.getTime(), NOW_MS + 300 * DAY_MS);
  assert.ok(other.verify(issuer.publicKey));
  assert.ok(other.checkIssued(issuer));
  assert.ok(issuer.ca && !other.ca);
});

test('dates from 2050 on, names beyond ASCII, and every signature length read back', async () => {
  const notAfterMs = Date.UTC(9999, 11, 31, 23, 59, 59);
  for (let number = 10; number < 40; number++) {
    const { certificate } = await fixedHolder('Zoë 変電所', number, { notAfterMs });
    assert.equal(certificate.notAfterMs, notAfterMs + 999);
    assert.equal(certificate.commonName, 'Zoë 変電所');
    const other = new X509Certificate(certificate.der);
    assert.ok(other.verify(other.publicKey));
    assert.equal(other.subjectAltName, undefined);
  }
});

test('drafts of nonsense are refused', () => {
  const good = { commonName: 'a', publicKey: fixedSigner(1).publicKey, notBeforeMs: 1, notAfterMs: 9, ca: false };
  const serial = new Uint8Array(16);
  const bad: [string, object][] = [
    ['malformed', { commonName: '' }],
    ['malformed', { commonName: 'a\n' }],
    ['malformed', { serial: new Uint8Array(8) }],
    ['malformed', { notAfterMs: 1 }],
    ['malformed', { notBeforeMs: Number.NaN }],
    ['malformed', { notAfterMs: Date.UTC(10_000, 0) }],
    ['malformed', { pathLength: 1 }],
    ['malformed', { ca: true, pathLength: -1 }],
    ['key-invalid', { publicKey: new Uint8Array(65) }],
    ['certificate-invalid', { issuer: leaf.certificate }],
  ];
  for (const [code, change] of bad) {
    assert.throws(
      () => draftCertificate(nobleCrypto, { ...good, serial, ...change }),
      (error) => isSealwireError(error) && error.code === code,
      JSON.stringify(change),
    );
  }
  assert.throws(
    () => draftCertificate(nobleCrypto, { ...good, serial }).finish(new Uint8Array(63)),
    (error) => isSealwireError(error, 'malformed'),
  );
});

test('only strict DER is taken', () => {
  const { der } = leaf.certificate;
  const invalid = 'certificate-invalid';
  refused(concatBytes(der, Uint8Array.of(0)), invalid, /bytes follow/);
  refused(der.subarray(0, -1), invalid, /ends inside/);
  refused(new Uint8Array(0), invalid, /the end found/);
  refused(concatBytes(hexToBytes('3080'), der.subarray(4), new Uint8Array(2)), invalid, /indefinite/);
  refused(concatBytes(hexToBytes('308300'), der.subarray(2)), invalid, /shortest form/);
  refused(concatBytes(hexToBytes('30ff'), der.subarray(2)), invalid, /more than three bytes/);
  refused(new Uint8Array(CERTIFICATE_BYTES_MAX + 1), 'too-large', /over the bound/);
  refused(replaced('0603551d130101ff', '0603551d13010101'), invalid, /boolean is neither/);
  refused(replaced('0603551d130101ff', '0603551d13010100'), invalid, /default value/);
  refused(replaced('0603551d0f', '0603551d13'), invalid, /stands twice/);
  refused(replaced('03020780', '03020680'), invalid, /trailing zeros/);
  refused(replaced('a003020102', 'a003020101'), invalid, /version 1 or 3, not 2/);
  refused(replaced('021043', '021083'), invalid, /negative/);
  refused(replaced('021043', '021000'), invalid, /padded/);
});

test('dates must exist and have their one form', () => {
  const invalid = 'certificate-invalid';
  const date = hexOf('260601000000Z');
  for (const wrong of [
    '261301000000Z',
    '260631000000Z',
    '260601240000Z',
    '260601006000Z',
    '260601000000+',
    '2606010000.0Z',
  ]) {
    refused(replaced(date, hexOf(wrong)), invalid, /no date|to the second/);
  }
  refused(replaced(`170d${date}`, `180d${date}`), invalid, /to the second/);
});

test('names must be readable text', () => {
  const name = hexOf('plant-sensor-7');
  const changed = (text: string): Uint8Array => {
    const [first = '', rest = ''] = [bytesToHex(root.certificate.subject), hexOf(text)];
    const hex = bytesToHex(leaf.certificate.der);
    const at = hex.indexOf(name, hex.indexOf(first) + first.length);
    return hexToBytes(hex.slice(0, at) + rest + hex.slice(at + rest.length));
  };
  refused(changed('plant\u001b[31mor-7'), 'certificate-invalid', /control or invisible/);
  refused(changed('plant-sensor- '), 'certificate-invalid', /space/);
  refused(replaced(`0c0e${name}`, `0c0e${'ff'.repeat(14)}`), 'certificate-invalid', /not UTF-8/);
  refused(replaced(`0c0e${name}`, `130e${hexOf('plant_sensor_7')}`), 'certificate-invalid', /characters that its type/);
  refused(replaced(`0c0e${name}`, `1e0e${name}`), 'unsupported', /neither UTF-8, printable nor IA5/);
});

test('other keys and algorithms are named', () => {
  refused(replaced('06082a8648ce3d040302', '06082a8648ce3d040303'), 'unsupported', /not signed with ECDSA and SHA-256/);
  refused(leaf.certificate.der.slice().fill(3, 42, 43), 'certificate-invalid', /two signature algorithms/);
  refused(replaced('06082a8648ce3d030107', '06082a8648ce3d030106'), 'unsupported', /on another curve/);
  const point = bytesToHex(leaf.certificate.publicKey);
  refused(replaced(point, `${point.slice(0, -2)}00`), 'key-invalid', /not a point on P-256/);
});

test('any altered byte is refused, or read as the library reads it too', () => {
  let taken = 0;
  const { der } = leaf.certificate;
  for (let at = 0; at < der.length; at++) {
    for (const flip of [0x01, 0x20, 0x80, 0xff]) {
      const altered = der.slice();
      altered[at] = (altered[at] ?? 0) ^ flip;
      try {
        parseCertificate(altered);
      } catch (error) {
        assert.ok(error instanceof SealwireError, `byte ${at}: ${error}`);
        continue;
      }
      const structure = AsnConvert.parse(altered, CertificateStructure);
      assert.deepEqual(new Uint8Array(AsnConvert.serialize(structure)), altered, `byte ${at}`);
      taken += 1;
    }
  }
  assert.ok(taken > der.length, 'most of a certificate is content, which only the signature protects');
});
