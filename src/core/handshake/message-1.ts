import { identifierFromItem, identifierToItem } from './connection-id.ts';
import { checkEad } from './ead.ts';
import { decodeSequence, encodeSequence, malformed } from './sequence.ts';
import { suitesFromItem, suitesToItem } from './suites-field.ts';

/** Method 0 (RFC 9528, section 3.2): both sides sign. The only one we speak. */
export const METHOD_SIGN_SIGN = 0;

/** message_1 (RFC 9528, section 5.2.1) without EAD. */
export interface Message1 {
  readonly method: number;
  /** In the Initiator's order of preference; the last is the selected one. */
  readonly suites: readonly number[];
  /** G_X. */
  readonly publicX: Uint8Array;
  /** C_I. */
  readonly connectionId: Uint8Array;
}

/** Encodes message_1. */
export function encodeMessage1(message: Message1): Uint8Array {
  const { method, suites, publicX, connectionId } = message;
  return encodeSequence([method, suitesToItem(suites), publicX, identifierToItem(connectionId)]);
}

/** Decodes message_1 of any method and suite; throws `malformed`, `too-large` or `unsupported` (critical EAD). */
export function decodeMessage1(data: Uint8Array): Message1 {
  const [method, suitesItem, publicX, connectionItem, ...eadItems] = decodeSequence(data);
  if (typeof method !== 'number') throw malformed('METHOD is not an integer');
  const suites = suitesFromItem('SUITES_I', suitesItem);
  if (!(publicX instanceof Uint8Array)) throw malformed('G_X is not a byte string');
  const connectionId = identifierFromItem('C_I', connectionItem);
  checkEad(eadItems);
  return { method, suites, publicX, connectionId };
}
