import type { TestContext } from 'node:test';
import { connect } from 'mqtt';
import { bytesToHex, equalBytes } from '../../src/core/bytes.ts';
import { Random } from '../fuzz/random.ts';
import { type TestBroker, useMosquitto } from '../support/brokers.ts';
import { labelOf } from '../support/bus.ts';
import { runSealwire } from '../support/child.ts';
import { Stage } from '../support/stage.ts';
import { Mortal } from './mortal.ts';

/** What came of some rounds. */
export interface Outcome {
  readonly rounds: number;
  /** Messages that `send` resolved for. */
  readonly acknowledged: number;
  /** Of these: what the reader got. */
  readonly delivered: number;
  /** Of these: what it did not get. */
  readonly lost: number;
  /** Messages that came again after they were acknowledged, or unmarked. */
  readonly duplicated: number;
  /** Places of ratchets that two labels claim. */
  readonly keysReused: number;
  /** What a full verification says of the notary's ledger in the end. */
  readonly ledger: 'ok' | 'broken';
}

/** How {@link runRounds} goes. */
export interface RoundsOptions {
  readonly rounds: number;
  /** What all chance follows from. */
  readonly seed: number;
  /** Told after each round. */
  readonly onRound?: (round: number, victim: Victim) => void;
}

/** Keeps what is to be done in the end. */
export interface Ends {
  after(end: () => unknown): void;
}

/** Who is killed. */
export type Victim = (typeof VICTIMS)[number];

const VICTIMS = ['sender', 'reader', 'broker', 'notary'] as const;
const MESSAGES_MAX = 40;
/** Within so long after the first message somebody dies. */
const KILL_WITHIN_MS = 150;
/** What did not arrive by then is lost. */
const PATIENCE_MS = 90_000;

/** Every label that passes the broker: two for one place are a key used twice. */
class Labels {
  readonly #byPlace = new Map<string, Uint8Array>();
  #reused = 0;

  get reused(): number {
    return this.#reused;
  }

  take(payload: Uint8Array): void {
    const label = labelOf({ payload });
    if (!label) return;
    const place = `${bytesToHex(label.senderId)} ${bytesToHex(label.ratchetId)} ${label.seq}`;
    const known = this.#byPlace.get(place);
    if (known && !equalBytes(known, label.bytes)) this.#reused += 1;
    this.#byPlace.set(place, label.bytes);
  }
}

/** What sender and reader say of messages. */
class Account {
  readonly acknowledged = new Set<number>();
  readonly #got = new Set<number>();
  readonly #done = new Set<number>();
  #duplicated = 0;
  #change = Promise.withResolvers<void>();

  readonly take = (line: string): void => {
    const [word, text] = line.split(' ');
    const number = Number(text);
    if (word === 'acknowledged') this.acknowledged.add(number);
    if (word === 'got' && this.#got.has(number)) this.#duplicated += 1;
    if (word === 'again' && this.#done.has(number)) this.#duplicated += 1;
    if (word === 'got' || word === 'again') this.#got.add(number);
    if (word === 'done') this.#done.add(number);
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  };

  get duplicated(): number {
    return this.#duplicated;
  }

  get missing(): number[] {
    return [...this.acknowledged].filter((number) => !this.#got.has(number));
  }

  /** Resolves when everything that was acknowledged has come, or patience is over. */
  async settle(patienceMs: number): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#change.resolve();
    }, patienceMs);
    while (this.missing.length > 0 && !late) await this.#change.promise;
    clearTimeout(timer);
  }
}

/**
 * A sensor sends to an operator through a Mosquitto as it comes, with a notary beside, each a process of its own; in
 * every round one of the four is killed while messages are under way, and starts anew. The next round begins when all
 * that was acknowledged has arrived.
 */
export async function runRounds(context: Ends, options: RoundsOptions): Promise<Outcome> {
  const { rounds, seed, onRound = () => {} } = options;
  const random = new Random(seed);
  const stage = await Stage.open();
  context.after(() => stage[Symbol.asyncDispose]());
  const broker = await useMosquitto(context as TestContext, { queuedMessagesMax: 1000 });
  const labels = new Labels();
  const account = new Account();
  const tap = connect(broker.url, { reconnectPeriod: 20 }).on('error', () => {});
  tap.on('connect', () => tap.subscribe('#', { qos: 1 })).on('message', (_topic, payload) => labels.take(payload));
  context.after(() => tap.endAsync(true));
  const start = (name: string, script: string): Mortal => {
    const mortal = new Mortal(script, [stage.member(name).home, broker.url], account.take);
    context.after(() => mortal.end());
    return mortal;
  };
  const notary = start('notary', './notary.ts');
  await notary.ready;
  const [reader, sender] = [start('operator', './reader.ts'), start('sensor', './sender.ts')];
  const kill: Readonly<Record<Victim, () => Promise<void>>> = {
    sender: () => sender.kill(),
    reader: () => reader.kill(),
    notary: () => notary.kill(),
    broker: () => restart(broker),
  };
  for (let round = 0; round < rounds; round++) {
    await Promise.all([sender.ready, reader.ready, notary.ready]);
    const victim = VICTIMS[random.below(VICTIMS.length)] ?? 'sender';
    const killed = after(random.below(KILL_WITHIN_MS), kill[victim]);
    sender.say(`${round * MESSAGES_MAX} ${1 + random.below(MESSAGES_MAX)}`);
    await killed;
    await sender.ready;
    await account.settle(PATIENCE_MS);
    onRound(round, victim);
    if (account.missing.length > 0) break;
  }
  await Promise.all([sender.end(), reader.end()]);
  await notary.end();
  const { code } = await runSealwire(['ledger', 'verify', '--home', stage.member('notary').home]);
  const lost = account.missing.length;
  return {
    rounds,
    acknowledged: account.acknowledged.size,
    delivered: account.acknowledged.size - lost,
    lost,
    duplicated: account.duplicated,
    keysReused: labels.reused,
    ledger: code === 0 ? 'ok' : 'broken',
  };
}

async function restart(broker: TestBroker): Promise<void> {
  await broker.stop('kill');
  await broker.start();
}

function after(ms: number, action: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => setTimeout(() => action().then(resolve, reject), ms));
}
