import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { DAY_MS, finishPath, NOW_MS } from '../../test/support/identities.ts';
import { noOpenssl, openssl } from '../../test/support/openssl.ts';
import { refused } from '../../test/support/refused.ts';
import { nobleCrypto, nobleVerifier } from '../core/crypto/noble.ts';
import type { Certificate } from '../core/identity/certificate.ts';
import { identityId } from '../core/identity/id.ts';
import { type Anchor, checkPath, type ValidIdentity } from '../core/identity/path.ts';
import {
  type Issuer,
  issueCertificate,
  readCertificates,
  selfSign,
  VALID_DAYS,
  validatePath,
  writeCertificates,
} from './certificates.ts';
import { nodeSigner } from './crypto.ts';
import { generateKey, readPrivateKey, writePrivateKey } from './key-files.ts';

const nowMs = NOW_MS;
const at = ['-attime', `${NOW_MS / 1000}`];
const pem = (...certificates: Certificate[]): string => writeCertificates(certificates.map(({ der }) => der));
const publicKeyOf = (key: KeyObject): Uint8Array => nodeSigner(key).publicKey;

async function authority(name: string, above?: Issuer, pathLength?: number): Promise<Issuer> {
  const key = generateKey();
  const request = { name, nowMs, ca: true, ...(pathLength === undefined ? {} : { pathLength }) };
  const chain = above ? await issueCertificate(above, publicKeyOf(key), request) : [await selfSign(key, request)];
  return { chain, signer: nodeSigner(key) };
}

function first(chain: readonly Certificate[]): Certificate {
  const [certificate] = chain;
  assert.ok(certificate);
  return certificate;
}

/** Validates with both implementations, which must agree. */
async function validate(chain: Certificate[], anchors: readonly Anchor[], when = NOW_MS): Promise<ValidIdentity> {
  const input = { chain, anchors, nowMs: when };
  const other = await finishPath(checkPath(nobleCrypto, input), nobleVerifier);
  const valid = await validatePath(input);
  assert.deepEqual(valid, other);
  return valid;
}

test('an authority issues leaves, also through another', async () => {
  const root = await authority('root');
  const middle = await authority('middle', root);
  assert.deepEqual(middle.chain.length, 1, 'the root is not sent along');
  const key = generateKey();
  const chain = await issueCertificate(middle, publicKeyOf(key), { name: 'leaf', nowMs });
  assert.deepEqual(
    chain.map(({ commonName }) => commonName),
    ['leaf', 'middle'],
  );
  assert.equal((await validate(chain, [first(root.chain)])).name, 'leaf');
});

test('a certificate does not outlive its issuer', async () => {
  const root = await authority('root');
  const late = { name: 'leaf', nowMs: nowMs + 10 * DAY_MS };
  const leaf = first(await issueCertificate(root, publicKeyOf(generateKey()), late));
  assert.equal(leaf.notAfterMs, first(root.chain).notAfterMs);
  assert.equal(leaf.notAfterMs, nowMs + VALID_DAYS * DAY_MS + 999);
});

test('who may not issue does not', async () => {
  const key = publicKeyOf(generateKey());
  const request = { name: 'x', nowMs };
  const leafKey = generateKey();
  const leaf: Issuer = { chain: [await selfSign(leafKey, request)], signer: nodeSigner(leafKey) };
  const invalid = 'certificate-invalid';
  await refused(issueCertificate(leaf, key, request), invalid, /^x is not an authority/);
  const tight = await authority('tight', undefined, 0);
  await refused(issueCertificate(tight, key, { ...request, ca: true }), invalid, /tight may not have authorities/);
  const late = { name: 'x', nowMs: nowMs + (VALID_DAYS + 1) * DAY_MS };
  await refused(issueCertificate(tight, key, late), 'certificate-expired', /tight expired on 2036/);
  const deep = await authority('4', await authority('3', await authority('2', await authority('1'))));
  await refused(issueCertificate(deep, key, request), 'too-large', /Below 4 chains would be too long/);
});

