import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BusMessage,
  createIdentity,
  createRoster,
  openPeer,
  type PeerEvent,
  type SealwireBus,
  startBroker,
  takeRoster,
} from 'sealwire';

const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'conversation-')));
await using broker = await startBroker();
const [url = ''] = broker.addresses;
const homeOf = (name: string): string => join(folder, name);

const ids: Record<string, string> = {};
for (const name of ['ann', 'bob', 'carol', 'dave']) ids[name] = await createIdentity({ home: homeOf(name), name });
const { ann: annId = '', ...others } = ids;

// Ann founded the group: she signs who is in it. Everybody in it writes and reads.
const group = await createRoster({ home: homeOf('ann'), name: 'friends' });
const founders = ['ann', 'bob', 'carol'];
const talk = { filters: ['talk'], writers: founders, readers: founders, confirmers: 'all', paddingBytes: 256 } as const;
await group.change({ add: others, channels: { talk } });
const file = await group.file();
for (const name of Object.keys(others)) await takeRoster({ home: homeOf(name), authority: annId, file });

interface Friend {
  readonly name: string;
  readonly bus: SealwireBus;
  readonly messages: AsyncIterator<BusMessage>;
}

const parts = new AsyncDisposableStack();
/** What to do when somebody hears of a newer roster. */
const told = new Map<string, () => void>();

async function enter(name: string): Promise<Friend> {
  const onEvent = ({ type }: PeerEvent): void => (type === 'roster' ? told.get(name)?.() : undefined);
  const bus = await parts.use(await openPeer({ home: homeOf(name), onEvent })).join(url);
  await bus.subscribe('talk');
  return { name, bus, messages: bus[Symbol.asyncIterator]() };
}

/** Says something to the group, or to one friend; resolves once all who are meant have confirmed it. */
async function says({ bus }: Friend, text: string, one?: Friend): Promise<void> {
  const to = one ? { to: one.name } : {};
  await bus.publish('talk', new TextEncoder().encode(text), { until: 'delivered', ...to });
}

/** Each of them prints what came next. */
async function hear(...listeners: readonly Friend[]): Promise<void> {
  for (const { name, messages } of listeners) {
    const { from, channel, payload }: BusMessage = (await messages.next()).value;
    console.log(`${name} hears ${from}${channel === null ? ' in private' : ''}: ${new TextDecoder().decode(payload)}`);
  }
}

/** Ann changes who is in the group; resolves once everybody has heard of it from the broker. */
async function regroup(...names: readonly string[]): Promise<void> {
  await group.change({ channels: { talk: { writers: names, readers: names } } });
  const heard = Object.keys(ids).map((name) => new Promise<void>((resolve) => told.set(name, resolve)));
  await group.publish(url);
  await Promise.all(heard);
  console.log(`the group is now ${names.join(', ')}`);
}

const ann = await enter('ann');
const bob = await enter('bob');
const carol = await enter('carol');
const dave = await enter('dave');

await says(ann, 'Dinner on Friday?');
await hear(bob, carol);
await says(carol, 'Yes!');
await hear(ann, bob);

// Carol is removed: what follows is sealed with keys that she never gets. What she has read, she has.
await regroup('ann', 'bob');
await says(bob, 'A surprise for Carol?');
await hear(ann);
await says(ann, 'We miss you.', carol);
await hear(carol);

// Dave is added: he reads from here on, and nothing from before.
await regroup('ann', 'bob', 'dave');
await says(bob, 'Welcome, Dave.');
await hear(ann, dave);
await says(dave, 'Thank you!');
await hear(ann, bob);

await parts.disposeAsync();
