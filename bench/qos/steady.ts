import { median } from '../measure.ts';
import type { Line } from './message.ts';
import type { SteadyRow } from './rows.ts';
import type { Joining, Station } from './station.ts';

/** Both lines at once: 25 a second is under what QoS 2 lets through at the longest delay, which is 33. */
const STEADY = { lines: ['plain', 'sealed'], messages: 100, everyMs: 40 } as const;
const QUIET_MS = 3_000;

/** How long single messages take, on both lines. */
export async function measureSteady(station: Station, { qos, roundTripMs }: Joining): Promise<SteadyRow[]> {
  await station.clear();
  const knownMs = await station.writer.ask('steady', STEADY);
  const row = async (line: Line): Promise<SteadyRow> => {
    await station.arrived(line, STEADY.messages, QUIET_MS);
    const { agesMs } = await station.reader.ask('came', line);
    return {
      ...{ measured: 'steady', line, qos, roundTripMs, messages: agesMs.length },
      openedP50Ms: median(agesMs),
      openedP99Ms: percentile(agesMs, 0.99),
      knownP50Ms: median(knownMs[line]),
    };
  };
  return [await row('plain'), await row('sealed')];
}

/** The least value that so large a part of them does not exceed; NaN of none. */
function percentile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * part) - 1] ?? Number.NaN;
}
