import { bytesToHex } from '../../core/bytes.ts';
import { encodeGrantRequest, type GrantRequest } from '../../core/channel/grant-request.ts';
import { KIND } from '../../core/kinds.ts';
import type { ChannelContext } from './channel-context.ts';

/** Grants that are asked for at once; anyone can invent frames of ratchets that nobody has. */
const PULLS_MAX = 64;
/** Sessions that are opened at once to ask in. */
const OPENING_MAX = 8;
const PAUSE_MAX_MS = 60_000;
/** After so many questions without an answer nobody is asked any more, until another frame comes. */
const TRIES_MAX = 12;

interface Pull {
  readonly writerId: Uint8Array;
  readonly request: GrantRequest;
  tries: number;
  cancel: () => void;
}

/** Asks writers for the keys of frames that came without them, again and again, bounded in number and in time. */
export class Pulling {
  readonly #context: ChannelContext;
  readonly #pulls = new Map<string, Pull>();
  #opening = 0;
  #stopped = false;

  constructor(context: ChannelContext) {
    this.#context = context;
  }

  /** Asks for the keys of a ratchet. Where too much is asked for already, its next frame brings it up again. */
  ask(writerId: Uint8Array, request: GrantRequest): void {
    const key = keyOf(writerId, request.ratchetId);
    if (this.#stopped || this.#pulls.has(key) || this.#pulls.size >= PULLS_MAX) return;
    const pull: Pull = { writerId, request, tries: 0, cancel: () => {} };
    this.#pulls.set(key, pull);
    void this.#try(key, pull);
  }

  /** The keys are here. */
  answered(writerId: Uint8Array, ratchetId: Uint8Array): void {
    const key = keyOf(writerId, ratchetId);
    this.#pulls.get(key)?.cancel();
    this.#pulls.delete(key);
  }

  /** Asks nobody for anything any more. */
  stop(): void {
    this.#stopped = true;
    for (const { cancel } of this.#pulls.values()) cancel();
    this.#pulls.clear();
  }

  async #try(key: string, pull: Pull): Promise<void> {
    const { clock, sessions, tuning } = this.#context;
    pull.tries += 1;
    if (this.#opening < OPENING_MAX || sessions.current(pull.writerId)) {
      this.#opening += 1;
      try {
        const session = await sessions.open(pull.writerId);
        await session.sendControl(KIND.grantRequest, encodeGrantRequest(pull.request));
      } catch {
        // It is not there, or left meanwhile: it is asked again later.
      } finally {
        this.#opening -= 1;
      }
    }
    if (this.#stopped || this.#pulls.get(key) !== pull) return;
    if (pull.tries >= TRIES_MAX) {
      this.#pulls.delete(key);
      return;
    }
    const pauseMs = Math.min(PAUSE_MAX_MS, tuning.requestPauseMs * 2 ** (pull.tries - 1));
    pull.cancel = clock.after(pauseMs, () => void this.#try(key, pull));
  }
}

function keyOf(writerId: Uint8Array, ratchetId: Uint8Array): string {
  return bytesToHex(writerId) + bytesToHex(ratchetId);
}
