import { formatId } from '../core/identity/id.ts';
import type { ReceivedMessage } from '../roles/incoming.ts';

/** The media type of a line of text. */
export const TEXT_TYPE = 'text/plain;charset=utf-8';
/** CoAP Content-Format of plain bytes (RFC 7252, section 12.3). */
const OCTET_STREAM = 42;

/** What bytes are said to be that nobody has described: text where they are UTF-8. */
export function contentTypeOf(payload: Uint8Array): string | number {
  return decoded(payload) === undefined ? OCTET_STREAM : TEXT_TYPE;
}

/** A message's payload for people to read; not yet safe for a terminal. */
export function messageText({ payload, contentType }: ReceivedMessage): string {
  return decoded(payload) ?? `${payload.length} bytes of content type ${contentType}, which are no text`;
}

/**
 * A message as `--json` prints it: `text` where the payload is UTF-8, else `base64`; `from` is who sent it, as trust
 * names them.
 */
export function messageJson(
  from: { readonly name: string; readonly id: Uint8Array },
  message: ReceivedMessage & { readonly channel?: string | null; readonly retained?: boolean },
): Record<string, unknown> {
  const { n, timeMs, contentType, late, topic, payload } = message;
  const text = decoded(payload);
  return {
    event: 'message',
    from: { name: from.name, id: formatId(from.id) },
    ...(topic === null ? {} : { topic }),
    ...(message.channel ? { channel: message.channel, retained: message.retained ?? false } : {}),
    n,
    time: isoTime(timeMs),
    contentType,
    late,
    ...(text === undefined ? { base64: Buffer.from(payload).toString('base64') } : { text }),
  };
}

function decoded(payload: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    return undefined;
  }
}

/** ISO 8601; null for a time that a peer made up, beyond what calendars here hold. */
function isoTime(timeMs: number): string | null {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
