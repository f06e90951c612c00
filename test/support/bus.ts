import type { ErrorCode } from '../../src/core/errors.ts';
import type { Label } from '../../src/core/frame/label.ts';
import { receiveFrame } from '../../src/core/frame/open.ts';
import { type InboxLane, parseInboxTopic } from '../../src/core/inbox.ts';
import type { Qos } from '../../src/core/ports.ts';
import { Bus, type BusChannels, type BusMessage, type BusPublishOptions } from '../../src/roles/bus/bus.ts';
import type { BusLogging } from '../../src/roles/bus/bus-sessions.ts';
import type { DeliveryOptions } from '../../src/roles/delivery/delivery.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';
import type { LabelSink } from '../../src/roles/label-sink.ts';
import type { Published } from '../../src/roles/memory-broker.ts';
import type { Sent } from '../../src/roles/send-queue.ts';
import type { SessionEvent } from '../../src/roles/session-events.ts';
import { type HostileBroker, hostileBroker } from './hostile-broker.ts';
import { NOW_MS } from './identities.ts';
import { type ManualClock, manualClock } from './manual-clock.ts';
import { elapse, identityOf, type PeerMore, peerOf } from './session-pair.ts';

/** How somebody takes part at a {@link Square}. */
export interface VisitorOptions extends PeerMore {
  /** 1 unless told. */
  readonly qos?: Qos;
  readonly logging?: BusLogging;
  readonly channels?: BusChannels;
  readonly delivery?: DeliveryOptions;
  /** Where labels of channels are logged. */
  readonly sink?: LabelSink;
}

/** Something that was refused, and where it came from. */
export interface Refused {
  readonly code: ErrorCode;
  readonly where: string;
}

/** Why a session ended without its signed end, with whom, and when (milliseconds since the start). */
export interface Lost {
  readonly code: ErrorCode;
  readonly peer: string;
  readonly atMs: number;
}

/** Somebody at the broker, and what is told to it. */
export interface Visitor {
  readonly identity: OwnIdentity;
  readonly bus: Bus;
  /** What happens in its sessions. */
  readonly events: readonly SessionEvent[];
  readonly refused: readonly Refused[];
  readonly lost: readonly Lost[];
  /** It is gone without a word. */
  vanish(): Promise<void>;
}

/** A broker in memory that does as it is told, a clock that stands still, and those who meet there. */
export class Square implements AsyncDisposable {
  readonly clock: ManualClock = manualClock(NOW_MS);
  readonly broker: HostileBroker = hostileBroker();
  readonly #buses: Bus[] = [];

  /** Somebody joins: `alice`, `bob`, `carol` or `notary`; `client` tells lines apart in what the broker sees. */
  async enter(
    name: string,
    { qos = 1, logging, channels, delivery, sink, ...more }: VisitorOptions = {},
    client = name,
  ): Promise<Visitor> {
    const [events, refused, lost]: [SessionEvent[], Refused[], Lost[]] = [[], [], []];
    const onEvent = (event: SessionEvent): void => void events.push(event);
    const peer = await peerOf(name, this.clock, { ...more, options: { onEvent, ...more.options } });
    const broker = this.broker.connect(client);
    const bus = await Bus.open({
      peer,
      broker,
      qos,
      ...(logging ? { logging } : {}),
      ...(channels ? { channels } : {}),
      ...(delivery ? { delivery } : {}),
      ...(sink ? { sink } : {}),
      onRefused: ({ code }, where) => void refused.push({ code, where }),
      onLost: ({ code }, session) => void lost.push({ code, peer: session.peer.name, atMs: this.nowMs }),
    });
    this.#buses.push(bus);
    return { identity: peer.identity, bus, events, refused, lost, vanish: () => broker.close() };
  }

  /** Milliseconds since the start. */
  get nowMs(): number {
    return this.clock.now() - NOW_MS;
  }

  /** Lets time go by until `work` has come to its end; that is what it gives. */
  elapse<T>(work: Promise<T>): Promise<T> {
    return elapse(this.clock, work);
  }

  /** Lets so much time go by, with all that happens meanwhile. */
  wait(ms: number): Promise<void> {
    return this.elapse(new Promise((resolve) => void this.clock.after(ms, resolve)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.broker.tamper();
    await this.elapse(Promise.all(this.#buses.map((bus) => bus.close())));
  }
}

/** Publishes a text for whoever is trusted as `to`. */
export async function tell(
  { bus }: Visitor,
  to: string,
  topic: string,
  text: string,
  options: BusPublishOptions = {},
): Promise<Sent> {
  const { id } = await identityOf(to);
  return bus.publish(topic, new TextEncoder().encode(text), { id, name: to }, options);
}

/** One after the other, each in a frame of its own. */
export async function tellAll(from: Visitor, to: string, topic: string, texts: readonly string[]): Promise<void> {
  for (const text of texts) await tell(from, to, topic, text);
}

/** A message as `from topic: text`. */
export function sentence({ from, topic, payload }: BusMessage): string {
  return `${from} ${topic}: ${new TextDecoder().decode(payload)}`;
}

/** Whoever is told messages. */
export interface Listener {
  readonly bus: { [Symbol.asyncIterator](): AsyncIterableIterator<BusMessage> };
}

/** The next `count` messages; throws where there are no more. */
export async function overhear({ bus }: Listener, count: number): Promise<string[]> {
  const sentences: string[] = [];
  const messages = bus[Symbol.asyncIterator]();
  while (sentences.length < count) {
    const { value } = await messages.next();
    if (!value) throw new Error(`there were ${sentences.length} of ${count} messages`);
    sentences.push(sentence(value));
  }
  return sentences;
}

/** The next `count` messages themselves. */
export async function takeMessages({ bus }: Listener, count: number): Promise<BusMessage[]> {
  const messages: BusMessage[] = [];
  for await (const message of bus) {
    messages.push(message);
    if (messages.length === count) break;
  }
  return messages;
}

/** Everything that is still to come, until the bus is closed. */
export async function overhearAll({ bus }: Listener): Promise<string[]> {
  const sentences: string[] = [];
  for await (const message of bus) sentences.push(sentence(message));
  return sentences;
}

/** The label of a frame; undefined for anything else, as messages of handshakes. */
export function labelOf({ payload }: Pick<Published, 'payload'>): Label | undefined {
  try {
    return receiveFrame(payload).label;
  } catch {
    return undefined;
  }
}

/** True for what was published to an inbox; to one lane of it, where that is named. */
export function isInbox({ topic }: Pick<Published, 'topic'>, lane?: InboxLane): boolean {
  const address = parseInboxTopic(topic);
  return address !== null && (lane === undefined || address.lane === lane);
}
