import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { findMosquitto } from '../../src/node/mosquitto.ts';
import { measureFlood } from './flood.ts';
import { measureOverloads } from './overload.ts';
import { type PagePart, withParts } from './page.ts';
import type { QosRow } from './rows.ts';
import { measureSeldom } from './seldom.ts';
import { Station } from './station.ts';
import { measureSteady } from './steady.ts';
import { tablesOf } from './tables.ts';

const HELP = `npx node bench/qos/main.ts [options]
  --page FILE  writes the tables into FILE, between their markers (docs/qos.md)
  --only NAME  steady, seldom, flood or overload

What the qualities of service of MQTT cost and give, through a Mosquitto with its own bounds: one JSON row a
measurement on standard output. Takes three to five minutes, by how busy the machine is.
`;

const QOS = [0, 1, 2] as const;
const ROUND_TRIPS_MS = [0, 50, 300] as const;
const WHAT: readonly QosRow['measured'][] = ['steady', 'seldom', 'flood', 'overload'];

async function* measure(mosquitto: string, wanted: ReadonlySet<string>): AsyncIterableIterator<QosRow> {
  if (wanted.has('steady') || wanted.has('flood')) {
    await using station = await Station.start(mosquitto);
    for (const roundTripMs of ROUND_TRIPS_MS)
      for (const qos of QOS) {
        const joining = { qos, roundTripMs };
        yield* await station.joined(joining, async () => [
          ...(wanted.has('steady') ? await measureSteady(station, joining) : []),
          ...(wanted.has('flood')
            ? [await measureFlood(station, joining, 'plain'), await measureFlood(station, joining, 'sealed')]
            : []),
        ]);
      }
  }
  if (wanted.has('seldom')) yield* await measureSeldom(mosquitto);
  if (wanted.has('overload')) yield* measureOverloads(mosquitto);
}

async function machine(mosquitto: string): Promise<PagePart> {
  await using station = await Station.start(mosquitto);
  const memoryGib = Math.round(totalmem() / 2 ** 30);
  const versions = `Node.js ${process.versions.node}, Mosquitto ${station.version}`;
  return {
    name: 'machine',
    text: `Measured on ${cpus().length} cores with ${memoryGib} GiB, ${versions}, in one run.`,
  };
}

const { page, only, help } = parseArgs({
  options: { page: { type: 'string' }, only: { type: 'string' }, help: { type: 'boolean', default: false } },
}).values;
const wanted = new Set(WHAT.filter((name) => only === undefined || name === only));
const mosquitto = findMosquitto();
if (help || wanted.size === 0) {
  process.stdout.write(HELP);
  process.exitCode = help ? 0 : 2;
} else if (mosquitto === undefined) {
  process.stderr.write('qos: no mosquitto here (Debian: apt-get install mosquitto)\n');
  process.exitCode = 1;
} else {
  const rows: QosRow[] = [];
  for await (const row of measure(mosquitto, wanted)) {
    rows.push(row);
    process.stdout.write(`${JSON.stringify(row)}\n`);
  }
  if (page !== undefined) {
    const parts = [await machine(mosquitto), ...tablesOf(rows)];
    await writeFile(page, withParts(await readFile(page, 'utf8'), parts));
  }
}
