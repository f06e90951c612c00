import { diedError } from '../../node/child-server.ts';
import { aborted } from '../context.ts';
import type { Cast } from './cast.ts';
import { type Counts, Operator, Sensor, TOPIC } from './conversation.ts';
import { editedCopy, judgeLedger } from './ledger-judge.ts';
import type { Narrator } from './narrator.ts';
import { describeReading, type Reading } from './readings.ts';
import { Refusals } from './refusals.ts';
import { playSocketScene } from './socket-scene.ts';
import { type Stage, setStage } from './stage.ts';
import type { StoryPace } from './story-pace.ts';

/** What came of it: the tour's last line. */
export interface Outcome {
  /** Messages that sensor and operator sealed. */
  readonly sealed: number;
  /** Messages that they took in. */
  readonly opened: number;
  /** Entries of the ledger, the notary's own included. */
  readonly logged: number;
  readonly blocks: number;
  /** Forgeries turned away: frames, and edited copies of the ledger. What merely came twice is none. */
  readonly refused: number;
  readonly ledger: 'valid' | 'broken';
}

/** Readings after which each scene is played. */
const SCENE = { broker: 2, command: 3, socket: 5, ledger: 7 } as const;

/** How the story is played. */
export interface StoryOptions extends StoryPace {
  /** With the embedded broker even where Mosquitto is installed. */
  readonly embedded: boolean;
}

/** Plays the whole story: real keys, a real broker, real sockets, a real ledger on disk. */
export async function playStory(cast: Cast, narrator: Narrator, options: StoryOptions): Promise<Outcome> {
  const refusals = new Refusals(narrator);
  await using stage = await setStage({ cast, narrator, refusals, embedded: options.embedded });
  const story = new Story({ stage, narrator, pace: options, refusals, notaryId: cast.actors.notary.id });
  const { sealed, opened } = await story.run();
  const { notary } = stage;
  // What it has heard is in the ledger by then.
  await notary.close();
  const verdict = await judgeLedger(notary.ledgerFile, cast.actors.notary.id);
  narrator.scene(`The broker has carried ${stage.view.count} publications, and read none.`);
  narrator.scene('The real ledger, every hash and every signature of it:');
  narrator.verdict(verdict.valid, verdict.sentence);
  const { height, treeSize } = notary.notary.head;
  const ledger = verdict.valid ? 'valid' : 'broken';
  return { sealed, opened, logged: treeSize, blocks: height + 1, refused: refusals.count, ledger };
}

interface StoryParts {
  readonly stage: Stage;
  readonly narrator: Narrator;
  readonly pace: StoryPace;
  readonly refusals: Refusals;
  readonly notaryId: Uint8Array;
}

/** The conversation over the broker, and the scenes that are played along it. */
class Story {
  readonly #parts: StoryParts;
  readonly #counts: Counts = { sealed: 0, opened: 0 };
  readonly #sensor: Sensor;
  readonly #operator: Operator;
  readonly #told = Promise.withResolvers<void>();

  constructor(parts: StoryParts) {
    const { stage, pace } = parts;
    this.#parts = parts;
    this.#sensor = new Sensor(stage.sensor.bus, pace.everyMs, this.#counts);
    this.#operator = new Operator(stage.operator.bus, this.#counts);
  }

  async run(): Promise<Counts> {
    const { stage, narrator, pace } = this.#parts;
    narrator.scene("This machine's own readings, sealed by the sensor, published, opened by the operator:");
    const obeying = this.#sensor.obey(({ everyMs }) => narrator.heard('sensor', `will report every ${everyMs} ms`));
    const operating = this.#operate().catch(this.#told.reject);
    obeying.catch(this.#told.reject);
    const stop = new AbortController();
    const reporting = this.#sensor.report(stop.signal);
    const shown = this.#told.promise.then(() => aborted(pace.timeUp));
    await Promise.race([shown, aborted(pace.abandon), reporting, died(stage)]);
    stop.abort();
    await reporting;
    // Leaving waits for the receipts that are still to come, so that the ledger is complete.
    await stage.sensor.leave();
    await stage.operator.leave();
    await Promise.all([obeying, operating]);
    return this.#counts;
  }

  async #operate(): Promise<void> {
    let readings = 0;
    for await (const reading of this.#operator.readings()) {
      readings += 1;
      this.#parts.narrator.heard('operator', describeReading(reading));
      if (!this.#parts.pace.abandon.aborted) await this.#playScene(readings, reading);
    }
  }

  async #playScene(readings: number, reading: Reading): Promise<void> {
    const { narrator, pace } = this.#parts;
    if (readings === SCENE.broker) await this.#tellBroker(reading);
    if (readings === SCENE.command) {
      narrator.say('The operator answers: report more often.');
      await this.#operator.command({ everyMs: pace.fasterMs });
    }
    if (readings === SCENE.socket) {
      await playSocketScene({ ...this.#parts, counts: this.#counts });
      narrator.scene('Over the broker it goes on meanwhile.');
    }
    if (readings === SCENE.ledger) {
      await this.#tellLedger();
      narrator.scene('The conversation goes on.');
      this.#told.resolve();
    }
  }

  async #tellBroker(reading: Reading): Promise<void> {
    const { narrator, pace, stage } = this.#parts;
    const { view } = stage;
    await Promise.race([view.seen(TOPIC.readings, SCENE.broker), aborted(pace.abandon)]);
    narrator.scene('What whoever runs the broker saw of that:');
    view.tell(narrator, TOPIC.readings, [
      JSON.stringify(reading),
      ...Object.keys(reading).map((key) => JSON.stringify(key)),
    ]);
    const entry = await this.#sensor.firstEntry;
    narrator.say(`The notary heard it too: its label is entry ${entry} of the ledger, and the sensor has the receipt.`);
  }

  async #tellLedger(): Promise<void> {
    const { narrator, stage, notaryId, refusals } = this.#parts;
    narrator.scene('Somebody who has the ledger edits one entry in a copy of it:');
    const copy = await editedCopy(stage.notary.ledgerFile);
    narrator.say(`One byte of entry ${copy.entry} was changed in ${copy.file}.`);
    const verdict = await judgeLedger(copy.file, notaryId);
    if (verdict.valid) narrator.say('The edit was NOT found.');
    else refusals.add(verdict.sentence);
  }
}

/** Rejects when the broker is gone. */
async function died({ broker }: Stage): Promise<never> {
  throw diedError(broker.kind, await broker.exited);
}
