import { concatBytes, utf8ToBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';

const MESSAGE_STEP = Uint8Array.of(1);
const CHAIN_STEP = Uint8Array.of(2);
const ENC_INFO = utf8ToBytes('sealwire/1 enc');
const MAC_INFO = utf8ToBytes('sealwire/1 mac');

/** `mk = HMAC(ck, 1)`: the key of the frame at this position of the ratchet. */
export function messageKeyOf(crypto: Crypto, chainKey: Uint8Array): Uint8Array {
  return crypto.hmac(chainKey, MESSAGE_STEP);
}

/** `ck' = HMAC(ck, 2)`: one position on. There is no way back. */
export function nextChainKey(crypto: Crypto, chainKey: Uint8Array): Uint8Array {
  return crypto.hmac(chainKey, CHAIN_STEP);
}

/** The encryption key of one frame, bound to its label's header by `headerHash` (SHA-256 of the protected bytes). */
export function encryptionKeyOf(crypto: Crypto, messageKey: Uint8Array, headerHash: Uint8Array): Uint8Array {
  return crypto.hkdfExpand(messageKey, concatBytes(ENC_INFO, headerHash), 32);
}

/** The HMAC key of one frame, bound to its label's header as {@link encryptionKeyOf} is. */
export function macKeyOf(crypto: Crypto, messageKey: Uint8Array, headerHash: Uint8Array): Uint8Array {
  return crypto.hkdfExpand(messageKey, concatBytes(MAC_INFO, headerHash), 32);
}
