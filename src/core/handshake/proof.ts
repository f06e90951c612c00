import { concatBytes } from '../bytes.ts';
import { type CborMap, encodeCbor } from '../cbor.ts';
import { CborWriter } from '../cbor-writer.ts';
import { sign1ToBeSigned } from '../cose.ts';
import type { Crypto } from '../crypto/port.ts';
import { identifierToItem } from './connection-id.ts';
import { edhocKdf, HASH_BYTES, KDF_LABEL } from './key-schedule.ts';
import { encodeSequence } from './sequence.ts';

/** What one side's proof of identity covers. */
export interface ProofInput {
  /** PRK_3e2m of the Responder's proof, PRK_4e3m of the Initiator's. */
  readonly prk: Uint8Array;
  /** TH_2 of the Responder's proof, TH_3 of the Initiator's. */
  readonly transcript: Uint8Array;
  readonly idCred: CborMap;
  /** CRED_x: the DER certificate. */
  readonly certificate: Uint8Array;
  /** EAD_x, encoded. */
  readonly ead: Uint8Array;
}

/** The bytes under Signature_or_MAC_2 (RFC 9528, section 5.3.2): MAC_2 in a Sig_structure. */
export function responderToBeSigned(crypto: Crypto, connectionId: Uint8Array, input: ProofInput): Uint8Array {
  return toBeSigned(crypto, KDF_LABEL.mac2, encodeSequence([identifierToItem(connectionId)]), input);
}

/** The bytes under Signature_or_MAC_3 (RFC 9528, section 5.4.2): MAC_3 in a Sig_structure. */
export function initiatorToBeSigned(crypto: Crypto, input: ProofInput): Uint8Array {
  return toBeSigned(crypto, KDF_LABEL.mac3, new Uint8Array(0), input);
}

/** `before` is C_R as it stands in context_2, and nothing in context_3. */
function toBeSigned(crypto: Crypto, label: number, before: Uint8Array, input: ProofInput): Uint8Array {
  const idCred = encodeCbor(input.idCred);
  const { prk, transcript, certificate, ead } = input;
  const writer = CborWriter.shortLived(32 + transcript.length + certificate.length + ead.length);
  const covered = writer.bytes(transcript).bytes(certificate).raw(ead).finish();
  const mac = edhocKdf(crypto, prk, label, concatBytes(before, idCred, covered), HASH_BYTES);
  return sign1ToBeSigned(idCred, mac, covered);
}
