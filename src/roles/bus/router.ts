import { bytesToHex, equalBytes } from '../../core/bytes.ts';
import { isSealwireError, SealwireError } from '../../core/errors.ts';
import { readRoute } from '../../core/frame/route.ts';
import { idToTopic } from '../../core/identity/id.ts';
import { parseInboxTopic } from '../../core/inbox.ts';
import type { Publication } from '../../core/ports.ts';
import type { InboxConnection } from './inbox-connection.ts';

interface Route {
  readonly connection: InboxConnection;
  readonly peerId: Uint8Array;
}

/** Told of a frame that came and belongs to no session here. */
export type OnStray = (error: SealwireError, topic: string) => void;

/** Takes a frame that a writer sealed for all readers of a channel; `isInbox` for one that was sent to this side alone. */
export type TakeChannelFrame = (publication: Publication, isInbox: boolean) => Promise<void>;

/** Finds the session or the channel that a publication belongs to, by its label's ratchet. What it reads is checked in the session. */
export class Router {
  readonly #ownId: Uint8Array;
  readonly #ownTopic: string;
  readonly #onStray: OnStray;
  readonly #takeChannelFrame: TakeChannelFrame | undefined;
  readonly #routes = new Map<string, Route>();

  /** Frames of channels go to `takeChannelFrame`; without one they are nobody's here. */
  constructor(ownId: Uint8Array, onStray: OnStray, takeChannelFrame?: TakeChannelFrame) {
    this.#ownId = ownId;
    this.#ownTopic = idToTopic(ownId);
    this.#onStray = onStray;
    this.#takeChannelFrame = takeChannelFrame;
  }

  add(ratchetId: Uint8Array, route: Route): void {
    this.#routes.set(bytesToHex(ratchetId), route);
  }

  remove(ratchetId: Uint8Array): void {
    this.#routes.delete(bytesToHex(ratchetId));
  }

  /** Hands a frame to its session and resolves once that has taken it in. Never throws for what is in it. */
  async take(publication: Publication): Promise<void> {
    const { topic, payload } = publication;
    const address = parseInboxTopic(topic);
    const isOurs = address !== null && equalBytes(address.to, this.#ownId);
    try {
      const label = readRoute(payload);
      if (label.channel !== null && this.#takeChannelFrame) {
        await this.#takeChannelFrame(publication, isOurs);
        return;
      }
      const route = this.#routes.get(bytesToHex(label.ratchetId));
      if (route) {
        // What was signed for one topic is not believed on another; the inbox takes what is sent again.
        if (!isOurs && label.topic !== topic) throw wrongTopic(label.topic, topic, this.#ownTopic);
        await route.connection.deliver(payload);
      } else if (isOurs) throw this.#stray(label.senderId);
      // On a topic of many, what belongs to no session here is for somebody else.
    } catch (error) {
      if (!isSealwireError(error)) throw error;
      if (isOurs || error.code === 'wrong-topic') this.#onStray(error, topic);
    }
  }

  #stray(senderId: Uint8Array): SealwireError {
    const known = [...this.#routes.values()].some(({ peerId }) => equalBytes(peerId, senderId));
    if (known) return new SealwireError('wrong-session', 'A frame belongs to a session that is not open here.');
    return new SealwireError('sender-unknown', 'A frame came from somebody with whom there is no session.');
  }
}

function wrongTopic(signed: string, arrived: string, ownTopic: string): SealwireError {
  const wanted = signed === ownTopic ? 'the inbox' : JSON.stringify(signed);
  return new SealwireError('wrong-topic', `A frame that was signed for ${wanted} came on ${JSON.stringify(arrived)}.`);
}
