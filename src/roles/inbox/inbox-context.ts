import { bytesToHex } from '../../core/bytes.ts';
import type { HandshakeOptions } from '../../core/handshake/own.ts';
import type { HandshakeParty } from '../handshake-steps.ts';
import type { Beginnings } from './beginnings.ts';
import type { InboxTuning } from './inbox-tuning.ts';
import type { Overlaps } from './overlaps.ts';

/** What all handshakes of one inbox share. */
export interface InboxContext {
  readonly party: HandshakeParty;
  readonly options: HandshakeOptions;
  readonly tuning: InboxTuning;
  readonly beginnings: Beginnings;
  readonly overlaps: Overlaps;
  /** Publishes `unit`, which then belongs to the carrier, to the handshake inbox of `to` (id, 32 bytes). */
  send(to: Uint8Array, unit: Uint8Array): Promise<void>;
}

/** An id (32 bytes) as a key of maps. */
export function idKey(id: Uint8Array): string {
  return bytesToHex(id);
}

/** A connection identifier that we chose as a key of maps. */
export function connectionKey(connectionId: Uint8Array): string {
  return `connection ${bytesToHex(connectionId)}`;
}
