import { CborWriter } from '../cbor-writer.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { edhocKdf, KDF_LABEL } from './key-schedule.ts';
import type { Suite } from './suites.ts';

/** Where a message's AEAD takes its key and nonce from; each is used for one plaintext only. */
export interface Encrypt0Keys {
  readonly prk: Uint8Array;
  /** TH_3 for message_3, TH_4 for message_4. */
  readonly transcript: Uint8Array;
  /** Which message it is. */
  readonly message: 3 | 4;
}

const EMPTY = new Uint8Array(0);

const LABELS = {
  3: { key: KDF_LABEL.key3, nonce: KDF_LABEL.nonce3 },
  4: { key: KDF_LABEL.key4, nonce: KDF_LABEL.nonce4 },
} as const;

/** CIPHERTEXT_3 or CIPHERTEXT_4: an Encrypt0 with nothing in its headers (RFC 9528, sections 5.4.2 and 5.5.2). */
export function seal(crypto: Crypto, suite: Suite, keys: Encrypt0Keys, plaintext: Uint8Array): Uint8Array {
  const { key, nonce, aad } = derive(crypto, suite, keys);
  return suite.aead.seal(key, nonce, aad, plaintext);
}

/** The plaintext of {@link seal}'s result; throws `handshake-failed` when the tag does not hold. */
export function open(crypto: Crypto, suite: Suite, keys: Encrypt0Keys, ciphertext: Uint8Array): Uint8Array {
  const { key, nonce, aad } = derive(crypto, suite, keys);
  const plaintext = suite.aead.open(key, nonce, aad, ciphertext);
  if (plaintext) return plaintext;
  throw new SealwireError(
    'handshake-failed',
    `message_${keys.message} does not open: it was altered, or somebody stands between the two sides.`,
    { hint: 'Try again; if it fails again, somebody on the way alters messages.' },
  );
}

function derive(crypto: Crypto, suite: Suite, { prk, transcript, message }: Encrypt0Keys) {
  const { keyBytes, nonceBytes } = suite.aead;
  return {
    key: edhocKdf(crypto, prk, LABELS[message].key, transcript, keyBytes),
    nonce: edhocKdf(crypto, prk, LABELS[message].nonce, transcript, nonceBytes),
    aad: CborWriter.shortLived(64).array(3).text('Encrypt0').bytes(EMPTY).bytes(transcript).finish(),
  };
}
