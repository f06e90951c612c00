import { base64urlnopad } from '../bytes.ts';
import { idToTopic } from '../identity/id.ts';
import { TOKEN_ID_BYTES } from './token.ts';

/** Who asks: the holder of a token, or a device that has a certificate and wants another one. */
export type Asker =
  | { readonly type: 'token'; readonly tokenId: Uint8Array }
  | { readonly type: 'device'; readonly deviceId: Uint8Array };

const ROOT = 'sealwire/1/enrol';
const REQUEST = /^sealwire\/1\/enrol\/[\w-]{43}\/([\w-]{22}|[\w-]{43})$/;
const DEVICE_CHARACTERS = 43;

/** Where a request is published: `sealwire/1/enrol/AUTHORITY/ASKER`, ids in base64url. */
export function requestTopic(authorityId: Uint8Array, asker: Asker): string {
  const id = asker.type === 'token' ? base64urlnopad.encode(asker.tokenId) : idToTopic(asker.deviceId);
  return `${ROOT}/${idToTopic(authorityId)}/${id}`;
}

/** Where it is answered. */
export function answerTopic(authorityId: Uint8Array, asker: Asker): string {
  return `${requestTopic(authorityId, asker)}/answer`;
}

/** The filter for all requests to one authority. */
export function requestFilter(authorityId: Uint8Array): string {
  return `${ROOT}/${idToTopic(authorityId)}/+`;
}

/** Who asks, as a request's topic says; null for any other topic. */
export function parseRequestTopic(topic: string): Asker | null {
  const [, id] = REQUEST.exec(topic) ?? [];
  if (id === undefined) return null;
  try {
    const bytes = base64urlnopad.decode(id);
    if (id.length === DEVICE_CHARACTERS) return { type: 'device', deviceId: bytes };
    return bytes.length === TOKEN_ID_BYTES ? { type: 'token', tokenId: bytes } : null;
  } catch {
    // Characters of base64url that are not the canonical form of any bytes.
    return null;
  }
}
