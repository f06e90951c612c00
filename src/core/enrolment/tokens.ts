import type { Eventually } from '../ports.ts';
import type { TokenKeys } from './token.ts';

/** A token as its authority keeps it. */
export interface IssuedToken extends TokenKeys {
  /** The device's name; `*` stands for any run of characters. */
  readonly pattern: string;
  /** Names of the channels that the device is to write and read in. */
  readonly channels: readonly string[];
  /** Seconds since 1970. */
  readonly expiresAtS: number;
}

/** Who used a token. */
export interface TokenHolder {
  /** 32 bytes. */
  readonly deviceId: Uint8Array;
  readonly name: string;
}

/** A token and what became of it. */
export interface TokenRecord extends IssuedToken {
  /** Null where it was not used. */
  readonly holder: TokenHolder | null;
  /** DER, leaf first: what its holder was given; null before. */
  readonly chain: readonly Uint8Array[] | null;
}

/** Keeps tokens over restarts. What it says it has done is durable. */
export interface TokenStore {
  find(tokenId: Uint8Array): Eventually<TokenRecord | undefined>;
  /** Rejects with `overloaded` where too many are kept. */
  add(token: IssuedToken): Eventually<void>;
  /** True where the token is now that holder's; false where it is another's. Of two that claim at once one has it. */
  claim(tokenId: Uint8Array, holder: TokenHolder): Eventually<boolean>;
  /** Keeps what the holder was given. */
  complete(tokenId: Uint8Array, chain: readonly Uint8Array[]): Eventually<void>;
}
