import type { Qos } from '../../src/core/ports.ts';
import { median } from '../measure.ts';
import type { SeldomRow } from './rows.ts';
import { Station } from './station.ts';

const QOS = [0, 1, 2] as const;
/** The second is a satellite's: a receipt takes longer than the first retransmission timeout. */
const ROUND_TRIPS_MS = [300, 1_000] as const;
/** So seldom that each has a frame of its own, and all but the slowest are confirmed before the next. */
const SELDOM = { lines: ['sealed'], messages: 4, everyMs: 3_000 } as const;
const QUIET_MS = 3_000;

/** What single messages over long lines cost beside themselves. They load nothing, so all are measured at once. */
export function measureSeldom(mosquitto: string): Promise<SeldomRow[]> {
  return Promise.all(ROUND_TRIPS_MS.flatMap((roundTripMs) => QOS.map((qos) => measure(mosquitto, qos, roundTripMs))));
}

async function measure(mosquitto: string, qos: Qos, roundTripMs: number): Promise<SeldomRow> {
  await using station = await Station.start(mosquitto);
  return await station.joined({ qos, roundTripMs }, async () => {
    await station.clear();
    const { sealed } = await station.writer.ask('steady', SELDOM);
    await station.arrived('sealed', SELDOM.messages, QUIET_MS);
    const came = await station.reader.ask('distinct', 'sealed');
    const { repaired = 0, lost = 0 } = await station.writer.ask('takeEvents', undefined);
    const counts = { sent: SELDOM.messages, came, repaired, told: lost };
    return {
      measured: 'seldom',
      line: 'sealed',
      qos,
      roundTripMs,
      ...counts,
      knownP50Ms: sealed.length === 0 ? null : median(sealed),
    };
  });
}
