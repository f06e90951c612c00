import { generateKeyPairSync } from 'node:crypto';
import type { MqttClient } from 'mqtt';
import { equalBytes } from '../../src/core/bytes.ts';
import { anchorsOf, pinByName } from '../../src/core/identity/trust.ts';
import { inboxFilter, inboxTopic, parseInboxTopic } from '../../src/core/inbox.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { loadIdentity, openHome, readTrust } from '../../src/node/home.ts';
import { InboxHandshakes } from '../../src/roles/inbox/inbox-handshakes.ts';
import { connectMqtt } from '../../src/roles/mqtt/connection.ts';
import { Peer } from '../../src/roles/peer.ts';
import {
  bareAgree,
  bareDerivations,
  bareEphemeral,
  bareOpen,
  bareProof,
  bareSeal,
  CERTIFICATE_BYTES,
  PLAINTEXT_3,
  PLAINTEXT_4,
} from '../handshake-parts.ts';
import { serve } from './helper.ts';
import { connectPlain } from './plain.ts';

/** Where the bare messages go; the sizes that ours have with one certificate a side. */
const BARE = { there: 'bench/bare/there', back: 'bench/bare/back' } as const;
const POINT_BYTES = 65;
const BYTES = [46, CERTIFICATE_BYTES + 145, CERTIFICATE_BYTES + 110, 20] as const;
const UNBOUND = { burst: 1e9, perSecond: 1e9 };

/** A broker, and a home that trusts the other side under a name. */
export interface HandshakePlace {
  readonly url: string;
  readonly home: string;
  readonly other: string;
}

let handshakes: InboxHandshakes;
let other: { readonly id: Uint8Array; readonly name: string };
let client: MqttClient;
let role: 'initiator' | 'responder';
let ephemeral: ReturnType<typeof bareEphemeral>;
let onFinished: () => void = () => {};
const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });

async function openOurs({ url, home: directory, other: name }: HandshakePlace): Promise<void> {
  const home = await openHome(directory);
  const identity = await loadIdentity(home);
  const pin = pinByName(await readTrust(home), name);
  if (!pin) throw new Error(`${directory} does not trust ${name}`);
  other = pin;
  const broker = await connectMqtt({ url, clock: systemClock, random: nodeCrypto.random });
  const { party } = new Peer({
    identity,
    anchors: async () => anchorsOf(await readTrust(home)),
    crypto: nodeCrypto,
    clock: systemClock,
    verifierOf: nodeVerifier,
  });
  handshakes = new InboxHandshakes({
    party,
    send: (to, unit) => broker.publish(inboxTopic({ to, lane: 'handshake', from: identity.id }), unit, { qos: 1 }),
    onSession: () => {},
    onRefused: (error) => {
      throw error;
    },
    // Made for the Internet, they would be all that is measured.
    tuning: { beginnings: UNBOUND, beginningsPerSender: UNBOUND, answers: UNBOUND },
  });
  await broker.subscribe(inboxFilter(identity.id), 1, async ({ topic, payload }) => {
    const from = parseInboxTopic(topic)?.from;
    if (from && equalBytes(from, other.id)) await handshakes.take(from, payload);
  });
}

async function openBare({ url }: HandshakePlace): Promise<void> {
  client = await connectPlain(url);
  client.on('message', (_topic, payload) => takeBare(payload));
  await client.subscribeAsync(role === 'initiator' ? BARE.back : BARE.there, { qos: 1 });
}

/** What each side does with each message is what EDHOC has it do, in bare primitives. */
function takeBare(payload: Buffer): void {
  if (payload.length === BYTES[0] + POINT_BYTES) {
    ephemeral = bareEphemeral();
    bareAgree(ephemeral.privateKey, payload.subarray(0, POINT_BYTES));
    sendBare(BARE.back, BYTES[1], ephemeral.sent);
  } else if (payload.length === BYTES[1] + POINT_BYTES) {
    bareAgree(ephemeral.privateKey, payload.subarray(0, POINT_BYTES));
    bareProof(own);
    bareDerivations();
    bareSeal(PLAINTEXT_3);
    sendBare(BARE.there, BYTES[2]);
  } else if (payload.length === BYTES[2]) {
    bareOpen(SEALED_3);
    bareProof(own);
    bareDerivations();
    bareSeal(PLAINTEXT_4);
    sendBare(BARE.back, BYTES[3]);
  } else {
    bareOpen(SEALED_4);
    onFinished();
  }
}

const SEALED_3 = bareSeal(PLAINTEXT_3);
const SEALED_4 = bareSeal(PLAINTEXT_4);

function sendBare(topic: string, bytes: number, point: Buffer = Buffer.alloc(0)): void {
  client.publish(topic, Buffer.concat([point, Buffer.alloc(bytes)]), { qos: 1 });
}

function bareHandshake(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  onFinished = resolve;
  ephemeral = bareEphemeral();
  sendBare(BARE.there, BYTES[0], ephemeral.sent);
  return promise;
}

/** Seconds that one of `count` takes, one after the other. */
async function secondsEach(count: number, run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < count; i++) await run();
  return (performance.now() - start) / 1000 / count;
}

const tasks = {
  async open(place: HandshakePlace & { readonly role: 'initiator' | 'responder' }): Promise<void> {
    role = place.role;
    await openOurs(place);
    await openBare(place);
  },

  ours: (count: number): Promise<number> => secondsEach(count, () => handshakes.initiate(other.id, other.name)),

  bare: (count: number): Promise<number> => secondsEach(count, bareHandshake),
};

/** What either side of the handshakes does. */
export type HandshakerTasks = typeof tasks;

serve(tasks);
