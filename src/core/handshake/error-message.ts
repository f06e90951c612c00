import type { CborValue } from '../cbor.ts';
import { decodeSequence, encodeSequence, malformed } from './sequence.ts';
import { suitesFromItem, suitesToItem } from './suites-field.ts';

/**
 * An EDHOC error message (RFC 9528, section 6). Nobody vouches for it: whoever can write to the transport can forge
 * one, so it changes no state.
 */
export type ErrorMessage =
  | { readonly kind: 'unspecified'; readonly text: string }
  | { readonly kind: 'wrong-suite'; readonly suites: readonly number[] }
  | { readonly kind: 'unknown-credential' };

/** All that a peer is told about a refusal, whatever the reason: anything finer would be an oracle. */
export const REFUSAL: ErrorMessage = { kind: 'unspecified', text: 'handshake failed' };

const UNSPECIFIED = 1;
const WRONG_SUITE = 2;
const UNKNOWN_CREDENTIAL = 3;

/** Encodes an error message. */
export function encodeErrorMessage(message: ErrorMessage): Uint8Array {
  if (message.kind === 'unspecified') return encodeSequence([UNSPECIFIED, message.text]);
  if (message.kind === 'wrong-suite') return encodeSequence([WRONG_SUITE, suitesToItem(message.suites)]);
  return encodeSequence([UNKNOWN_CREDENTIAL, true]);
}

/**
 * Reads what came instead of message_2, message_3 or message_4: those begin with a byte string, so anything that
 * begins with an integer is an error message. Null where it is none; throws `malformed` where it is a bad one.
 */
export function decodeErrorMessage(data: Uint8Array): ErrorMessage | null {
  const majorType = (data[0] ?? 0xff) >> 5;
  if (majorType > 1) return null;
  const [code, info, ...rest] = decodeSequence(data);
  if (info === undefined || rest.length > 0) throw malformed('an error message is a code and its information');
  return fromCode(code, info);
}

function fromCode(code: CborValue | undefined, info: CborValue): ErrorMessage {
  if (code === UNSPECIFIED && typeof info === 'string') return { kind: 'unspecified', text: info };
  if (code === WRONG_SUITE) return { kind: 'wrong-suite', suites: suitesFromItem('SUITES_R', info) };
  if (code === UNKNOWN_CREDENTIAL && info === true) return { kind: 'unknown-credential' };
  throw malformed(`an error message of code ${code} does not have its information`);
}
