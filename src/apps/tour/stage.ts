import { isSealwireError } from '../../core/errors.ts';
import { formatId } from '../../core/identity/id.ts';
import { startBroker } from '../../node/broker.ts';
import type { RunningBroker } from '../../node/running-broker.ts';
import { type RunningNotary, runNotary } from '../notary.ts';
import type { SealwireBus } from '../open-bus.ts';
import { openPeer, type SealwirePeer } from '../open-peer.ts';
import { BrokerView } from './broker-view.ts';
import type { Cast, Role } from './cast.ts';
import { TOPIC } from './conversation.ts';
import type { Narrator } from './narrator.ts';
import type { Refusals } from './refusals.ts';

/** One of the two who talk. */
export interface Talker {
  readonly peer: SealwirePeer;
  readonly bus: SealwireBus;
  /** Ends its sessions in order; resolves when what is to be logged of them was. */
  leave(): Promise<void>;
}

/** Everybody in place: real keys, a real broker, a real ledger on disk. Disposing of it ends all of it. */
export interface Stage extends AsyncDisposable {
  readonly broker: RunningBroker;
  readonly view: BrokerView;
  readonly notary: RunningNotary;
  readonly sensor: Talker;
  readonly operator: Talker;
}

/** What a stage is set with. */
export interface StageOptions {
  readonly cast: Cast;
  readonly narrator: Narrator;
  readonly refusals: Refusals;
  /** The embedded broker even where Mosquitto is installed. */
  readonly embedded: boolean;
}

/** Starts broker, notary, sensor and operator, and tells of each. */
export async function setStage({ cast, narrator, refusals, embedded }: StageOptions): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  narrator.scene('Three identities, each with a key of its own (ECDSA P-256) and an X.509 certificate:');
  for (const [name, { id }] of Object.entries(cast.actors)) narrator.fact(name, formatId(id));
  const broker = opening.use(await anyBroker(narrator, embedded));
  const [url = ''] = broker.addresses;
  const view = opening.use(await BrokerView.open(url));
  narrator.say('Nobody trusts it. Somebody without a key subscribes to everything there (#), as its owner could.');
  const notary = opening.use(await runNotary({ home: cast.actors.notary.home, address: ANYWHERE, broker: { url } }));
  narrator.scene(`The notary keeps a ledger in ${notary.ledgerFile}`);
  narrator.say('Its first block holds who the notary is; every block is signed and names the one before.');
  narrator.say('It listens in at the broker: it can check who signed a message, and that nothing was changed, unread.');
  const enter = async (role: Role): Promise<Talker> => {
    const at = { address: notary.address, expect: 'notary' };
    const { home } = cast.actors[role];
    const peer = opening.use(await openPeer({ home, notary: at, onEvent: (event) => refusals.take(event) }));
    const bus = await peer.join(url, { notary: 'notary' });
    return { peer, bus, leave: () => peer.close() };
  };
  const operator = await enter('operator');
  await operator.bus.subscribe(TOPIC.readings);
  const sensor = await enter('sensor');
  await sensor.bus.subscribe(TOPIC.commands);
  const parts = opening.move();
  return { broker, view, notary, sensor, operator, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

const ANYWHERE = 'tcp://127.0.0.1:0';

/** Mosquitto where there is one that works, else the one that needs no installing. */
async function anyBroker(narrator: Narrator, embedded: boolean): Promise<RunningBroker> {
  const broker = await startBroker({ embedded }).catch((error: unknown) => {
    if (embedded || !isSealwireError(error)) throw error;
    narrator.say(`Mosquitto does not start: ${error.message}`);
    return startBroker({ embedded: true });
  });
  const what = broker.kind === 'mosquitto' ? 'Mosquitto, which is installed here' : 'aedes, which is built in';
  narrator.scene(`Between them stands an MQTT broker: ${what}, at ${broker.addresses.join(' and ')}`);
  return broker;
}
