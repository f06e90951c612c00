import type { Qos } from '../src/core/ports.ts';
import { findMosquitto } from '../src/node/mosquitto.ts';
import { type Comparison, compareTimed, median, type TimedRuns } from './measure.ts';
import type { HandshakerTasks } from './mqtt/handshaker.ts';
import { Helper } from './mqtt/helper.ts';
import { Stand } from './mqtt/stand.ts';
import type { Flood } from './mqtt/writer.ts';
import type { Bench, Row } from './row.ts';

const NAMES = [
  'mqtt-qos0',
  'mqtt-qos1',
  'mqtt-qos2',
  'mqtt-qos1-unbatched',
  'mqtt-qos1-verify-bound',
  'mqtt-qos1-signed-floor',
  'mqtt-qos1-plain-batched',
  'mqtt-qos1-p50',
  'mqtt-handshake',
] as const;

/** A round has half of the runs before and half after ours, so it takes about half a second. */
const FLOOD = { rounds: 5, runs: 8000 } as const;
const FLOOD_UNBATCHED = { rounds: 5, runs: 2500 } as const;
const FLOOD_PACKED = { rounds: 5, runs: 40_000 } as const;
const HANDSHAKES = { rounds: 7, runs: 60 } as const;
const VERIFICATIONS = 800;
const TRICKLE = { lines: ['plain', 'sealed'], messages: 600, pauseMs: 2 } as const;

const PLAIN = 'plain MQTT.js, one message a publish';

/** Floods on one line, and the batches that they came in. */
class Flooding {
  readonly #stand: Stand;
  readonly #flood: Omit<Flood, 'messages'>;
  readonly #batches: number[] = [];

  constructor(stand: Stand, flood: Omit<Flood, 'messages'>) {
    this.#stand = stand;
    this.#flood = flood;
  }

