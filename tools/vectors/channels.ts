import { nobleCrypto } from '../../src/core/crypto/noble.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { type RosterVectors, rosterVectors } from './rosters.ts';
import { type SenderKeyVectors, senderKeyVectors } from './sender-keys.ts';

/** The content of vectors/4-channels.json: one member a part of the chapter. */
export interface ChannelVectors {
  readonly roster: RosterVectors;
  readonly senderKeys: SenderKeyVectors;
}

/** Everything for `crypto`, which gives the same for either implementation. */
export async function generateWith(crypto: Crypto): Promise<ChannelVectors> {
  return { roster: await rosterVectors(crypto), senderKeys: senderKeyVectors(crypto) };
}

/** What vectors/4-channels.json holds. */
export function generate(): Promise<ChannelVectors> {
  return generateWith(nobleCrypto);
}
