import type { TestContext } from 'node:test';
import type { JoinOptions, PublishOptions, SealwireBus } from '../../src/apps/open-bus.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { Bus, type BusPublishOptions } from '../../src/roles/bus/bus.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';
import { connectMqtt } from '../../src/roles/mqtt/connection.ts';
import type { MqttVersion } from '../../src/roles/mqtt/options.ts';
import { Peer, type PeerOptions } from '../../src/roles/peer.ts';
import type { Sent } from '../../src/roles/send-queue.ts';
import type { SessionTuning } from '../../src/roles/session-context.ts';
import type { SessionEvent } from '../../src/roles/session-events.ts';
import type { Lost, Refused, Visitor, VisitorOptions } from './bus.ts';
import type { PeerMore } from './session-pair.ts';
import { type Actor, type Member, Stage } from './stage.ts';

/** A member at a broker. */
export interface BusActor extends Actor {
  readonly bus: SealwireBus;
}

/** A stage that is cleared after the test. */
export async function stageFor(context: TestContext, names: readonly string[]): Promise<Stage> {
  const stage = await Stage.open({ names });
  context.after(() => stage[Symbol.asyncDispose]());
  return stage;
}

/** How {@link enterBroker} opens a peer. */
export interface EnterOptions extends JoinOptions {
  readonly tuning?: Partial<SessionTuning>;
}

/** A member joins the broker at `url`, and logs nothing but what `notary` says. */
export async function enterBroker(
  stage: Stage,
  name: string,
  url: string,
  { tuning, ...options }: EnterOptions = {},
): Promise<BusActor> {
  const actor = await stage.enter(name, tuning, null);
  return { ...actor, bus: await actor.peer.join(url, options) };
}

/** How {@link joinAs} makes a peer. */
export interface GuestOptions extends Omit<VisitorOptions, keyof PeerMore | 'sink'>, Partial<PeerOptions> {
  /** Whom it trusts. */
  readonly trusts: readonly Member[];
  /** Of MQTT; 5 unless told. */
  readonly protocolVersion?: MqttVersion;
}

/** An identity at a broker without a home, a notary or a clock of its own; it leaves after the test. */
export async function joinAs(
  context: TestContext,
  url: string,
  identity: OwnIdentity,
  { trusts, qos = 1, protocolVersion = 5, ...options }: GuestOptions,
): Promise<Visitor> {
  const anchors = trusts.map(({ name, identity: { id } }) => ({ name, id }));
  const [events, refused, lost]: [SessionEvent[], Refused[], Lost[]] = [[], [], []];
  const startMs = systemClock.now();
  const peer = new Peer({
    identity,
    anchors: () => anchors,
    crypto: nodeCrypto,
    clock: systemClock,
    verifierOf: nodeVerifier,
    onEvent: (event) => void events.push(event),
    ...options,
  });
  const broker = await connectMqtt({ url, protocolVersion, clock: systemClock, random: nodeCrypto.random });
  const bus = await Bus.open({
    peer,
    broker,
    qos,
    onRefused: ({ code }, where) => void refused.push({ code, where }),
    onLost: ({ code }, session) => void lost.push({ code, peer: session.peer.name, atMs: systemClock.now() - startMs }),
  });
  context.after(() => bus.close());
  return { identity, bus, events, refused, lost, vanish: () => broker.close() };
}

/** Publishes a text. */
export function tellOn(
  { bus }: BusActor,
  to: string,
  topic: string,
  text: string,
  options: Omit<PublishOptions, 'to'> = {},
): Promise<Sent> {
  return bus.publish(topic, new TextEncoder().encode(text), { to, ...options });
}

/** As {@link tellOn}, for whoever has joined without a home. */
export function tellMember(
  { bus }: Visitor,
  { name, identity: { id } }: Member,
  topic: string,
  text: string,
  options: BusPublishOptions = {},
): Promise<Sent> {
  return bus.publish(topic, new TextEncoder().encode(text), { id, name }, options);
}