test('the same pair serves mutual TLS, self-signed and below an authority', async () => {
  const root = await authority('root');
  const [serverKey, clientKey] = [generateKey(), generateKey()];
  const serverChain = await issueCertificate(root, publicKeyOf(serverKey), { name: 'boiler', nowMs: Date.now() });
  const client = await selfSign(clientKey, { name: 'operator', nowMs: Date.now() });
  const server = createServer({
    key: writePrivateKey(serverKey),
    cert: pem(...serverChain),
    ca: pem(client),
    requestCert: true,
  });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {});
    socket.end(String(socket.getPeerCertificate().subject.CN));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const options = { port, host: '127.0.0.1', servername: 'boiler', ca: pem(...root.chain) };
    const socket = connect({ ...options, key: writePrivateKey(clientKey), cert: pem(client) });
    assert.equal(await text(socket), 'operator');
    assert.deepEqual(socket.authorized, true);
    const [error] = await once(connect({ ...options, servername: 'kettle' }), 'error');
    assert.equal(error.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('openssl accepts what we sign', { skip: noOpenssl }, async (context) => {
  const directory = await temporaryDirectory(context);
  const file = async (name: string, ...certificates: Certificate[]): Promise<string> => {
    await writeFile(join(directory, name), pem(...certificates));
    return join(directory, name);
  };
  const root = await authority('root', undefined, 1);
  const middle = await authority('middle', root, 0);
  const [leaf, ...above] = await issueCertificate(middle, publicKeyOf(generateKey()), { name: 'Zoë 変電所', nowMs });
  assert.ok(leaf);
  const [rootFile, leafFile] = [await file('root.pem', ...root.chain), await file('leaf.pem', leaf)];
  const aboveFile = await file('above.pem', ...above);
  const strict = ['verify', '-x509_strict', ...at];
  for (const purpose of ['sslserver', 'sslclient']) {
    const args = [...strict, '-purpose', purpose, '-CAfile', rootFile, '-untrusted', aboveFile, leafFile];
    assert.match(openssl(args), /leaf\.pem: OK/);
  }
  const alone = await file('alone.pem', await selfSign(generateKey(), { name: 'alone', nowMs }));
  assert.match(openssl(['verify', '-check_ss_sig', ...at, '-CAfile', alone, alone]), /alone\.pem: OK/);
  assert.match(
    openssl(['verify', '-x509_strict', '-check_ss_sig', ...at, '-CAfile', rootFile, rootFile]),
    /root\.pem: OK/,
  );
  assert.throws(() => openssl([...strict, '-CAfile', alone, leafFile]), /unable to get local issuer/);
});

interface OpensslOptions {
  readonly extensions?: string;
  readonly issuer?: { readonly key: string; readonly certificate: string };
  readonly key?: string;
  readonly days?: number;
  readonly digest?: string;
}

/** A certificate as `openssl` makes them: valid from now on, for `days`. */
async function made(
  directory: string,
  name: string,
  options: OpensslOptions = {},
): Promise<{ key: string; certificate: string }> {
  const { issuer, days = 30, digest = 'sha256' } = options;
  const path = (kind: string): string => join(directory, `${name}.${kind}`);
  await writeFile(path('key'), options.key ?? openssl(['ecparam', '-name', 'prime256v1', '-genkey', '-noout']));
  await writeFile(path('ext'), options.extensions ?? 'basicConstraints=critical,CA:FALSE\n');
  openssl(['req', '-new', '-key', path('key'), '-subj', `/O=Plant/CN=${name}`, '-out', path('csr')]);
  const signing = issuer
    ? ['-CA', issuer.certificate, '-CAkey', issuer.key, '-CAcreateserial']
    : ['-signkey', path('key')];
  const validity = ['-days', `${days}`, `-${digest}`];
  openssl(['x509', '-req', '-in', path('csr'), ...signing, ...validity, '-extfile', path('ext'), '-out', path('crt')]);
  return { key: path('key'), certificate: path('crt') };
}

const CA = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n';

async function read(...files: { certificate: string }[]): Promise<Certificate[]> {
  const chains = files.map(async ({ certificate }) =>
    readCertificates(new Uint8Array(await readFile(certificate)), certificate),
  );
  return (await Promise.all(chains)).flat();
}

test('what openssl makes is accepted, and refused where it must be', { skip: noOpenssl }, async (context) => {
  const directory = await temporaryDirectory(context);
  const now = Date.now();
  const root = await made(directory, 'root', { extensions: CA });
  const middle = await made(directory, 'middle', { issuer: root, extensions: CA });
  const leaf = await made(directory, 'leaf', { issuer: middle });
  const anchors = await read(root);
  const chain = await read(leaf, middle);
  const invalid = 'certificate-invalid';

  const key = readPrivateKey(await readFile(leaf.key, 'utf8'), { source: leaf.key });
  const valid = await validate(chain, anchors, now);
  assert.deepEqual([valid.name, valid.publicKey], ['leaf', publicKeyOf(key)]);
  assert.equal(writePrivateKey(key), openssl(['pkey', '-in', leaf.key]));

  await refused(validate(chain, anchors, now + 31 * DAY_MS), 'certificate-expired', /expired/);
  await refused(validate(chain, anchors, now - DAY_MS), 'certificate-not-yet-valid', /valid from/);

  const notCa = await made(directory, 'not ca', { issuer: root });
  const below = await made(directory, 'below', { issuer: notCa });
  await refused(validate(await read(below, notCa), anchors, now), invalid, /not ca issued a certificate but is no/);

  const noSign = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature\n';
  const weak = await made(directory, 'weak', { issuer: root, extensions: noSign });
  const belowWeak = await made(directory, 'below weak', { issuer: weak });
  await refused(validate(await read(belowWeak, weak), anchors, now), invalid, /does not allow signing certificates/);

  const tight = await made(directory, 'tight', { extensions: CA.replace('TRUE', 'TRUE,pathlen:0') });
  const tooFar = await made(directory, 'too far', { issuer: tight, extensions: CA });
  const belowFar = await made(directory, 'below far', { issuer: tooFar });
  await refused(validate(await read(belowFar, tooFar), await read(tight), now), invalid, /path length of tight/);

  const strangers = await made(directory, 'strangers', { extensions: CA });
  await refused(validate(chain, await read(strangers), now), 'identity-unknown', /leaf .* not trusted/);
  const namesake = await made(await temporaryDirectory(context), 'root', { extensions: CA });
  const without = CA.replace('subjectKeyIdentifier=hash\n', 'subjectKeyIdentifier=none\n');
  const nameOnly = await made(await temporaryDirectory(context), 'root', { extensions: without });
  await refused(validate(chain, await read(namesake), now), 'identity-unknown', /not trusted/);
  await refused(validate(chain, await read(nameOnly), now), invalid, /signature on the certificate of middle/);

  const codeSigning = await made(directory, 'code', { issuer: root, extensions: 'extendedKeyUsage=codeSigning\n' });
  await refused(validate(await read(codeSigning), anchors, now), invalid, /extended key usage/);
  const noSignature = await made(directory, 'agree', { issuer: root, extensions: 'keyUsage=keyAgreement\n' });
  await refused(validate(await read(noSignature), anchors, now), invalid, /not allow digital signatures/);
  const critical = await made(directory, 'critical', { issuer: root, extensions: '1.2.3.4=critical,ASN1:NULL\n' });
  await refused(validate(await read(critical), anchors, now), 'unsupported', /restriction 1\.2\.3\.4/);
  const nameConstraints = `${CA}nameConstraints=permitted;DNS:example.org\n`;
  const bound = await made(directory, 'bound', { issuer: root, extensions: nameConstraints });
  const belowBound = await made(directory, 'below bound', { issuer: bound });
  await refused(validate(await read(belowBound, bound), anchors, now), 'unsupported', /restriction 2\.5\.29\.30/);
});

test("openssl's own self-signed certificates are taken where they are pinned", { skip: noOpenssl }, async (context) => {
  const directory = await temporaryDirectory(context);
  const path = join(directory, 'self.crt');
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  openssl(['req', '-x509', ...curve, '-nodes', '-keyout', join(directory, 'k'), '-subj', '/CN=self', '-out', path]);
  const chain = await read({ certificate: path });
  const id = identityId(nobleCrypto, first(chain).publicKey);
  assert.equal((await validate(chain, [id], Date.now())).name, 'self');
  await refused(validate(chain, chain, Date.now()), 'identity-unknown', /signed its own/);
});

test('other keys and algorithms of openssl are refused by name', { skip: noOpenssl }, async (context) => {
  const directory = await temporaryDirectory(context);
  const rsa = openssl(['genrsa', '2048']);
  const p384 = openssl(['ecparam', '-name', 'secp384r1', '-genkey', '-noout']);
  const root = await made(directory, 'root', { extensions: CA });
  const rsaRoot = await made(directory, 'rsa root', { extensions: CA, key: rsa });
  const cases: [OpensslOptions, RegExp][] = [
    [{ key: rsa, issuer: root }, /holds an RSA key/],
    [{ key: p384, issuer: root }, /holds a key on another curve/],
    [{ issuer: rsaRoot }, /not signed with ECDSA and SHA-256/],
    [{ issuer: root, digest: 'sha384' }, /not signed with ECDSA and SHA-256/],
  ];
  for (const [index, [options, sentence]] of cases.entries()) {
    await refused(read(await made(directory, `other ${index}`, options)), 'unsupported', sentence);
  }
});

test('certificate files are PEM chains or one DER', async () => {
  const certificate = await selfSign(generateKey(), { name: 'x', nowMs });
  const file = new TextEncoder().encode(`some text\n${pem(certificate, certificate)}`);
  assert.equal(readCertificates(file, 'file').length, 2);
  assert.deepEqual(readCertificates(certificate.der, 'file'), [certificate]);
  assert.throws(
    () => readCertificates(new TextEncoder().encode(writePrivateKey(generateKey())), 'file'),
    /file holds no/,
  );
  assert.throws(() => readCertificates(new Uint8Array(0), 'file'), /file holds no certificate/);
});
