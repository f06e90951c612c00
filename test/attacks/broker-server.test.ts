import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bytesToHex } from '../../src/core/bytes.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { decodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { decodeErrorMessage } from '../../src/core/handshake/error-message.ts';
import { inboxTopic, parseInboxTopic } from '../../src/core/inbox.ts';
import { KIND } from '../../src/core/kinds.ts';
import type { Intercept, Published } from '../../src/roles/memory-broker.ts';
import { HANDSHAKE_CODES, refusalOf } from '../support/attacker.ts';
import { isInbox, labelOf, overhear, type Visitor } from '../support/bus.ts';
import { chance } from '../support/chance.ts';
import { flipped, relabelled } from '../support/forged-frame.ts';
import { type HostileServer, hostileServer } from '../support/hostile-server.ts';
import { KeySwapper } from '../support/key-swapper.ts';
import { numbered } from '../support/messages.ts';
import { joinAs, stageFor, tellMember } from '../support/mqtt-stage.ts';
import { type Member, makeMember } from '../support/stage.ts';
import { turn, until } from '../support/turns.ts';

const timeout = 60_000;

/** Sensor and operator at a broker that is somebody else's. */
interface Scene {
  readonly server: HostileServer;
  readonly sensor: Visitor;
  readonly operator: Visitor;
  readonly members: Readonly<Record<'sensor' | 'operator' | 'mallory', Member>>;
}

async function scene(t: TestContext): Promise<Scene> {
  const server = await hostileServer(t);
  const stage = await stageFor(t, ['sensor', 'operator', 'mallory']);
  const [sensor, operator, mallory] = ['sensor', 'operator', 'mallory'].map((name) => stage.member(name));
  assert.ok(sensor && operator && mallory);
  const options = {
    trusts: [sensor, operator, mallory],
    protocolVersion: 4,
    handshakeTimeoutMs: 2000,
    // Shorter than in life, where a second of patience costs nobody anything.
    tuning: { resendMs: 100, receiptDelayMs: 10, batchMax: 1 },
  } as const;
  const [near, far] = [
    await joinAs(t, server.url, sensor.identity, options),
    await joinAs(t, server.url, operator.identity, options),
  ];
  await Promise.all([far.bus.subscribe('plant/#'), near.bus.subscribe('orders')]);
  return { server, sensor: near, operator: far, members: { sensor, operator, mallory } };
}

/** The broker is honest, and so is the traffic, both ways; nobody was restarted. */
async function assertHonest({ server, sensor, operator, members }: Scene): Promise<void> {
  server.tamper();
  await Promise.all([
    tellMember(sensor, members.operator, 'plant/load', 'honest', { until: 'delivered' }),
    tellMember(operator, members.sensor, 'orders', 'honest', { until: 'delivered' }),
  ]);
  assert.deepEqual(await overhear(operator, 1), ['sensor plant/load: honest']);
  assert.deepEqual(await overhear(sensor, 1), ['operator orders: honest']);
}

/** As {@link assertHonest}, to the end: both leave in order. */
async function assertHonestEnd(parts: Scene): Promise<void> {
  await assertHonest(parts);
  await Promise.all([parts.sensor.bus.close(), parts.operator.bus.close()]);
  for (const name of ['sensor', 'operator'] as const) assert.deepEqual(parts[name].lost, []);
}

/** True for an error message in the place of message_2 to message_4. */
function isError(payload: Uint8Array): boolean {
  const { connectionId, message } = decodeEnvelope(payload);
  return connectionId !== null && decodeErrorMessage(message) !== null;
}

/** What frames with other words in their labels are refused as. */
const ALTERED: readonly ErrorCode[] = ['wrong-topic', 'signature-invalid', 'sender-unknown'];

function refusals({ events, refused }: Visitor): ReadonlySet<ErrorCode> {
  const inSessions = events.flatMap((event) => (event.type === 'refused' ? [event.error.code] : []));
  return new Set([...inSessions, ...refused.map(({ code }) => code)]);
}

/** Each a few turns of the loop after the one before. */
async function gradually(texts: readonly string[], say: (text: string) => Promise<unknown>): Promise<void> {
  const said: Promise<unknown>[] = [];
  for (const text of texts) {
    said.push(say(text));
    for (let turns = 0; turns < 20; turns++) await turn();
  }
  await Promise.all(said);
}