  get batch(): number {
    return median(this.#batches);
  }

  readonly run: TimedRuns = async (messages) => {
    const { secondsEach, batch } = await this.#stand.flood({ ...this.#flood, messages });
    this.#batches.push(batch);
    return secondsEach;
  };
}

function rate(name: (typeof NAMES)[number], { oursPerSecond, ratio }: Comparison, against: string): Row {
  return { name, value: oursPerSecond, unit: 'messages/s', ratio, against };
}

/** Ours and plain take turns; `meanwhile` is done before each turn of ours. */
async function compare(stand: Stand, rounds: { rounds: number; runs: number }, meanwhile = async () => {}) {
  const [sealed, plain] = [new Flooding(stand, { line: 'sealed' }), new Flooding(stand, { line: 'plain' })];
  const ours: TimedRuns = async (messages) => {
    await meanwhile();
    return sealed.run(messages);
  };
  return { found: await compareTimed(ours, plain.run, rounds), batch: sealed.batch };
}

async function batchedRow(stand: Stand, qos: Qos): Promise<Row> {
  await stand.open({ qos });
  const { found, batch } = await compare(stand, FLOOD);
  await stand.close();
  return rate(`mqtt-qos${qos}`, found, `${PLAIN}; mean batch ${batch.toFixed(0)} messages`);
}

/** QoS 1 with what users get, beside the same batches packed by hand, and how long one message takes. */
async function defaultRows(stand: Stand): Promise<Row[]> {
  await stand.open({ qos: 1 });
  const { found, batch } = await compare(stand, FLOOD);
  const packed = new Flooding(stand, { line: 'packed', batch: Math.max(1, Math.round(batch)) });
  const byHand = await compareTimed(packed.run, new Flooding(stand, { line: 'plain' }).run, FLOOD_PACKED);
  const single = await stand.trickle(TRICKLE);
  await stand.close();
  const [ours, plain] = [median(single.ways.sealed), median(single.ways.plain)];
  const share = found.oursPerSecond / byHand.oursPerSecond;
  return [
    rate('mqtt-qos1', found, `${PLAIN}; mean batch ${batch.toFixed(0)} messages`),
    rate(
      'mqtt-qos1-plain-batched',
      byHand,
      `${PLAIN}; ${packed.batch.toFixed(0)} messages packed by hand, nothing sealed; mqtt-qos1 is ${share.toFixed(2)} of it`,
    ),
    {
      name: 'mqtt-qos1-p50',
      value: ours - plain,
      unit: 'ms',
      ratio: null,
      against: `one way through an idle broker, in memory: ours ${ours.toFixed(2)} ms less plain ${plain.toFixed(2)} ms; batch 1`,
    },
  ];
}

async function unbatchedRows(stand: Stand): Promise<Row[]> {
  await stand.open({ qos: 1, tuning: { batchMax: 1 } });
  const verifications: number[] = [];
  const floors: number[] = [];
  const signed = new Flooding(stand, { line: 'signed' });
  const { found, batch } = await compare(stand, FLOOD_UNBATCHED, async () => {
    verifications.push(1 / (await stand.reader.ask('verifySeconds', VERIFICATIONS)));
    floors.push(1 / (await signed.run(FLOOD_UNBATCHED.runs)));
  });
  await stand.close();
  // Each has had one turn to warm up.
  const [bound, floor] = [median(verifications.slice(1)), median(floors.slice(1))];
  const share = found.oursPerSecond / bound;
  return [
    rate('mqtt-qos1-unbatched', found, `${PLAIN}; mean batch ${batch.toFixed(0)} message`),
    {
      name: 'mqtt-qos1-verify-bound',
      value: bound,
      unit: 'messages/s',
      ratio: share,
      against:
        'the ratio is mqtt-qos1-unbatched over it: one bare P-256 verification a message, nothing else, one core',
    },
    {
      name: 'mqtt-qos1-signed-floor',
      value: floor,
      unit: 'messages/s',
      ratio: found.oursPerSecond / floor,
      against:
        'the ratio is mqtt-qos1-unbatched over it: plain MQTT.js, each message with one bare signature, made and verified, nothing else',
    },
  ];
}

async function handshakeRow(mosquitto: string): Promise<Row> {
  await using stand = await Stand.start(mosquitto);
  const file = new URL('mqtt/handshaker.ts', import.meta.url);
  await using responder = new Helper<HandshakerTasks>(file);
  await using initiator = new Helper<HandshakerTasks>(file);
  const place = (name: string, other: string) => ({
    url: stand.urls.writer,
    home: stand.stage.member(name).home,
    other,
  });
  await responder.ask('open', { ...place('reader', 'writer'), role: 'responder' });
  await initiator.ask('open', { ...place('writer', 'reader'), role: 'initiator' });
  const [ours, bare]: TimedRuns[] = [(count) => initiator.ask('ours', count), (count) => initiator.ask('bare', count)];
  if (!ours || !bare) throw new Error('both are there');
  const { oursPerSecond, ratio } = await compareTimed(ours, bare, HANDSHAKES);
  const against =
    'bare primitives of both sides, four messages of the same sizes by plain MQTT.js; one after the other';
  return { name: 'mqtt-handshake', value: oursPerSecond, unit: 'handshakes/s', ratio, against };
}

async function run(): Promise<Row[]> {
  const mosquitto = findMosquitto();
  if (mosquitto === undefined) {
    process.stderr.write(
      'bench: no mosquitto here, so the mqtt rows are left out (Debian: apt-get install mosquitto)\n',
    );
    return [];
  }
  await using stand = await Stand.start(mosquitto);
  return [
    await batchedRow(stand, 0),
    ...(await defaultRows(stand)),
    await batchedRow(stand, 2),
    ...(await unbatchedRows(stand)),
    await handshakeRow(mosquitto),
  ];
}

/**
 * Messages of 256 bytes from one process to another through a Mosquitto in a third, 200 calls of `publish` under way,
 * no delay on any line. Left out, with a word, where there is no Mosquitto.
 */
export const mqttBench: Bench = { names: NAMES, run };
