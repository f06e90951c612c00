import type { TestContext } from 'node:test';
import type { RunningNotary } from '../../src/apps/notary.ts';
import type { NotaryBroker } from '../../src/apps/notary-bus.ts';
import type { JoinOptions, PublishOptions, SealwireBus } from '../../src/apps/open-bus.ts';
import type { Sent } from '../../src/roles/send-queue.ts';
import type { SessionTuning } from '../../src/roles/session-context.ts';
import { type Actor, Stage } from './stage.ts';

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

/** The stage's notary listens in at the broker. */
export function notaryAt(stage: Stage, broker: NotaryBroker): Promise<RunningNotary> {
  return stage.startNotary(broker);
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