test('N20: a broker that alters, drops, delays, doubles, reorders, re-topics, replays and throws out stops nobody for good', {
  timeout,
}, async (t) => {
  const parts = await scene(t);
  const { server, sensor, operator, members } = parts;
  const random = chance(20);
  const delivers: { after: number; deliver: () => void }[] = [];
  let count = 0;
  const chaos: Intercept = (published, deliver) => {
    count += 1;
    for (const late of delivers.splice(0))
      if (late.after <= count) late.deliver();
      else delivers.push(late);
    // Were it done at every burst nothing would come through for as long.
    if (count === 30 || count === 60) server.kick();
    const [fate, moved] = [random(), random()];
    const topic = moved < 0.1 ? ['plant/valve', 'orders', 'plant/load'][count % 3] : undefined;
    const altered =
      fate < 0.15 ? flipped(published.payload, Math.floor(random() * published.payload.length)) : undefined;
    const bent = { ...published, payload: altered ?? published.payload, topic: topic ?? published.topic };
    // A handshake of which everything is lost ends a session, in time, and that is another story.
    if (parseInboxTopic(published.topic)?.lane === 'handshake') deliver(published);
    if (fate > 0.3) deliver(bent);
    if (fate > 0.8) deliver(bent);
    if (fate > 0.2 && fate <= 0.3)
      delivers.push({ after: count + Math.ceil(random() * 8), deliver: () => deliver(bent) });
    const old = server.seen[Math.floor(random() * server.seen.length)];
    if (old && random() < 0.2) server.publishRaw(old.topic, old.payload, random() < 0.3);
  };
  // The first session is made in peace, or the time would go by with handshakes.
  await assertHonest(parts);
  server.tamper(chaos);
  const telling = Promise.all([
    gradually(numbered(60), (text) => tellMember(sensor, members.operator, 'plant/load', text)),
    gradually(numbered(20), (text) => tellMember(operator, members.sensor, 'orders', text)),
  ]);
  // Most of it while the broker is at it, and the rest once it is honest.
  const heard = await overhear(operator, 40);
  server.tamper();
  for (const { deliver } of delivers) deliver();
  heard.push(...(await overhear(operator, 20)));
  await telling;
  assert.deepEqual(
    [heard, await overhear(sensor, 20)],
    [numbered(60).map((text) => `sensor plant/load: ${text}`), numbered(20).map((text) => `operator orders: ${text}`)],
  );
  assert.ok(refusals(operator).size > 0);
  for (const text of ['message', 'honest']) {
    assert.ok(server.seen.every(({ payload }) => !Buffer.from(payload).includes(text)));
  }
  await assertHonestEnd(parts);
});

test('N6: a broker that shuffles: delivered in the sender’s order, once, without a gap', { timeout }, async (t) => {
  const parts = await scene(t);
  const { server, sensor, operator, members } = parts;
  await assertHonest(parts);
  const order = [3, 1, 4, 0, 2];
  const held: (() => void)[] = [];
  const seen = new Set<number>();
  server.tamper((published, deliver) => {
    const seq = published.topic === 'plant/load' ? labelOf(published)?.seq : undefined;
    if (seq === undefined || seen.has(seq)) return deliver(published);
    seen.add(seq);
    if (held.push(() => deliver(published)) < order.length) return;
    const window = held.splice(0);
    for (const at of order) window[at]?.();
  });
  const telling = numbered(20).map((text) => tellMember(sensor, members.operator, 'plant/load', text));
  assert.deepEqual(
    await overhear(operator, 20),
    numbered(20).map((text) => `sensor plant/load: ${text}`),
  );
  await Promise.all(telling);
  assert.ok(operator.events.every(({ type }) => type !== 'gap'));
  await assertHonestEnd(parts);
});

test('N10: a broker that alters topics, times, places and its own flags: refused, or of no consequence', {
  timeout,
}, async (t) => {
  const parts = await scene(t);
  const { server, sensor, operator, members } = parts;
  await assertHonest(parts);
  const relabel: ((published: Published) => Uint8Array)[] = [
    ({ payload }) => relabelled(payload, { topic: 'plant/valve' }),
    ({ payload }) => relabelled(payload, { issuedAtS: 1 }),
    ({ payload }) => relabelled(payload, { expiresAtS: 4_000_000_000 }),
    ({ payload }) => relabelled(payload, { seq: 999 }),
    ({ payload }) => relabelled(payload, { senderId: members.mallory.identity.id }),
  ];
  let count = 0;
  server.tamper((published, deliver) => {
    if (published.topic !== 'plant/load') return deliver({ ...published, qos: 0, retain: true });
    const change = relabel[count++];
    // After the altered ones: another quality of service, and kept for ever.
    deliver(change ? { ...published, payload: change(published) } : { ...published, qos: 0, retain: true });
  });
  const texts = numbered(8);
  const telling = texts.map((text) => tellMember(sensor, members.operator, 'plant/load', text, { until: 'delivered' }));
  assert.deepEqual(
    await overhear(operator, 8),
    texts.map((text) => `sensor plant/load: ${text}`),
  );
  await Promise.all(telling);
  await until(() => ALTERED.every((code) => refusals(operator).has(code)));
  await assertHonestEnd(parts);
});

