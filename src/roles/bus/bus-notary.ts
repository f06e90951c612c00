import { equalBytes } from '../../core/bytes.ts';
import type { Crypto } from '../../core/crypto/port.ts';
import { isSealwireError, SealwireError } from '../../core/errors.ts';
import { readFrame } from '../../core/frame/frame.ts';
import { isOpenKind, type Label } from '../../core/frame/label.ts';
import { formatId } from '../../core/identity/id.ts';
import { parseInboxTopic } from '../../core/inbox.ts';
import { isLoggedKind } from '../../core/ledger/entry.ts';
import { TreeHasher } from '../../core/ledger/merkle.ts';
import { ANSWER_TYPE, encodeAnswer } from '../../core/ledger/submission.ts';
import type { BrokerConnection, Publication, Qos, Subscription } from '../../core/ports.ts';
import type { Notary } from '../notary.ts';
import type { Session } from '../session.ts';

/** What a {@link BusNotary} is made of. */
export interface BusNotaryOptions {
  readonly crypto: Crypto;
  readonly notary: Notary;
  readonly broker: BrokerConnection;
  /** What it listens to: `#` for everything at the broker. */
  readonly filters: readonly string[];
  readonly qos: Qos;
  /** The session in which a sender gets its receipts; undefined where there is none. */
  readonly sessionOf: (senderId: Uint8Array) => Session | undefined;
  /** Told of a frame that was seen and not logged; `who` is its sender's id, or the topic where it names none. */
  readonly onTrouble?: (error: SealwireError, who: string) => void;
}

/** Labels on their way into blocks; the broker is held back while there are more. */
const UNDER_WAY_MAX = 4096;
/** Receipts on their way; a sender that misses one asks for it, so that nobody's slowness holds up the rest. */
const ANSWERS_MAX = 1024;

/**
 * A notary that listens in at a broker: it logs every frame that it can verify without reading it, and sends the
 * receipt to whoever wrote it. What it misses its senders hand in themselves.
 */
export class BusNotary {
  readonly #options: BusNotaryOptions;
  readonly #hasher: TreeHasher;
  readonly #underWay = new Set<Promise<void>>();
  #answers = 0;
  #subscriptions: readonly Subscription[] = [];

  /** Begins to listen. Rejects with `topic-invalid` or `broker-refused`. */
  static async start(options: BusNotaryOptions): Promise<BusNotary> {
    const { broker, filters, qos } = options;
    const listening = new BusNotary(options);
    listening.#subscriptions = await Promise.all(
      filters.map((filter) => broker.subscribe(filter, qos, (publication) => listening.#take(publication))),
    );
    return listening;
  }

  private constructor(options: BusNotaryOptions) {
    this.#options = options;
    this.#hasher = new TreeHasher(options.crypto);
  }

  /** Listens no more, and resolves once what was heard is logged. */
  async close(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.unsubscribe()));
    await Promise.all(this.#underWay);
  }

  async #take({ topic, payload, retained }: Publication): Promise<void> {
    if (retained || this.#isBetweenUs(topic)) return;
    const logging = this.#log(topic, payload).finally(() => this.#underWay.delete(logging));
    this.#underWay.add(logging);
    if (this.#underWay.size >= UNDER_WAY_MAX) await Promise.race(this.#underWay);
  }

  /** Handshakes, and what is said in sessions with the notary itself. */
  #isBetweenUs(topic: string): boolean {
    const address = parseInboxTopic(topic);
    if (address === null) return false;
    const { id } = this.#options.notary;
    return address.lane === 'handshake' || equalBytes(address.to, id) || equalBytes(address.from, id);
  }

  async #log(topic: string, payload: Uint8Array): Promise<void> {
    let who = topic;
    try {
      const { label, body } = readFrame(payload);
      who = formatId(label.senderId);
      if (!isLoggedKind(label.kind)) return;
      this.#checkBody(label, body);
      const { receipt } = await this.#options.notary.submit(label.bytes);
      this.#answer(label, receipt);
    } catch (cause) {
      const error = isSealwireError(cause)
        ? cause
        : new SealwireError('internal', 'A frame was not logged.', { cause });
      // Others use the broker too; what is no frame at all is none of ours.
      if (error.code !== 'malformed' || who !== topic) this.#options.onTrouble?.(error, who);
    }
  }

  #checkBody({ kind, content }: Label, body: Uint8Array): void {
    if (isOpenKind(kind) || equalBytes(this.#options.crypto.sha256(body), content)) return;
    throw new SealwireError('body-mismatch', 'A frame has another body than its label was signed for.');
  }

  /** Not waited for: it takes the sender's own receipts, which come over the line that is waiting here. */
  #answer({ bytes, senderId }: Label, receipt: Uint8Array): void {
    // Without a session, or with one that is over, the sender asks for its receipt when it misses it.
    const session = this.#options.sessionOf(senderId);
    if (!session || this.#answers >= ANSWERS_MAX) return;
    this.#answers += 1;
    session
      .sendLedgerReceipt(encodeAnswer({ leafHash: this.#hasher.leaf(bytes), receipt, refusal: null }), ANSWER_TYPE)
      .catch(() => {})
      .finally(() => {
        this.#answers -= 1;
      });
  }
}
