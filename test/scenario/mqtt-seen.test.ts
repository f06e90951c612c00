import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { connectAsync } from 'mqtt';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { readFrame } from '../../src/core/frame/frame.ts';
import { decodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { idToTopic } from '../../src/core/identity/id.ts';
import { inboxTopic, parseInboxTopic } from '../../src/core/inbox.ts';
import { KIND } from '../../src/core/kinds.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { Bus } from '../../src/roles/bus/bus.ts';
import { connectMqtt } from '../../src/roles/mqtt/connection.ts';
import { Peer } from '../../src/roles/peer.ts';
import { noMosquitto, noMosquittoClients, useMosquitto } from '../support/brokers.ts';
import { overhear } from '../support/bus.ts';
import { type Member, Stage } from '../support/stage.ts';

/** A publication as `mosquitto_sub` prints it. */
interface Seen {
  readonly topic: string;
  readonly retained: boolean;
  readonly payload: Buffer;
}

/** Everything that `mosquitto_sub -t '#'` prints; resolves once it has subscribed. */
async function spy(t: TestContext, url: string): Promise<Seen[]> {
  const plain = await connectAsync(url);
  await plain.publishAsync('probe', 'kept', { qos: 1, retain: true });
  const { hostname, port } = new URL(url);
  const args = ['-h', hostname, '-p', port, '-t', '#', '-q', '2', '-V', 'mqttv5', '-F', '%r %x %t'];
  const child = spawn('mosquitto_sub', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const seen: Seen[] = [];
  const subscribed = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [, retained, payload = '', topic = ''] = /^([01]) ([0-9a-f]*) (.*)$/.exec(line) ?? [];
    if (topic === 'probe') subscribed.resolve();
    else seen.push({ topic, retained: retained === '1', payload: Buffer.from(payload, 'hex') });
  });
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('mosquitto_sub ended')));
  await Promise.race([subscribed.promise, ended]);
  ended.catch(() => {});
  await plain.publishAsync('probe', '', { qos: 1, retain: true });
  await plain.endAsync();
  return seen;
}

/** Node's primitives, which give away every key that goes through them. */
function leaky(keys: Uint8Array[]): Crypto {
  const keep = <Key extends Uint8Array>(key: Key): Key => {
    keys.push(key.slice());
    return key;
  };
  return {
    ...nodeCrypto,
    hmac: (key, data) => nodeCrypto.hmac(keep(key), data),
    aes256Ctr: (key, data) => nodeCrypto.aes256Ctr(keep(key), data),
    aeadSeal: (name, key, ...rest) => nodeCrypto.aeadSeal(name, keep(key), ...rest),
    ecdh: (privateKey, peerX) => keep(nodeCrypto.ecdh(keep(privateKey), peerX)),
  };
}

async function join(t: TestContext, url: string, member: Member, stage: Stage, keys: Uint8Array[]): Promise<Bus> {
  const anchors = stage.members.map(({ identity: { id, name } }) => ({ id, name }));
  const peer = new Peer({
    identity: member.identity,
    anchors: () => anchors,
    crypto: leaky(keys),
    clock: systemClock,
    verifierOf: nodeVerifier,
  });
  const broker = await connectMqtt({ url, clock: systemClock, random: nodeCrypto.random });
  const bus = await Bus.open({ peer, broker, qos: 1 });
  t.after(() => bus.close());
  return bus;
}

test('whoever subscribes to everything sees ciphertext and labels, and no plaintext, key or name anywhere', {
  timeout: 60_000,
  skip: noMosquitto || noMosquittoClients,
}, async (t) => {
  const broker = await useMosquitto(t);
  await using stage = await Stage.open();
  const seen = await spy(t, broker.url);
  const [sensor, operator] = [stage.member('sensor'), stage.member('operator')];
  const keys: Uint8Array[] = [];
  const [near, far] = [
    await join(t, broker.url, sensor, stage, keys),
    await join(t, broker.url, operator, stage, keys),
  ];
  await far.subscribe('plant/+/load');
  const secrets = ['cpu 41 %, and nobody else’s business', 'slower, please', 'a third one, on no topic'];
  const [first, second, third] = secrets.map((text) => new TextEncoder().encode(text));
  assert.ok(first && second && third);
  const to = { id: operator.identity.id, name: 'operator' };
  const back = { id: sensor.identity.id, name: 'sensor' };
  for (const topic of ['plant/7/load', 'plant/8/load', 'nobody/reads/this']) {
    await near.publish(topic, first, to, { until: 'delivered', contentType: 'text/plain' });
  }
  await far.publish('plant/orders', second, back, { until: 'delivered' });
  await (await near.session(to)).send(third, { until: 'delivered' });
  assert.equal((await overhear({ bus: far }, 4)).length, 4);
  await Promise.all([near.close(), far.close()]);
  while (seen.filter(({ payload }) => kindOf(payload) === KIND.end).length < 2) await systemClock.turn();

  // Each publication is a message of a handshake or a frame, on the topic that its label names or in an inbox.
  const ids = new Map([sensor, operator].map(({ identity, name }) => [idToTopic(identity.id), name]));
  const topics = new Set<string>();
  for (const { topic, payload, retained } of seen) {
    assert.equal(retained, false);
    const address = parseInboxTopic(topic);
    if (address?.lane === 'handshake') {
      assert.ok(decodeEnvelope(payload).message.length > 0);
      continue;
    }
    const { label, body } = readFrame(payload);
    const [sender, recipient] = [idToTopic(label.senderId), address && idToTopic(address.to)];
    assert.ok(ids.has(sender));
    assert.ok(label.topic === topic || (recipient !== sender && ids.has(recipient ?? '')), topic);
    if (label.kind === KIND.message) topics.add(label.topic);
    else assert.deepEqual([label.topic, body.length], [recipient, 0]);
  }
  assert.deepEqual(
    [...topics].toSorted(),
    [idToTopic(operator.identity.id), 'nobody/reads/this', 'plant/7/load', 'plant/8/load', 'plant/orders'].toSorted(),
  );
  const inboxes = new Set(seen.map(({ topic }) => topic));
  for (const lane of ['handshake', 'frames'] as const) {
    assert.ok(inboxes.has(inboxTopic({ to: operator.identity.id, lane, from: sensor.identity.id })));
    assert.ok(inboxes.has(inboxTopic({ to: sensor.identity.id, lane, from: operator.identity.id })));
  }

  assert.ok(keys.length > 30, `${keys.length}`);
  const scalars = [sensor, operator].map(({ identity: { privateKey } }) =>
    Buffer.from(String(privateKey.export({ format: 'jwk' }).d), 'base64url'),
  );
  const certificates = [sensor, operator].flatMap(({ identity }) => identity.certificates);
  const hidden = [...secrets, 'text/plain', 'sensor', 'operator', ...keys, ...scalars, ...certificates];
  const everything = Buffer.concat(seen.flatMap(({ topic, payload }) => [Buffer.from(topic), payload]));
  for (const secret of hidden) {
    const bytes = Buffer.from(secret);
    assert.ok(!everything.includes(bytes), `${bytes.length} bytes that are nobody’s business`);
  }
});

function kindOf(payload: Uint8Array): number | undefined {
  try {
    return readFrame(payload).label.kind;
  } catch {
    return undefined;
  }
}
