import { SealwireError } from '../errors.ts';
import { edhocKdf, exporterPrk } from './key-schedule.ts';
import type { HandshakeOptions } from './own.ts';
import type { Peer } from './peer.ts';

/** EDHOC_Exporter (RFC 9528, section 4.2.1): `length` bytes, at most 8160, for a label and a context. */
export type Exporter = (label: number, context: Uint8Array, length: number) => Uint8Array;

/** A finished handshake: both sides know that both sides have the same keys and who the other is. */
export interface Established {
  /** Number of the cipher suite. */
  readonly suite: number;
  /** C_I. */
  readonly initiatorConnectionId: Uint8Array;
  /** C_R. */
  readonly responderConnectionId: Uint8Array;
  readonly peer: Peer;
  /** Throws `usage` for a label outside 0..65535 and `too-large` for a length that the KDF does not have. */
  readonly exporter: Exporter;
}

/** The exporter over PRK_4e3m and TH_4. */
export function makeExporter(options: HandshakeOptions, prk: Uint8Array, transcript4: Uint8Array): Exporter {
  const { crypto } = options;
  const prkExporter = exporterPrk(crypto, prk, transcript4);
  return (label, context, length) => {
    if (!Number.isInteger(label) || label < 0 || label > 0xffff) {
      throw new SealwireError('usage', `An exporter label is an integer from 0 to 65535, not ${label}.`);
    }
    return edhocKdf(crypto, prkExporter, label, context, length);
  };
}
