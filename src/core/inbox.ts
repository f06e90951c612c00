import { base64urlnopad } from './bytes.ts';
import { idToTopic } from './identity/id.ts';

/** What an inbox takes apart: messages of handshakes, and frames of sessions. */
export type InboxLane = 'handshake' | 'frames';

/** Where something for one peer is published, and by whom, as far as the topic says. */
export interface InboxAddress {
  /** The reader's id, 32 bytes. */
  readonly to: Uint8Array;
  readonly lane: InboxLane;
  /** The claimed sender's id, 32 bytes: where answers go, and what a broker's access list can hold writers to. */
  readonly from: Uint8Array;
}

const ROOT = 'sealwire/1';
const INBOX = /^sealwire\/1\/([\w-]{43})\/(handshake|frames)\/([\w-]{43})$/;

/** The topic of an inbox: `sealwire/1/TO/LANE/FROM`, ids in base64url. */
export function inboxTopic({ to, lane, from }: InboxAddress): string {
  return `${ROOT}/${idToTopic(to)}/${lane}/${idToTopic(from)}`;
}

/** The filter for everything in one's own inbox. */
export function inboxFilter(ownId: Uint8Array): string {
  return `${ROOT}/${idToTopic(ownId)}/+/+`;
}

/** What an inbox topic says; null for any other topic. */
export function parseInboxTopic(topic: string): InboxAddress | null {
  if (!topic.startsWith(ROOT)) return null;
  const [, to, lane, from] = INBOX.exec(topic) ?? [];
  if (to === undefined || from === undefined) return null;
  try {
    return { to: base64urlnopad.decode(to), lane: lane as InboxLane, from: base64urlnopad.decode(from) };
  } catch {
    // 43 characters of base64url that are not the canonical form of 32 bytes.
    return null;
  }
}
