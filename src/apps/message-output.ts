import { formatId } from '../core/identity/id.ts';
import type { ReceivedMessage } from '../roles/incoming.ts';

/** The media type of a line of text. */
export const TEXT_TYPE = 'text/plain;charset=utf-8';

/** A message's payload as text; not yet safe for a terminal. */
export function textOf({ payload }: ReceivedMessage): string {
  return new TextDecoder().decode(payload);
}

/** A message as `--json` prints it; `from` is who sent it, as trust names them. */
export function messageJson(
  from: { readonly name: string; readonly id: Uint8Array },
  message: ReceivedMessage,
): Record<string, unknown> {
  const { n, timeMs, contentType, late, topic } = message;
  return {
    event: 'message',
    from: { name: from.name, id: formatId(from.id) },
    ...(topic === null ? {} : { topic }),
    n,
    time: isoTime(timeMs),
    contentType,
    late,
    text: textOf(message),
  };
}

/** ISO 8601; null for a time that a peer made up, beyond what calendars here hold. */
function isoTime(timeMs: number): string | null {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
