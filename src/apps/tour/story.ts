import { SealwireError } from '../../core/errors.ts';
import { formatId } from '../../core/identity/id.ts';
import type { Session } from '../../roles/session.ts';
import { eventSentence } from '../event-sentence.ts';
import { runNotary } from '../notary.ts';
import { openPeer, type PeerEvent, type SealwirePeer } from '../open-peer.ts';
import type { Actor, Cast } from './cast.ts';
import { type Counts, type OperatorCommand, receiveJson, Sensor, sendJson } from './conversation.ts';
import { editedCopy, judgeLedger, type Verdict } from './ledger-judge.ts';
import type { Narrator } from './narrator.ts';
import type { Reading } from './readings.ts';
import { Wire } from './wire.ts';

/** How long the story takes. */
export interface StoryPace {
  /** Between two readings at first, and after the operator's command. */
  readonly everyMs: number;
  readonly fasterMs: number;
  /** Ends the story once all of it was shown. */
  readonly timeUp: AbortSignal;
  /** Ends the story wherever it is. */
  readonly abandon: AbortSignal;
}

/** What came of it: the tour's last line. */
export interface Outcome {
  /** Messages that sensor and operator sealed. */
  readonly sealed: number;
  /** Messages that they took in. */
  readonly opened: number;
  /** Entries of the ledger, the notary's own included. */
  readonly logged: number;
  readonly blocks: number;
  /** Forgeries turned away: frames, and edited copies of the ledger. */
  readonly refused: number;
  readonly ledger: 'valid' | 'broken';
}

/** Readings after which each scene is played. */
const SCENE = { wire: 1, command: 2, flip: 4, ledger: 6 } as const;

/** Plays the whole story: real keys, real sockets, a real ledger on disk. */
export async function playStory(cast: Cast, narrator: Narrator, pace: StoryPace): Promise<Outcome> {
  const { notary, sensor, operator } = cast.actors;
  narrator.scene('Three identities, each with a key of its own (ECDSA P-256) and an X.509 certificate:');
  for (const [name, { id }] of Object.entries(cast.actors)) narrator.fact(name, formatId(id));
  await using running = await runNotary({ home: notary.home, address: 'tcp://127.0.0.1:0' });
  narrator.scene(`The notary keeps a ledger in ${running.ledgerFile}`);
  narrator.say('Its first block holds who the notary is; every block is signed and names the one before.');
  const at = { address: running.address, expect: 'notary' };
  const refusals = new Refusals(narrator);
  await using operatorPeer = await openActor(operator, at, refusals);
  await using listening = await operatorPeer.listen('tcp://127.0.0.1:0');
  await using wire = await Wire.start(listening.address);
  await using sensorPeer = await openActor(sensor, at, refusals);
  const story = new Story({ narrator, pace, wire, refusals, ledgerFile: running.ledgerFile, notaryId: notary.id });
  const answered = listening[Symbol.asyncIterator]().next();
  const session = await sensorPeer.dial(wire.address, { expect: 'operator' });
  const operatorSession = (await answered).value;
  if (!operatorSession) throw new SealwireError('internal', 'The operator got no session.');
  story.tellHandshake(session);
  const counts = await story.run(session, operatorSession);
  // Closing waits for the receipts that are still to come, so that the ledger is complete.
  await sensorPeer.close();
  await operatorPeer.close();
  const verdict = await judgeLedger(running.ledgerFile, notary.id);
  narrator.scene('The real ledger, every hash and every signature of it:');
  narrator.verdict(verdict.valid, verdict.sentence);
  const { height, treeSize } = running.notary.head;
  const ledger = verdict.valid ? 'valid' : 'broken';
  return { ...counts, logged: treeSize, blocks: height + 1, refused: refusals.count, ledger };
}

function openActor(
  { home }: Actor,
  notary: { address: string; expect: string },
  refusals: Refusals,
): Promise<SealwirePeer> {
  return openPeer({ home, notary, onEvent: (event) => refusals.take(event) });
}

/** Counts what was turned away and tells the reader why. */
class Refusals {
  count = 0;
  readonly #narrator: Narrator;
  #next: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(narrator: Narrator) {
    this.#narrator = narrator;
  }

  take(event: PeerEvent): void {
    const sentence = eventSentence(event);
    if (event.type === 'refused') this.add(sentence ?? '');
    else if (sentence) this.#narrator.say(sentence);
  }

  add(sentence: string): void {
    this.count += 1;
    this.#narrator.verdict(false, sentence);
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /** Resolves at the next refusal. */
  next(): Promise<void> {
    return this.#next.promise;
  }
}

