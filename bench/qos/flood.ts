import type { Qos } from '../../src/core/ports.ts';
import { accountOf } from './account.ts';
import type { Line } from './message.ts';
import type { FloodRow } from './rows.ts';
import type { Joining, Station } from './station.ts';

const FLOOD_MS = 1_500;
/** Calls under way at once, as in `npm run bench`. */
const UNDER_WAY = 200;
/** What Mosquitto asks of a writer at QoS 2. MQTT.js leaves it to whoever uses it, and is thrown out with more. */
const UNDER_WAY_QOS_2 = 20;

/** Calls of `publish` that a writer on that line has under way at once. */
export function underWayOf(line: Line, qos: Qos): number {
  return line === 'plain' && qos === 2 ? UNDER_WAY_QOS_2 : UNDER_WAY;
}

/** After so long without a message no more will come: ours is sent again, or given up, within that time. */
export const QUIET_MS: Readonly<Record<Line, number>> = { plain: 2_000, sealed: 30_000 };

/** How many messages a second go through on one line, and whether all of them do. */
export async function measureFlood(station: Station, { qos, roundTripMs }: Joining, line: Line): Promise<FloodRow> {
  await station.clear();
  const flood = { line, timeMs: FLOOD_MS, messagesMax: Number.POSITIVE_INFINITY, until: 'sent' } as const;
  const told = await station.writer.ask('flood', { ...flood, underWay: underWayOf(line, qos) });
  // At QoS 0 nobody sends anything again.
  await station.arrived(line, told.safe.length, QUIET_MS[qos === 0 ? 'plain' : line]);
  const { times, lastNs } = await station.reader.ask('came', line);
  const { repaired = 0 } = await station.writer.ask('takeEvents', undefined);
  const account = accountOf(told, times);
  const perSecond = account.came / (Number(lastNs - told.startNs) / 1e9);
  return { measured: 'flood', line, qos, roundTripMs, perSecond, ...account, repaired };
}
