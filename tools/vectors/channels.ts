import { nobleCrypto } from '../../src/core/crypto/noble.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { type SenderKeyVectors, senderKeyVectors } from './sender-keys.ts';

/** The content of vectors/4-channels.json: one member a part of the chapter. */
export interface ChannelVectors {
  readonly senderKeys: SenderKeyVectors;
}

/** Everything for `crypto`, which gives the same for either implementation. */
export function generateWith(crypto: Crypto): ChannelVectors {
  return { senderKeys: senderKeyVectors(crypto) };
}

/** What vectors/4-channels.json holds. */
export function generate(): ChannelVectors {
  return generateWith(nobleCrypto);
}