interface StoryParts {
  readonly narrator: Narrator;
  readonly pace: StoryPace;
  readonly wire: Wire;
  readonly refusals: Refusals;
  readonly ledgerFile: string;
  readonly notaryId: Uint8Array;
}

/** The conversation and the scenes that are played along it. */
class Story {
  readonly #parts: StoryParts;
  readonly #told = Promise.withResolvers<void>();

  constructor(parts: StoryParts) {
    this.#parts = parts;
  }

  tellHandshake(session: Session): void {
    const { narrator, wire } = this.#parts;
    narrator.scene(
      `The sensor dials the operator, through a machine in the middle that nobody trusts (${wire.address}).`,
    );
    narrator.say(
      `Handshake: EDHOC (RFC 9528), ${wire.handshakeBytes.length} messages of ${wire.handshakeBytes.join(', ')} bytes.`,
    );
    narrator.say(
      `Both have proven who they are; the sensor talks to ${session.peer.name}, ${formatId(session.peer.id)}.`,
    );
    narrator.say('The keys they agreed on by ECDH last for this session only.');
  }

  async run(session: Session, operatorSession: Session): Promise<Counts> {
    const { narrator, pace } = this.#parts;
    narrator.scene("This machine's own readings, sealed by the sensor, opened by the operator:");
    const sensor = new Sensor(session, pace.everyMs);
    const operatorCounts: Counts = { sealed: 0, opened: 0 };
    const obeying = sensor.obey(({ everyMs }) => narrator.heard('sensor', `will report every ${everyMs} ms`));
    const operating = this.#operate(operatorSession, operatorCounts).catch(this.#told.reject);
    const stop = new AbortController();
    const reporting = sensor.report(stop.signal);
    await Promise.race([this.#told.promise.then(() => ended(pace.timeUp)), ended(pace.abandon), reporting]);
    stop.abort();
    await reporting;
    await session.close();
    await Promise.all([obeying, operating]);
    const { sealed, opened } = sensor.counts;
    return { sealed: sealed + operatorCounts.sealed, opened: opened + operatorCounts.opened };
  }

  async #operate(session: Session, counts: Counts): Promise<void> {
    let readings = 0;
    for await (const reading of receiveJson<Reading>(session, counts)) {
      readings += 1;
      this.#parts.narrator.heard('operator', describe(reading));
      await this.#playScene(readings, session, counts, reading);
    }
  }

  async #playScene(readings: number, session: Session, counts: Counts, reading: Reading): Promise<void> {
    const { narrator, pace, wire } = this.#parts;
    if (readings === SCENE.wire) this.#tellWire(reading);
    if (readings === SCENE.command) {
      narrator.say('The operator answers: report more often.');
      await sendJson(session, { everyMs: pace.fasterMs } satisfies OperatorCommand, counts);
    }
    if (readings === SCENE.flip) {
      narrator.scene('The machine in the middle now flips one bit of the next message:');
      wire.flipNext();
    }
    if (readings === SCENE.ledger) {
      await this.#tellLedger();
      narrator.scene('The conversation goes on.');
      this.#told.resolve();
    }
  }

  #tellWire(reading: Reading): void {
    const { narrator, wire } = this.#parts;
    const seen = wire.lastFrame;
    if (!seen) return;
    const { bytes, label } = seen;
    const readable = Buffer.from(bytes).includes(JSON.stringify(reading));
    narrator.scene('What the machine in the middle saw of that:');
    narrator.fact('frame', `${bytes.length} bytes, ${Buffer.from(bytes.subarray(-24)).toString('hex')}… at its end`);
    narrator.fact('sender', formatId(label.senderId));
    narrator.fact('HMAC', Buffer.from(label.mac).toString('hex'));
    narrator.fact('reading', readable ? 'READABLE' : 'nowhere in these bytes');
  }

  async #tellLedger(): Promise<void> {
    const { narrator, ledgerFile, notaryId, refusals } = this.#parts;
    narrator.scene('Somebody who has the ledger edits one entry in a copy of it:');
    const copy = await editedCopy(ledgerFile);
    narrator.say(`One byte of entry ${copy.entry} was changed in ${copy.file}.`);
    const verdict: Verdict = await judgeLedger(copy.file, notaryId);
    if (verdict.valid) narrator.say('The edit was NOT found.');
    else refusals.add(verdict.sentence);
  }
}

function describe({ cpuPercent, memoryPercent, load, networkBytes }: Reading): string {
  const network = networkBytes === null ? '' : `, network ${networkBytes} bytes`;
  return `cpu ${cpuPercent} %, memory ${memoryPercent} %, load ${load}${network}`;
}

async function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
