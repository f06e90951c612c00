import { utf8ToBytes } from '../../core/bytes.ts';
import { SealwireError } from '../../core/errors.ts';
import type { BrokerConnection, PublishOptions, Qos, Subscription, TakePublication } from '../../core/ports.ts';
import { checkFilter } from '../../core/topic.ts';
import { Pauses } from '../pauses.ts';
import { lineClosed, PublicationCheck } from '../publishing.ts';
import { type IConnackPacket, type MqttClient, PacketIds } from './client.ts';
import { type DialFailure, type Dialling, dial } from './dialing.ts';
import type { BrokerEvent } from './events.ts';
import { Intake } from './intake.ts';
import { Link, type LinkEnd } from './link.ts';
import { type MqttOptions, type MqttSettings, type MqttVersion, mqttSettings } from './options.ts';
import { lossError } from './refusals.ts';
import { Subscriptions } from './subscriptions.ts';
import { TakeoverWatch } from './takeover.ts';
import { Window } from './window.ts';

/**
 * Connects to a broker of MQTT 5.0 or 3.1.1. The broker is only waited for the first time: a connection lost later is
 * made again behind the scenes, and `onEvent` tells. What others publish meanwhile waits at a broker of MQTT 5.0 for
 * `resumeS`, and is lost to this line at one of 3.1.1, where sessions end with their connections. Throws `address-invalid`; `broker-unreachable` where nothing answers; `broker-refused`
 * for wrong credentials, missing rights or a certificate that is not trusted; `certificate-invalid` for one of ours
 * that TLS cannot use.
 */
export async function connectMqtt(options: MqttOptions): Promise<BrokerConnection> {
  const line = new MqttLine(mqttSettings(options));
  await line.start();
  return line;
}

/** The broker's own reason for throwing out whoever's id another client has come with (MQTT 5.0, section 2.4). */
const SESSION_TAKEN_OVER = 0x8e;

/** A connection that lived so long and was of use was not broken by what is sent first. */
const GOOD_MS = 1_000;

/** Owns the network connections, one after the other, and nobody else makes one. */
class MqttLine implements BrokerConnection {
  readonly #settings: MqttSettings;
  readonly #check = new PublicationCheck();
  readonly #window: Window;
  readonly #subscriptions: Subscriptions;
  readonly #intake: Intake;
  readonly #pauses: Pauses;
  readonly #takeover: TakeoverWatch;
  readonly #ids = new PacketIds();
  #hasSentQos2 = false;
  /** Undefined until the broker has taken one. */
  #version: MqttVersion | undefined;
  #link: Link | undefined;
  #upSinceMs: number | undefined;
  #dialling: Dialling | undefined;
  #stopPause: () => void = () => {};
  #stopPatience: () => void = () => {};
  #isClosing = false;
  /** No connection is to be made any more. */
  #isOver = false;
  #closing: Promise<void> | undefined;

