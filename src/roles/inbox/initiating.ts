import { equalBytes } from '../../core/bytes.ts';
import { SealwireError } from '../../core/errors.ts';
import { formatId } from '../../core/identity/id.ts';
import type { Expected } from '../authenticating.ts';
import { connectionKey, type InboxContext } from './inbox-context.ts';
import { type Initiated, Initiation, type Route } from './initiation.ts';

/** The handshakes that this side began. */
export class Initiating {
  readonly #context: InboxContext;
  readonly #routes = new Map<string, Route>();
  readonly #running = new Set<Initiation>();

  constructor(context: InboxContext) {
    this.#context = context;
  }

  /** Runs one with the peer of that id; see `InboxHandshakes.initiate`. */
  async initiate(peerId: Uint8Array, expected: Expected): Promise<Initiated> {
    const shown = formatId(peerId);
    if (equalBytes(peerId, this.#context.party.identity.id)) {
      throw new SealwireError('usage', `${shown} is this identity itself: there is nobody to shake hands with.`, {
        hint: 'Both ends must have identities of their own.',
      });
    }
    const initiation = new Initiation(this.#context, this.#routes, peerId.slice(), expected);
    this.#running.add(initiation);
    try {
      return await initiation.result;
    } finally {
      this.#running.delete(initiation);
    }
  }

  /** Takes what carries `connectionId`; false where that is none of ours. */
  async take(from: Uint8Array, connectionId: Uint8Array, message: Uint8Array): Promise<boolean> {
    const route = this.#routes.get(connectionKey(connectionId));
    if (!route) return false;
    // Where the broker holds writers to their own ids, a third party gets no further.
    if (equalBytes(from, route.peerId)) await route.take(message);
    return true;
  }

  /** Ends all of them with `error`. */
  stop(error: SealwireError): void {
    for (const initiation of [...this.#running]) initiation.fail(error);
  }
}
