import type { ErrorCode } from '../core/errors.ts';
import { formatId } from '../core/identity/id.ts';
import type { ChannelEvent } from '../roles/channel/channel-context.ts';
import type { BrokerEvent } from '../roles/mqtt/events.ts';
import type { PeerEvent } from './open-peer.ts';

/** What a frame is refused for before it has come to a session. */
const STRAY: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['wrong-topic', 'wrong-session', 'sender-unknown']);

/** What an event means, in a sentence for people; undefined for what is not worth one. */
export function eventSentence(event: PeerEvent): string | undefined {
  switch (event.type) {
    case 'refused':
      // Carriers double what they carry, and senders repeat what was not confirmed in time.
      if (event.error.code === 'replayed') return `A frame of ${event.peer} came again and was dropped. [replayed]`;
      return `Refused a frame that came as from ${event.peer}: ${event.error.message} [${event.error.code}]`;
    case 'gap': {
      const { first, last } = event.gap;
      const which = first === last ? `message ${first}` : `messages ${first} to ${last}`;
      return `Missing from ${event.peer}: ${which}; what follows comes without. [gap]`;
    }
    case 'expired':
      return `Message ${event.n} from ${event.peer} came after its expiry and was dropped. [expired]`;
    case 'repaired':
      return `${event.peer} missed frame ${event.seq}; it was sent again.`;
    case 'lost':
      return `Frame ${event.seq} to ${event.peer} was lost on its way and is not sent again. [gap]`;
    case 'not-logged':
      return `Frame ${event.seq} to ${event.peer} is not in the ledger: ${event.error.message} [${event.error.code}]`;
    case 'handshake-refused':
      if (STRAY.has(event.error.code)) {
        return `Refused a frame from ${event.remote}: ${event.error.message} [${event.error.code}]`;
      }
      return `No session with ${event.remote}: ${event.error.message} [${event.error.code}]`;
    case 'session-lost':
      return `The session with ${event.peer} is lost: ${event.error.message} [${event.error.code}]`;
    case 'broker':
      return `The broker at ${event.remote}: ${brokerSentence(event.event)}`;
    case 'channel':
      return channelSentence(event.event);
    case 'roster':
      return `The roster ${event.name} is at version ${event.version} now.`;
    case 'renewed':
      return `This identity has a new certificate, valid until ${new Date(event.untilMs).toISOString().slice(0, 10)}.`;
    case 'renewal-failed':
      return `The certificate is not renewed yet: ${event.error.message} [${event.error.code}]`;
    case 'notary-trouble':
      return `The notary: ${event.error.message} [${event.error.code}]`;
    case 'confirmed':
      return undefined;
  }
}

function channelSentence(event: ChannelEvent): string | undefined {
  switch (event.type) {
    case 'refused':
      return `Refused on ${event.where}: ${event.error.message} [${event.error.code}]`;
    case 'gap': {
      const { first, last } = event.gap;
      const which = first === last ? `message ${first}` : `messages ${first} to ${last}`;
      return `Missing from ${event.writer} in ${event.channel}: ${which}; what follows comes without. [gap]`;
    }
    case 'expired':
      return `Message ${event.n} from ${event.writer} came after its expiry and was dropped. [expired]`;
    case 'held-full':
      return `Frames in ${event.channel} came before their keys, and there is no room to keep more. [grant-missing]`;
    case 'unfetched':
      return `In ${event.channel} these readers have not fetched the keys: ${event.readers.map(formatId).join(', ')}. [grant-missing]`;
    case 'unconfirmed':
      return `Not all who have to confirmed frame ${event.seq} in ${event.channel}.`;
    case 'not-logged':
      return `Frame ${event.seq} is not in the ledger: ${event.error.message} [${event.error.code}]`;
    case 'not-stored':
      return `Where the writers stand is not written down: ${event.error.message} [${event.error.code}]`;
    case 'repaired':
    case 'rotated':
      return undefined;
  }
}

function brokerSentence(event: BrokerEvent): string {
  switch (event.type) {
    case 'lost':
      return `The line is lost: ${event.error.message} [${event.error.code}]`;
    case 'still-lost':
      return `No line yet, next try in ${event.pauseMs} ms: ${event.error.message} [${event.error.code}]`;
    case 'reconnected':
      return 'The line is back.';
    case 'take-failed':
      return `A publication on ${event.topic} was not taken in: ${String(event.error)}`;
    case 'client-id-taken':
    case 'subscription-refused':
    case 'publication-refused':
    case 'publication-ignored':
      return `${event.error.message} [${event.error.code}]`;
  }
}
