import { FRAME_BYTES_MAX } from '../../core/limits.ts';
import type { Qos } from '../../core/ports.ts';
import { AckWriter } from './acks.ts';
import {
  type IConnackPacket,
  type IPublishPacket,
  type MqttClient,
  type Packet,
  packetPayload,
  reasonCode,
  reasonText,
} from './client.ts';
import type { Arrival } from './intake.ts';
import type { MqttSettings } from './options.ts';
import type { Failure } from './refusals.ts';
import type { Grant, SubscribeOutlet } from './subscriptions.ts';
import type { Outgoing, Outlet } from './window.ts';

/** How a connection ended. */
export interface LinkEnd {
  readonly failure: Failure;
  /** Reason code of the broker's DISCONNECT, which MQTT 5.0 has. */
  readonly reason: number | undefined;
  /** A publication was taken over it, by the broker or from it. */
  readonly useful: boolean;
}

/** What a {@link Link} tells. */
export interface LinkEvents {
  /** False where there is no room now: offered again after {@link Link.resume}. */
  readonly onArrival: (arrival: Arrival) => boolean;
  /** A publication over the bound came, and was dropped. */
  readonly onOversized: (topic: string, payloadBytes: number) => void;
  /** There may be room for more to be written. */
  readonly onRoom: () => void;
  /** True while an answer of the broker is awaited, which may be behind what was not accepted. */
  readonly awaitsAnswers: () => boolean;
  /** Once. */
  readonly onEnd: (end: LinkEnd) => void;
}

/** What the broker takes, as far as it has said so. */
export interface BrokerLimits {
  /** Undefined where it takes packets of any length. */
  readonly packetBytesMax: number | undefined;
  readonly qosMax: Qos;
  readonly retains: boolean;
}

/**
 * At MQTT 3.1.1 the broker cannot say how many publications of QoS 2 it takes at once. Mosquitto 2.0 takes 20 unless it
 * is told otherwise; those beyond it acknowledges, and never delivers.
 */
const QOS2_MAX_311 = 20;

/** One network connection that the broker has said yes to. It is used until it ends, and never again. */
export class Link implements Outlet, SubscribeOutlet {
  readonly unacknowledgedMax: number;
  readonly unacknowledgedQos2Max: number;
  readonly limits: BrokerLimits;
  readonly #client: MqttClient;
  readonly #settings: MqttSettings;
  readonly #events: LinkEvents;
  readonly #acks: AckWriter;
  readonly #ended = Promise.withResolvers<void>();
  /** The quality of service and id of the publication that MQTT.js is about to hand over. */
  #announced: { readonly qos: Qos; readonly id: number } | undefined;
  /** What was not accepted, and how MQTT.js is told to go on. */
  #held: { readonly arrival: Arrival; readonly goOn: () => void } | undefined;
  readonly #timers = new Set<() => void>();
  #failure: Failure = { kind: 'closed' };
  #reason: number | undefined;
  #isDown = false;
  #isUseful = false;

