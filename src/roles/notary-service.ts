import type { Crypto } from '../core/crypto/port.ts';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import { CONSISTENCY_TYPE, decodeConsistencyQuestion, encodeConsistencyAnswer } from '../core/ledger/consistency.ts';
import { TreeHasher } from '../core/ledger/merkle.ts';
import {
  ANSWER_TYPE,
  encodeAnswer,
  REFUSALS,
  SUBMISSION_TYPE,
  type SubmissionAnswer,
} from '../core/ledger/submission.ts';
import type { ReceivedMessage } from './incoming.ts';
import type { Notary } from './notary.ts';
import type { Session } from './session.ts';

/** What a {@link NotaryService} tells about. Must not throw. */
export interface NotaryServiceEvents {
  /** Somebody whom the notary trusts connected. */
  readonly onSession?: (session: Session) => void;
  /** A label was turned away, or a session ended badly. */
  readonly onTrouble?: (error: SealwireError, peerName: string) => void;
}

/** Labels of one session on their way into blocks; its sender waits when there are more. */
const UNDER_WAY_MAX = 4096;

/** Serves a notary to peers: each hands in labels over a session of its own and gets receipts back. */
export class NotaryService {
  readonly #notary: Notary;
  readonly #hasher: TreeHasher;
  readonly #events: NotaryServiceEvents;

  constructor(crypto: Crypto, notary: Notary, events: NotaryServiceEvents = {}) {
    this.#notary = notary;
    this.#hasher = new TreeHasher(crypto);
    this.#events = events;
  }

  /** Serves every session that `listening` gives; resolves when that ends. */
  async run(listening: AsyncIterable<Session>): Promise<void> {
    const serving = new Set<Promise<void>>();
    for await (const session of listening) {
      const done = this.#serve(session).finally(() => serving.delete(done));
      serving.add(done);
    }
    await Promise.all(serving);
  }

  async #serve(session: Session): Promise<void> {
    const underWay = new Set<Promise<void>>();
    try {
      this.#events.onSession?.(session);
      await this.#notary.admit(session.peer.certificates, session.peer.authority);
      for await (const message of session) {
        const done = this.#take(session, message).finally(() => underWay.delete(done));
        underWay.add(done);
        if (underWay.size >= UNDER_WAY_MAX) await Promise.race(underWay);
      }
    } catch (error) {
      this.#trouble(error, session);
    }
    await Promise.all(underWay);
    await session.close().catch((error: unknown) => this.#trouble(error, session));
  }

  async #take(session: Session, { contentType, payload }: ReceivedMessage): Promise<void> {
    if (contentType === SUBMISSION_TYPE) {
      await answerWith(session, ANSWER_TYPE, encodeAnswer(await this.#submit(payload, session)));
    } else if (contentType === CONSISTENCY_TYPE) await this.#prove(payload, session);
    else this.#trouble(new SealwireError('unsupported', 'A message to the notary is no label.'), session);
  }

  async #prove(payload: Uint8Array, session: Session): Promise<void> {
    try {
      const { from, to } = decodeConsistencyQuestion(payload);
      const path = await this.#notary.consistency(from, to).catch((error: unknown) => {
        this.#trouble(error, session);
        return null;
      });
      await answerWith(session, CONSISTENCY_TYPE, encodeConsistencyAnswer({ from, to, path }));
    } catch (error) {
      this.#trouble(error, session);
    }
  }

  async #submit(label: Uint8Array, session: Session): Promise<SubmissionAnswer> {
    const leafHash = this.#hasher.leaf(label);
    try {
      const { receipt } = await this.#notary.submit(label);
      return { leafHash, receipt, refusal: null };
    } catch (error) {
      this.#trouble(error, session);
      const refusal = REFUSALS.find((code) => isSealwireError(error, code)) ?? 'not-admitted';
      return { leafHash, receipt: null, refusal };
    }
  }

  #trouble(cause: unknown, session: Session): void {
    const error = isSealwireError(cause) ? cause : new SealwireError('internal', 'A submission failed.', { cause });
    this.#events.onTrouble?.(error, session.peer.name);
  }
}

async function answerWith(session: Session, contentType: string, payload: Uint8Array): Promise<void> {
  // A session that is gone takes no answer; its peer asks again in the next one.
  await session.sendLedgerReceipt(payload, contentType).catch(() => {});
}