  constructor(settings: MqttSettings) {
    this.#settings = settings;
    const { clock, random, pauseMinMs, pauseMaxMs } = settings;
    this.#version = settings.protocolVersion;
    this.#pauses = new Pauses({ random, minMs: pauseMinMs, maxMs: pauseMaxMs });
    this.#takeover = new TakeoverWatch(pauseMaxMs);
    this.#window = new Window({
      countMax: settings.windowMax,
      bytesMax: settings.windowBytesMax,
      turn: () => clock.turn(),
      onRefused: (topic, reason) =>
        this.#tell({ type: 'publication-refused', topic, error: refusedTopic(topic, reason) }),
    });
    this.#subscriptions = new Subscriptions({
      isPatient: settings.keepSessionS > 0,
      onRefused: (filter, error) => this.#tell({ type: 'subscription-refused', filter, error }),
      onTakeFailed: (topic, error) => this.#tell({ type: 'take-failed', topic, error }),
    });
    this.#intake = new Intake({
      countMax: settings.intakeMax,
      bytesMax: settings.intakeBytesMax,
      turn: () => clock.turn(),
      take: (publication) => this.#subscriptions.take(publication),
      onRoom: () => this.#link?.resume(),
    });
  }

  get remote(): string {
    return this.#settings.address.remote;
  }

  /** The first connection: it comes about, or this throws. */
  async start(): Promise<void> {
    const { clock, connectTimeoutMs, keepSessionS } = this.#settings;
    const failure = await this.#dial();
    if (failure) throw failure.error;
    if (keepSessionS > 0) this.#stopPatience = clock.after(connectTimeoutMs, () => this.#subscriptions.losePatience());
  }

  async publish(
    topic: string,
    payload: Uint8Array,
    { qos, retain = false, mayLeave = always }: PublishOptions,
  ): Promise<void> {
    const refusal = this.#isClosing ? lineClosed(this.remote) : this.#refusal(topic, payload);
    if (refusal) throw refusal;
    if (qos === 2) this.#hasSentQos2 = true;
    await this.#window.publish({ topic, payload, qos, retain, mayLeave });
  }

  async subscribe(filter: string, qos: Qos, take: TakePublication): Promise<Subscription> {
    if (this.#isClosing) throw lineClosed(this.remote);
    return await this.#subscriptions.subscribe(checkFilter(filter), qos, take);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { clock, closeTimeoutMs } = this.#settings;
    this.#isClosing = true;
    const closed = lineClosed(this.remote);
    this.#subscriptions.close(closed);
    // Nothing that is held may keep the acknowledgements away that are waited for here.
    this.#intake.close();
    const deadline = Promise.withResolvers<void>();
    const stopTimer = clock.after(closeTimeoutMs, deadline.resolve);
    const startMs = clock.elapsed();
    await Promise.race([this.#window.drained(), deadline.promise]);
    stopTimer();
    this.#isOver = true;
    this.#stopPause();
    this.#stopPatience();
    this.#dialling?.abort();
    this.#window.abandon(closed);
    // A moment is left even where the broker has used up all of the time: goodbye takes no answer.
    await this.#link?.close(Math.max(100, closeTimeoutMs - (clock.elapsed() - startMs)));
  }

  #refusal(topic: string, payload: Uint8Array): SealwireError | undefined {
    return this.#check.refusal(topic, payload) ?? this.#packetRefusal(topic, payload);
  }

  #packetRefusal(topic: string, payload: Uint8Array): SealwireError | undefined {
    const packetBytesMax = this.#link?.limits.packetBytesMax;
    if (packetBytesMax === undefined || packetBytes(topic, payload) <= packetBytesMax) return undefined;
    return new SealwireError(
      'too-large',
      `${payload.length} bytes on ${topic} are more than ${this.remote} takes: packets of ${packetBytesMax} bytes.`,
      { hint: 'Send it in pieces, or ask who runs the broker to take larger packets.' },
    );
  }

  /** One attempt; until a broker has taken a version, with 3.1.1 where 5.0 may be what it does not know. */
  async #dial(): Promise<DialFailure | undefined> {
    const version = this.#version ?? 5;
    const failure = await this.#dialOnce(version);
    const isWorthAnother = failure?.mayBeVersion && this.#version === undefined && !this.#isOver;
    return isWorthAnother ? await this.#dialOnce(4) : failure;
  }

  async #dialOnce(version: MqttVersion): Promise<DialFailure | undefined> {
    const past = { resume: this.#mayResume(version), ids: this.#ids };
    this.#dialling = dial(this.#settings, version, past, (client, connack) => {
      const isFirst = this.#upSinceMs === undefined;
      this.#version = version;
      this.#up(client, connack);
      if (!isFirst) this.#tell({ type: 'reconnected' });
    });
    const failure = await this.#dialling.result;
    this.#dialling = undefined;
    return failure;
  }

  /**
   * At QoS 2 the broker would go on to wait for the release of ids that we no longer know, and they would use up what it
   * takes at once.
   */
  #mayResume(version: MqttVersion): boolean {
    return version === 5 && this.#settings.resumeS > 0 && this.#upSinceMs !== undefined && !this.#hasSentQos2;
  }

  #up(client: MqttClient, connack: IConnackPacket): void {
    const link: Link = new Link(client, connack, this.#settings, {
      onArrival: (arrival) => this.#intake.offer(arrival),
      onOversized: (topic, bytes) => this.#tell({ type: 'publication-ignored', topic, error: oversized(topic, bytes) }),
      onRoom: () => this.#window.flow(),
      awaitsAnswers: () => this.#window.awaitsAnswers || this.#subscriptions.awaitsAnswers,
      onEnd: (end) => this.#down(end),
    });
    this.#link = link;
    this.#upSinceMs = this.#settings.clock.elapsed();
    // First of all whoever answers what we are about to send must be heard.
    this.#subscriptions.attach(link);
    this.#window.attach(link);
  }

  #down({ failure, reason, useful }: LinkEnd): void {
    this.#link = undefined;
    this.#window.detach();
    this.#subscriptions.detach();
    if (this.#isOver) return;
    const livedMs = this.#settings.clock.elapsed() - (this.#upSinceMs ?? 0);
    const { taken, promising } = this.#takeover.ended({
      livedMs,
      useful,
      saidTaken: reason === SESSION_TAKEN_OVER,
      silent: reason === undefined && failure.kind === 'closed',
    });
    if (promising) this.#pauses.reset();
    this.#tell({ type: 'lost', error: lossError(this.remote, failure, reason) });
    if (taken) this.#tell({ type: 'client-id-taken', error: this.#idTaken() });
    // At once, but where something we send may be what breaks it: then it would come right back.
    this.#pause(promising && livedMs >= GOOD_MS ? this.#pauses.first() : this.#pauses.next());
  }

  #pause(pauseMs: number): void {
    this.#stopPause = this.#settings.clock.after(pauseMs, () => void this.#again());
  }

  async #again(): Promise<void> {
    const failure = await this.#dial();
    if (!failure || this.#isOver) return;
    const pauseMs = this.#pauses.next();
    this.#pause(pauseMs);
    this.#tell({ type: 'still-lost', error: failure.error, pauseMs });
  }

  #tell(event: BrokerEvent): void {
    this.#settings.onEvent(event);
  }

  #idTaken(): SealwireError {
    const { clientId } = this.#settings;
    return new SealwireError('client-id-taken', `Another client at ${this.remote} seems to go by the id ${clientId}.`, {
      hint: 'Give each client an id of its own, or none: then it is random.',
    });
  }
}

/** At most: the fixed header with the longest length, the topic after its length, an id, and no properties. */
function packetBytes(topic: string, payload: Uint8Array): number {
  return 1 + 4 + 2 + utf8ToBytes(topic).length + 2 + 1 + payload.length;
}

function refusedTopic(topic: string, reason: string): SealwireError {
  return new SealwireError('broker-refused', `The broker does not take what is published on ${topic}: ${reason}.`, {
    hint: 'Ask who runs the broker for the right to write there.',
  });
}

function oversized(topic: string, bytes: number): SealwireError {
  return new SealwireError('too-large', `${bytes} bytes came on ${topic}, which are more than a frame may have.`);
}

function always(): boolean {
  return true;
}