  constructor(client: MqttClient, connack: IConnackPacket, settings: MqttSettings, events: LinkEvents) {
    this.#client = client;
    this.#settings = settings;
    this.#events = events;
    this.#acks = new AckWriter(
      (bytes) => {
        if (!this.#isDown) client.stream.write(bytes);
      },
      () => settings.clock.turn(),
    );
    const { receiveMaximum = 65_535, maximumPacketSize, maximumQoS, retainAvailable } = connack.properties ?? {};
    this.unacknowledgedMax = receiveMaximum;
    this.unacknowledgedQos2Max = client.options.protocolVersion === 5 ? receiveMaximum : QOS2_MAX_311;
    this.limits = {
      packetBytesMax: maximumPacketSize,
      qosMax: (maximumQoS ?? 2) as Qos,
      retains: retainAvailable ?? true,
    };
    client.handleMessage = (packet, goOn) => this.#arrived(packet, goOn);
    client.on('packetreceive', (packet) => this.#announce(packet));
    client.on('disconnect', ({ reasonCode: reason }) => {
      this.#reason = reason ?? 0;
      this.destroy();
    });
    client.on('error', (error) => this.#fail(error));
    client.stream.on('error', (error: unknown) => this.#fail(error));
    client.stream.on('drain', () => events.onRoom());
    client.on('close', () => this.#end());
  }

  get hasRoom(): boolean {
    return !this.#client.stream.writableNeedDrain;
  }

  send(publication: Outgoing, again: boolean, settled: (refusal?: string) => void): void {
    const { qosMax, retains } = this.limits;
    const qos = Math.min(publication.qos, qosMax) as Qos;
    const retain = publication.retain && retains;
    const payload = packetPayload(publication.payload);
    if (publication.qos === 0) {
      this.#client.publish(publication.topic, payload, { qos, retain });
      return;
    }
    this.#client.publish(publication.topic, payload, { qos, retain, dup: again && qos > 0 }, (error) => {
      if (this.#isDown) return;
      const reason = reasonCode(error);
      // An error without a code is the connection’s end.
      if (!error) this.#isUseful = true;
      if (!error || reason !== undefined) settled(reason === undefined ? undefined : reasonText(reason));
    });
  }

  subscribe(filter: string, qos: Qos, answered: (grant: Grant) => void): void {
    const answer = this.#once<Grant>(answered, { refusal: `no answer within ${this.#settings.connectTimeoutMs} ms` });
    this.#client.subscribe(filter, { qos }, (error, _asked, packet) => {
      const [granted] = packet?.granted ?? suback(error) ?? [];
      if (typeof granted !== 'number') return;
      answer(granted > 2 ? { refusal: refusalText(granted) } : { qos: granted as Qos });
    });
  }

  unsubscribe(filter: string, answered: () => void): void {
    const answer = this.#once(answered, undefined);
    this.#client.unsubscribe(filter, () => answer(undefined));
  }

  /** Offers again what was not accepted. */
  resume(): void {
    const held = this.#held;
    if (!held || !this.#events.onArrival(held.arrival)) return;
    this.#held = undefined;
    held.goOn();
  }

  /** Says goodbye after what was written; resolves when the line is down, `timeoutMs` later at most. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#isDown) return;
    this.#later(timeoutMs, () => this.destroy());
    this.#acks.flush();
    // Those that are not acknowledged would make MQTT.js wait for them.
    this.#client.outgoing = {};
    // Nobody comes back for what the broker would keep for a broken connection.
    const forget = this.#client.options.protocolVersion === 5 && this.#settings.keepSessionS === 0;
    this.#client.end(false, forget ? { properties: { sessionExpiryInterval: 0 } } : {});
    await this.#ended.promise;
  }

  /** Breaks it off. */
  destroy(): void {
    this.#client.stream.destroy();
  }

  /**
   * MQTT.js would acknowledge by itself: at QoS 1 it reads nothing more until then, not even the acknowledgements that
   * we wait for; at QoS 2 it does so before anybody has seen the publication. So it gets to see one of QoS 0, which it
   * hands over at once, and the acknowledgement is ours. To PUBREL, of an id that it does not know, it answers itself.
   */
  #announce(packet: Packet): void {
    if (packet.cmd !== 'publish') return;
    const { qos, messageId = 0 } = packet;
    this.#announced = { qos, id: messageId };
    packet.qos = 0;
  }

  #arrived(packet: IPublishPacket, goOn: () => void): void {
    const { qos, id } = this.#announced ?? { qos: 0, id: 0 };
    const { topic, retain } = packet;
    this.#isUseful = true;
    const acknowledge = (): void => this.#acks.acknowledge(qos, id);
    // A copy: the parser's bytes keep the whole chunk alive that they came with.
    const payload = new Uint8Array(packet.payload as Uint8Array);
    if (payload.length > FRAME_BYTES_MAX) {
      acknowledge();
      this.#events.onOversized(topic, payload.length);
      goOn();
      return;
    }
    const arrival = { publication: { topic, payload, retained: retain }, taken: acknowledge };
    if (this.#events.onArrival(arrival)) goOn();
    else this.#hold(arrival, goOn);
  }

  #hold(arrival: Arrival, goOn: () => void): void {
    this.#held = { arrival, goOn };
    if (this.#client.keepalive > 0) this.#keepAlive();
  }

  /**
   * While nothing is read, the broker's answer to a ping is not either, and MQTT.js would break the connection off. It
   * may only where we wait for an answer ourselves: nothing that was held would ever go on.
   */
  #keepAlive(): void {
    this.#later((this.#client.keepalive * 1000) / 2, () => {
      if (!this.#held || this.#isDown) return;
      if (!this.#events.awaitsAnswers()) {
        this.#client.sendPing();
        this.#client.reschedulePing(true);
      }
      this.#keepAlive();
    });
  }

  /** Calls `answered` with the first of: what it is called with, or `late` after a while; never once the line is down. */
  #once<T>(answered: (answer: T) => void, late: T): (answer: T) => void {
    let isAnswered = false;
    const answer = (value: T): void => {
      stop();
      if (isAnswered || this.#isDown) return;
      isAnswered = true;
      answered(value);
    };
    const stop = this.#later(this.#settings.connectTimeoutMs, () => answer(late));
    return answer;
  }

  /** A timer that ends with the line. */
  #later(delayMs: number, action: () => void): () => void {
    const stop = this.#settings.clock.after(delayMs, () => {
      this.#timers.delete(stop);
      action();
    });
    this.#timers.add(stop);
    return () => {
      this.#timers.delete(stop);
      stop();
    };
  }

  #fail(error: unknown): void {
    if (this.#failure.kind === 'closed') this.#failure = { kind: 'error', error };
    this.destroy();
  }

  #end(): void {
    if (this.#isDown) return;
    this.#isDown = true;
    this.#held = undefined;
    for (const stop of this.#timers) stop();
    this.#timers.clear();
    this.#ended.resolve();
    this.#events.onEnd({ failure: this.#failure, reason: this.#reason, useful: this.#isUseful });
  }
}

function suback(error: unknown): readonly unknown[] | undefined {
  if (!(error instanceof Error) || !('packet' in error)) return undefined;
  const packet = error.packet as { readonly granted?: readonly unknown[] } | undefined;
  return packet?.granted;
}

/** 0x80 is all that MQTT 3.1.1 can say. */
function refusalText(code: number): string {
  return code === 128 ? 'it gives no reason' : reasonText(code);
}
