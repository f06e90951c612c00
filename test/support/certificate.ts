import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** A key with a self-signed X.509 certificate, for transports whose judgement of certificates lies elsewhere. */
export interface TestIdentity {
  readonly privateKey: KeyObject;
  readonly certificateDer: Uint8Array;
  /** SHA-256 of the SPKI, hex. */
  readonly id: string;
}

/** A fresh P-256 key and the barest certificate (RFC 5280, section 4.1) that TLS takes. */
export function testIdentity(name: string): TestIdentity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const ecdsaWithSha256 = sequence(Buffer.from('06082a8648ce3d040302', 'hex'));
  const commonName = sequence(Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from(name)));
  const distinguishedName = sequence(der(0x31, commonName));
  const validity = sequence(der(0x18, Buffer.from('20200101000000Z')), der(0x18, Buffer.from('21200101000000Z')));
  const serial = der(0x02, Buffer.from([1]));
  const version3 = der(0xa0, der(0x02, Buffer.from([2])));
  const toBeSigned = sequence(version3, serial, ecdsaWithSha256, distinguishedName, validity, distinguishedName, spki);
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', toBeSigned, privateKey)]));
  const id = createHash('sha256').update(spki).digest('hex');
  return { privateKey, certificateDer: sequence(toBeSigned, ecdsaWithSha256, signature), id };
}

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const head =
    length < 128 ? [tag, length] : length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(head), content]);
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}
