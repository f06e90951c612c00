import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';

/** A self-signed P-256 certificate of ours is about this long; its bytes do not matter to EDHOC. */
export const CERTIFICATE_BYTES = 420;

interface Sealed {
  readonly sealed: Uint8Array;
  readonly tag: Uint8Array;
}

const KEY = createSecretKey(new Uint8Array(32).fill(1));
/** SubjectPublicKeyInfo of P-256 up to the point. */
const SPKI_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');
const NONCE = new Uint8Array(12);
const TAG = { authTagLength: 16 } as const;
const ENCRYPT0 = new Uint8Array(45);
/** What message_3 and message_4 encrypt. */
export const PLAINTEXT_3: Uint8Array = new Uint8Array(CERTIFICATE_BYTES + 73);
export const PLAINTEXT_4: Uint8Array = new Uint8Array(0);
const TO_BE_SIGNED = new Uint8Array(2 * CERTIFICATE_BYTES + 100);
const MESSAGE_1 = new Uint8Array(46);
const TRANSCRIPT_2 = new Uint8Array(68);
const TRANSCRIPT_3 = new Uint8Array(2 * CERTIFICATE_BYTES + 120);
const KDF_INFO = new Uint8Array(40);
const MAC_INFO = new Uint8Array(2 * CERTIFICATE_BYTES + 60);
const EXPORTER_INFO = new Uint8Array(80);

function hmac(data: Uint8Array): void {
  createHmac('sha256', KEY).update(data).digest();
}

/** As many HMACs as HKDF-Expand needs for a KEYSTREAM_2 of this certificate. */
const KEYSTREAM_HMACS = Math.ceil((CERTIFICATE_BYTES + 82) / 32);

/** What one side hashes, MACs and derives. */
export function bareDerivations(): void {
  hash('sha256', MESSAGE_1, 'buffer');
  hash('sha256', TRANSCRIPT_2, 'buffer');
  hash('sha256', TRANSCRIPT_3, 'buffer');
  hash('sha256', TRANSCRIPT_3, 'buffer');
  // PRK_2e; KEYSTREAM_2; MAC_2 and MAC_3; keys and nonces 3 and 4; PRK_out and PRK_exporter; 64 + 48 bytes exported.
  hmac(KDF_INFO);
  for (let i = 0; i < KEYSTREAM_HMACS; i++) hmac(KDF_INFO);
  for (let i = 0; i < 2; i++) hmac(MAC_INFO);
  for (let i = 0; i < 6; i++) hmac(KDF_INFO);
  for (let i = 0; i < 4; i++) hmac(EXPORTER_INFO);
}

/** One AEAD of message_3 or message_4, made. */
export function bareSeal(plaintext: Uint8Array): Sealed {
  const cipher = createCipheriv('chacha20-poly1305', KEY, NONCE, TAG);
  cipher.setAAD(ENCRYPT0, { plaintextLength: plaintext.length });
  const sealed = cipher.update(plaintext);
  cipher.final();
  return { sealed, tag: cipher.getAuthTag() };
}

/** The same opened. */
export function bareOpen({ sealed, tag }: Sealed): void {
  const opener = createDecipheriv('chacha20-poly1305', KEY, NONCE, TAG);
  opener.setAuthTag(tag);
  opener.setAAD(ENCRYPT0, { plaintextLength: sealed.length });
  opener.update(sealed);
  opener.final();
}

/** An ephemeral key pair, and its public point as it goes to the other side. */
export function bareEphemeral(): { readonly privateKey: KeyObject; readonly sent: Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, sent: publicKey.export({ format: 'raw-public' }) };
}

/** One ECDH with a point as it came over the wire. */
export function bareAgree(privateKey: KeyObject, received: Buffer): void {
  const der = Buffer.concat([SPKI_PREFIX, received]).toString('base64');
  const publicKey = createPublicKey(`-----BEGIN PUBLIC KEY-----\n${der}\n-----END PUBLIC KEY-----\n`);
  diffieHellman({ privateKey, publicKey });
}

/** One signature of a long-term key, and one checked. */
export function bareProof({ privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject }): void {
  const signature = sign('sha256', TO_BE_SIGNED, privateKey);
  verify('sha256', TO_BE_SIGNED, publicKey, signature);
}
