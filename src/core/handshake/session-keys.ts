import { encodeCbor } from '../cbor.ts';
import { PROTOCOL_VERSION } from '../limits.ts';
import type { Exporter } from './established.ts';

/** Exporter labels for private use (RFC 9528, section 10.1) that make a session of a handshake. */
export const EXPORTER_LABEL = {
  /** 64 bytes: the first chain keys of the ratchets Initiator → Responder and Responder → Initiator. */
  chainKeys: 32768,
  /** 48 bytes: session id, then the ids of the same two ratchets. */
  ids: 32769,
} as const;

const CHAIN_KEY_BYTES = 32;
const ID_BYTES = 16;

/** Whom a session binds. */
export interface SessionContext {
  /** Name of the roster that both know; empty where they share none. */
  readonly rosterName: string;
  /** Identity of the Initiator: SHA-256 of its SPKI, 32 bytes. */
  readonly initiatorId: Uint8Array;
  /** Identity of the Responder, likewise. */
  readonly responderId: Uint8Array;
}

/** Where one side's ratchet begins. */
export interface RatchetStart {
  /** 16 bytes. */
  readonly ratchetId: Uint8Array;
  /** 32 bytes, secret. */
  readonly chainKey: Uint8Array;
}

/** What a session begins with; equal on both sides. */
export interface SessionSecrets {
  /** 16 bytes. */
  readonly sessionId: Uint8Array;
  /** What the Initiator sends with. */
  readonly initiator: RatchetStart;
  /** What the Responder sends with. */
  readonly responder: RatchetStart;
}

/** Derives a session from a finished handshake. Two sides that differ about the context share no key. */
export function deriveSessionSecrets(exporter: Exporter, context: SessionContext): SessionSecrets {
  const { rosterName, initiatorId, responderId } = context;
  const encoded = encodeCbor([PROTOCOL_VERSION, rosterName, initiatorId, responderId]);
  const keys = exporter(EXPORTER_LABEL.chainKeys, encoded, 2 * CHAIN_KEY_BYTES);
  const ids = exporter(EXPORTER_LABEL.ids, encoded, 3 * ID_BYTES);
  return {
    sessionId: ids.slice(0, ID_BYTES),
    initiator: { ratchetId: ids.slice(ID_BYTES, 2 * ID_BYTES), chainKey: keys.slice(0, CHAIN_KEY_BYTES) },
    responder: { ratchetId: ids.slice(2 * ID_BYTES), chainKey: keys.slice(CHAIN_KEY_BYTES) },
  };
}
