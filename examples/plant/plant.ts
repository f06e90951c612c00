import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, createRoster, openPeer, type SealwireBus, startBroker, takeRoster } from 'sealwire';

// A folder for the homes, and a broker that nobody has to trust.
const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'plant-')));
await using broker = await startBroker();
const [url = ''] = broker.addresses;
const homeOf = (name: string): string => join(folder, name);

// Everybody gets a key. In real life each device makes its own, and only ids travel.
const ids: Record<string, string> = {};
for (const name of ['engineer', 'boiler', 'tank', 'controller', 'valve']) {
  ids[name] = await createIdentity({ home: homeOf(name), name });
}
const { engineer = '', ...machines } = ids;

// The engineer says who may write and read what; the others take that for their law.
const roster = await createRoster({ home: homeOf('engineer'), name: 'plant' });
const measurements = { filters: ['plant/+/temperature', 'plant/+/pressure'], writers: ['boiler', 'tank'] };
const commands = { filters: ['plant/+/set'], writers: ['controller'], readers: ['valve'] };
await roster.change({
  add: machines,
  channels: {
    measurements: { ...measurements, readers: ['controller'] },
    commands: { ...commands, confirmers: 'all' },
  },
});
const file = await roster.file();
for (const name of Object.keys(machines)) await takeRoster({ home: homeOf(name), authority: engineer, file });

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (payload: Uint8Array): string => new TextDecoder().decode(payload);
const parts = new AsyncDisposableStack();
const enter = async (name: string): Promise<SealwireBus> =>
  parts.use(await parts.use(await openPeer({ home: homeOf(name) })).join(url));

// Sensors: one publication each, whoever reads it; the broker keeps the last value of a topic.
const [boiler, tank] = [await enter('boiler'), await enter('tank')];
await boiler.publish('plant/boiler/temperature', bytes('181 °C'), { retain: true });
await boiler.publish('plant/boiler/pressure', bytes('9.8 bar'), { retain: true });
await tank.publish('plant/tank/temperature', bytes('64 °C'), { retain: true });

// The controller comes later, and still finds the last value of every topic.
const controller = await enter('controller');
await controller.subscribe('plant/+/temperature');
await controller.subscribe('plant/+/pressure');
const last = new Map<string, string>();
for await (const { from, topic, payload, channel } of controller) {
  last.set(topic ?? '', `${from} in ${channel}: ${text(payload)}`);
  if (last.size === 3) break;
}
for (const [topic, value] of [...last].toSorted()) console.log(`${topic}, ${value}`);

// The valve obeys whoever may write in its channel. What somebody seals for it alone is no command.
const valve = await enter('valve');
await valve.subscribe('plant/valve/set');
const watching = (async () => {
  for await (const { from, channel, payload } of valve) {
    if (channel !== 'commands')
      console.log(`valve: ${from} is no writer of my commands, so I ignore “${text(payload)}”`);
    else if (text(payload) === 'end') return;
    else console.log(`valve: ${from} may tell me to, so I ${text(payload)}`);
  }
})();
await tank.publish('plant/valve/set', bytes('close'), { to: 'valve', until: 'delivered' });
await tank
  .publish('plant/valve/set', bytes('close'))
  .catch(({ code }) => console.log(`tank: I may not command [${code}]`));
for (const command of ['open', 'end']) {
  await controller.publish('plant/valve/set', bytes(command), { until: 'delivered' });
}
await watching;
await parts.disposeAsync();
