import type { SealwireError } from '../errors.ts';

/** Somebody whom a roster names by key: the SHA-256 of its SPKI. */
export interface PinnedMember {
  readonly type: 'pin';
  /** What channels call it. */
  readonly name: string;
  /** 32 bytes. */
  readonly id: Uint8Array;
}

/** Everybody whose certificate an authority issued for a name of a pattern; one group under one name. */
export interface IssuedMembers {
  readonly type: 'issued';
  /** What channels call the group. */
  readonly name: string;
  /** Of the certificate's common name; `*` stands for any run of characters. */
  readonly pattern: string;
  /** The authority's certificate, DER. */
  readonly certificate: Uint8Array;
}

/** Who may be named in a channel. */
export type RosterMember = PinnedMember | IssuedMembers;

/** Whose delivery receipts a message waits for before it counts as delivered. */
export type Confirmers = 'none' | 'any' | 'all' | readonly string[];

/** Topics with those who may write and read them. */
export interface Channel {
  readonly name: string;
  /** MQTT topic filters; a topic belongs to the first channel that has a filter for it. */
  readonly filters: readonly string[];
  /** Names of members. */
  readonly writers: readonly string[];
  readonly readers: readonly string[];
  readonly confirmers: Confirmers;
  /** A ratchet is followed by a new one after so long, or so many frames. */
  readonly rotateAfterMs: number;
  readonly rotateAfterFrames: number;
  /** True where a new reader may open what was written under the ratchet before it came. */
  readonly history: boolean;
  /** Messages in one frame at most. */
  readonly batchMax: number;
  /** Bodies are padded to a multiple of it; 0 for none. */
  readonly paddingBytes: number;
  /** `keep`: readers keep each message's key beside it, to show to an auditor. */
  readonly evidence: 'none' | 'keep';
  /** Who may erase labels from the ledger. */
  readonly erasers: readonly string[];
}

/** A key that counts no more. */
export interface Revocation {
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** Seconds since 1970, the authority's word. */
  readonly timeS: number;
  /** The index in the ledger from which its entries do not count; null for those from the roster's own entry on. */
  readonly sinceIndex: number | null;
}

/** Who may write and read what: one version of it. */
export interface Roster {
  /** The same in every version; labels carry it. */
  readonly name: string;
  /** From 1, up by one. */
  readonly version: number;
  /** 32 bytes: the hash of the version before; null for the first. */
  readonly previous: Uint8Array | null;
  /** Uncompressed point, 65 bytes: whose key signs the next version. Signed itself by that of the version before. */
  readonly authorityKey: Uint8Array;
  /** Seconds since 1970, the authority's word. */
  readonly issuedAtS: number;
  /** Seconds since 1970 after which nothing may be written under it; null for never. */
  readonly expiresAtS: number | null;
  readonly members: readonly RosterMember[];
  readonly channels: readonly Channel[];
  readonly revocations: readonly Revocation[];
}

/** A roster as it was read: not believed before its signature is checked over `toBeVerified`. */
export interface SignedRoster extends Roster {
  /** The whole COSE_Sign1: what is carried, kept and logged. */
  readonly bytes: Uint8Array;
  /** SHA-256 of `toBeVerified`, 32 bytes; so the same content signed once more is the same version. */
  readonly hash: Uint8Array;
  /** 32 bytes: whose key signed it. */
  readonly signerId: Uint8Array;
  readonly signature: Uint8Array;
  readonly toBeVerified: Uint8Array;
}

/** The newest roster that was accepted, and word of those that follow. */
export interface RosterView {
  /** Null before the first. */
  readonly current: SignedRoster | null;
  /** Why nothing may be written or read any more: `roster-forked`; null while all is well. */
  readonly failure: SealwireError | null;
  /** 32 bytes: the hash of that version; null for one that was not accepted. */
  hashOf(version: number): Uint8Array | null;
  /** `listener` is told of each newer one, after it is `current`. Returns how to stop. */
  onChange(listener: (now: SignedRoster, before: SignedRoster | null) => void): () => void;
}