/** Hands every unit of a handshake to `swapper` in the place of delivering it; what it gives once, it gives again. */
function swapping({ server, members }: Scene, swapper: KeySwapper): void {
  const { sensor, operator } = members;
  const toOperator = inboxTopic({ to: operator.identity.id, lane: 'handshake', from: sensor.identity.id });
  const swapped = new Map<string, Promise<readonly Uint8Array[]>>();
  server.tamper((published, deliver) => {
    if (!isInbox(published, 'handshake')) return deliver(published);
    const { topic, payload } = published;
    const direction = topic === toOperator ? 'out' : 'back';
    const key = bytesToHex(payload);
    const known = swapped.get(key);
    const units = known ?? Promise.resolve(isError(payload) ? [payload] : swapper.meddle(payload, direction, 0));
    swapped.set(key, units);
    void units.then(async (all) => {
      for (const unit of all) deliver({ ...published, payload: unit });
      // Whatever the sensor makes of it, the attacker goes on with the operator in its place.
      if (known || isError(payload) || direction === 'out') return;
      for (const unit of await swapper.meddle(payload, 'out', 0)) server.publishRaw(toOperator, unit);
    });
  });
}

test('N2a: a broker that swaps ephemeral keys in the inboxes: both sides refuse, and no frame is ever sent', {
  timeout,
}, async (t) => {
  const parts = await scene(t);
  const { server, sensor, operator, members } = parts;
  const swapper = new KeySwapper(1);
  swapper.disguise = { victim: members.sensor, signer: members.mallory.identity.signer };
  swapping(parts, swapper);
  const refused = await refusalOf(tellMember(sensor, members.operator, 'plant/load', 'never sent'));
  assert.equal(refused.code, 'signature-invalid');
  assert.deepEqual(
    operator.refused.map(({ code }) => code),
    ['signature-invalid'],
  );
  // The swap itself worked: the broker shared keys with the operator and read its message_2.
  assert.deepEqual(
    swapper.read.map((der) => new Uint8Array(der)),
    [members.operator.identity.certificates[0]],
  );
  assert.ok(server.seen.every((published) => isInbox(published, 'handshake')));
  await assertHonestEnd(parts);
});

test('N2b: a broker that holds handshakes of its own with both, under their names: refused on both sides', {
  timeout,
}, async (t) => {
  const parts = await scene(t);
  const { server, sensor, operator, members } = parts;
  const stage = await stageFor(t, []);
  // A server beside, where the two forged ones are at home; what is published there is brought to the victims.
  const backstage = await hostileServer(t);
  const forged = {
    sensor: await makeMember(stage.directory, 'sensor', 'forged sensor'),
    operator: await makeMember(stage.directory, 'operator', 'forged operator'),
  };
  const disguised = {
    sensor: { ...forged.sensor.identity, id: members.sensor.identity.id },
    operator: { ...forged.operator.identity, id: members.operator.identity.id },
  };
  const trusts = Object.values(members);
  const options = { trusts, protocolVersion: 4, handshakeTimeoutMs: 1500 } as const;
  const [asSensor, asOperator] = [
    await joinAs(t, backstage.url, disguised.sensor, options),
    await joinAs(t, backstage.url, disguised.operator, options),
  ];
  const honestTopics = new Set<string>();
  server.tamper(({ topic, payload }) => {
    honestTopics.add(topic);
    backstage.publishRaw(topic, payload);
  });
  backstage.tamper(({ topic, payload }) => server.publishRaw(topic, payload));
  const there = refusalOf(tellMember(asSensor, members.operator, 'plant/load', 'open the valve'));
  const here = refusalOf(tellMember(sensor, members.operator, 'plant/load', 'never sent'));
  assert.equal((await here).code, 'key-changed');
  assert.ok(HANDSHAKE_CODES.has((await there).code));
  assert.ok(operator.refused.every(({ code }) => code === 'key-changed') && operator.refused.length > 0);
  assert.deepEqual(asOperator.events, []);
  assert.ok(server.seen.every((published) => isInbox(published, 'handshake')));
  await assertHonestEnd(parts);
});

test('N20: a broker that acknowledges and delivers nothing, then all of it, backwards: once and in order', {
  timeout,
}, async (t) => {
  const parts = await scene(t);
  const { server, sensor, operator, members } = parts;
  await assertHonest(parts);
  const held: (() => void)[] = [];
  server.tamper((published, deliver) => void held.push(() => deliver(published)));
  const telling = numbered(10).map((text) => tellMember(sensor, members.operator, 'plant/load', text));
  await Promise.all(telling);
  await until(() => held.length >= 25);
  server.tamper();
  for (const deliver of held.toReversed()) deliver();
  assert.deepEqual(
    await overhear(operator, 10),
    numbered(10).map((text) => `sensor plant/load: ${text}`),
  );
  assert.ok(labelOf(server.seen.at(-1) ?? { payload: new Uint8Array() })?.kind !== KIND.end);
  await assertHonestEnd(parts);
});
