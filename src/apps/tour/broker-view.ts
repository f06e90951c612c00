import type { Label } from '../../core/frame/label.ts';
import { formatId, idToTopic } from '../../core/identity/id.ts';
import { parseInboxTopic } from '../../core/inbox.ts';
import type { BrokerConnection, Publication } from '../../core/ports.ts';
import { systemClock } from '../../node/clock.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { connectMqtt } from '../../roles/mqtt/connection.ts';
import { labelIn } from '../middle.ts';
import type { Narrator } from './narrator.ts';

/** Publications that are kept to be told of; later ones are counted only. */
const KEPT_MAX = 1000;

interface Seen {
  readonly topic: string;
  readonly bytes: Uint8Array;
}

/** A client without any key that subscribes to everything: it sees what whoever runs the broker sees. */
export class BrokerView implements AsyncDisposable {
  readonly #broker: BrokerConnection;
  #kept: Seen[] = [];
  #count = 0;
  #more: PromiseWithResolvers<void> = Promise.withResolvers();

  /** Rejects with `broker-unreachable` or `broker-refused`. */
  static async open(url: string): Promise<BrokerView> {
    const broker = await connectMqtt({ url, clock: systemClock, random: nodeCrypto.random });
    const view = new BrokerView(broker);
    await broker.subscribe('#', 1, async (publication) => view.#take(publication));
    return view;
  }

  private constructor(broker: BrokerConnection) {
    this.#broker = broker;
  }

  /** How many publications it has seen. */
  get count(): number {
    return this.#count;
  }

  /** Resolves once `count` messages on `topic` have passed. */
  async seen(topic: string, count: number): Promise<void> {
    while (this.#kept.filter((seen) => seen.topic === topic).length < count) await this.#more.promise;
  }

  /** Tells what was seen so far, the last message on `topic` above all, and looks for each of `words` in all of it. */
  tell(narrator: Narrator, topic: string, words: readonly string[]): void {
    const frame = this.#frame(topic);
    if (!frame) return;
    const seen = this.#kept;
    this.#kept = [];
    const [handshakes, inboxes, messages] = [seen.filter(isHandshake), seen.filter(isInbox), seen.filter(isMessage)];
    const [handshake] = handshakes;
    narrator.fact('handshakes', `${amount(handshakes)}, in inboxes such as ${handshake ? short(handshake.topic) : ''}`);
    narrator.fact('inboxes', `${amount(inboxes)}: signed receipts, and what is said with the notary`);
    narrator.fact('messages', `${amount(messages)}, on ${topic}, such as:`);
    const { bytes, label } = frame;
    narrator.fact('bytes', `${bytes.length}, ending with ${Buffer.from(bytes.subarray(-24)).toString('hex')}`);
    narrator.fact('sender', formatId(label.senderId));
    narrator.fact('HMAC', Buffer.from(label.mac).toString('hex'));
    const all = Buffer.concat(seen.map(({ bytes: some }) => some));
    const found = words.some((word) => all.includes(word));
    narrator.fact('reading', found ? 'READABLE' : `nowhere in these ${all.length} bytes`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker.close();
  }

  #take({ topic, payload }: Publication): void {
    this.#count += 1;
    if (this.#count > KEPT_MAX) return;
    this.#kept.push({ topic, bytes: payload });
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  }

  #frame(topic: string): { readonly bytes: Uint8Array; readonly label: Label } | undefined {
    const bytes = this.#kept.findLast((seen) => seen.topic === topic)?.bytes;
    const label = bytes && labelIn(bytes);
    return label && { bytes, label };
  }
}

function isHandshake({ topic }: Seen): boolean {
  return parseInboxTopic(topic)?.lane === 'handshake';
}

function isInbox({ topic }: Seen): boolean {
  return parseInboxTopic(topic)?.lane === 'frames';
}

function isMessage({ topic }: Seen): boolean {
  return parseInboxTopic(topic) === null;
}

function amount(seen: readonly Seen[]): string {
  const bytes = seen.reduce((sum, { bytes: { length } }) => sum + length, 0);
  return `${seen.length}, of ${bytes} bytes together`;
}

/** Ids in an inbox's topic, cut. */
function short(topic: string): string {
  const address = parseInboxTopic(topic);
  if (!address) return topic;
  return [address.to, address.from].reduce((text, id) => text.replace(idToTopic(id), cut(idToTopic(id))), topic);
}

function cut(id: string): string {
  return `${id.slice(0, 6)}…`;
}
