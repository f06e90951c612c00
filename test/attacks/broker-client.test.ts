import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bytesToHex } from '../../src/core/bytes.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { decodeEnvelope, encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { encodeErrorMessage, REFUSAL } from '../../src/core/handshake/error-message.ts';
import { idToTopic } from '../../src/core/identity/id.ts';
import { inboxTopic } from '../../src/core/inbox.ts';
import { KIND } from '../../src/core/kinds.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { BrokerEvent } from '../../src/roles/mqtt/events.ts';
import { refusalOf } from '../support/attacker.ts';
import { noMosquitto, type TestBroker, useMosquitto } from '../support/brokers.ts';
import { isInbox, labelOf, overhear, type Visitor } from '../support/bus.ts';
import { flipped, relabelled } from '../support/forged-frame.ts';
import { forged1, forged2 } from '../support/inbox-attacks.ts';
import { KeySwapper } from '../support/key-swapper.ts';
import { readLedger } from '../support/ledger-entries.ts';
import { numbered } from '../support/messages.ts';
import { enterBroker, joinAs, stageFor, tellMember, tellOn } from '../support/mqtt-stage.ts';
import { RunningCommand } from '../support/running.ts';
import { type Member, makeMember, type Stage, trustOnly } from '../support/stage.ts';
import { type ThirdParty, thirdParty } from '../support/third-party.ts';
import { until } from '../support/turns.ts';

const MOSQUITTO = { timeout: 60_000, skip: noMosquitto };

/** Sensor and operator at Mosquitto, and Mallory, whom both of them trust for what she is, with a plain client. */
interface Scene {
  readonly stage: Stage;
  readonly broker: TestBroker;
  readonly mallory: ThirdParty;
  readonly members: Readonly<Record<'sensor' | 'operator' | 'mallory', Member>>;
  join(name: 'sensor' | 'operator' | 'mallory'): Promise<Visitor>;
}

async function scene(t: TestContext): Promise<Scene> {
  const broker = await useMosquitto(t);
  const stage = await stageFor(t, ['sensor', 'operator', 'mallory']);
  const members = {
    sensor: stage.member('sensor'),
    operator: stage.member('operator'),
    mallory: stage.member('mallory'),
  };
  const options = {
    trusts: Object.values(members),
    handshakeTimeoutMs: 3000,
    tuning: { resendMs: 200, receiptDelayMs: 10, batchMax: 1 },
  };
  return {
    ...{ stage, broker, members },
    mallory: await thirdParty(t, broker.url),
    join: (name) => joinAs(t, broker.url, members[name].identity, options),
  };
}

/** Sensor and operator, who hear of each other. */
async function both({ join }: Scene): Promise<{ readonly sensor: Visitor; readonly operator: Visitor }> {
  const [sensor, operator] = [await join('sensor'), await join('operator')];
  await Promise.all([operator.bus.subscribe('plant/#'), sensor.bus.subscribe('orders')]);
  return { sensor, operator };
}

/** Messages both ways arrive, as if nothing had happened, and both leave in order. */
async function assertHonestEnd({ members, mallory }: Scene, sensor: Visitor, operator: Visitor): Promise<void> {
  mallory.react(() => {});
  await Promise.all([
    tellMember(sensor, members.operator, 'plant/load', 'honest', { until: 'delivered' }),
    tellMember(operator, members.sensor, 'orders', 'honest', { until: 'delivered' }),
  ]);
  assert.deepEqual(await overhear(operator, 1), ['sensor plant/load: honest']);
  assert.deepEqual(await overhear(sensor, 1), ['operator orders: honest']);
  await Promise.all([sensor.bus.close(), operator.bus.close()]);
  assert.deepEqual([sensor.lost, operator.lost], [[], []]);
}

const inSessions = ({ events }: Visitor): ErrorCode[] =>
  events.flatMap((event) => (event.type === 'refused' ? [event.error.code] : []));
const outside = ({ refused }: Visitor): ErrorCode[] => refused.map(({ code }) => code);

const inboxOf = (to: Member, from: Member, lane: 'handshake' | 'frames'): string =>
  inboxTopic({ to: to.identity.id, lane, from: from.identity.id });

test(
  'N2a: a client that swaps ephemeral keys in the inboxes, faster than the two: they meet all the same',
  MOSQUITTO,
  async (t) => {
    const parts = await scene(t);
    const { mallory, members } = parts;
    const { sensor, operator } = await both(parts);
    const toOperator = inboxOf(members.operator, members.sensor, 'handshake');
    const toSensor = inboxOf(members.sensor, members.operator, 'handshake');
    const swapper = new KeySwapper(1);
    swapper.disguise = { victim: members.sensor, signer: members.mallory.identity.signer };
    const forge = async (payload: Uint8Array, direction: 'out' | 'back'): Promise<void> => {
      const units = await swapper.meddle(payload, direction, 0);
      for (const unit of units) await mallory.publish(direction === 'out' ? toOperator : toSensor, unit);
      // She goes on with the operator in the sensor's place, too.
      if (direction === 'back')
        for (const unit of await swapper.meddle(payload, 'out', 0)) await mallory.publish(toOperator, unit);
    };
    let begun = false;
    mallory.react(({ topic, payload }) => {
      if (topic === toOperator && !begun) {
        begun = true;
        void forge(payload, 'out');
      }
      // The answer to the genuine message_1 is not for her: her keys do not open it.
      if (topic === toSensor) void forge(payload, 'back').catch(() => {});
    });
    await tellMember(sensor, members.operator, 'plant/load', 'for the operator alone', { until: 'delivered' });
    assert.deepEqual(await overhear(operator, 1), ['sensor plant/load: for the operator alone']);
    await until(() => outside(operator).includes('signature-invalid'));
    // The swap itself worked: she shared keys with the operator and read what it answered to her.
    assert.deepEqual(new Uint8Array(swapper.read[0] ?? []), members.operator.identity.certificates[0]);
    assert.ok(mallory.heard.every(({ payload }) => !Buffer.from(payload).includes('for the operator alone')));
    await assertHonestEnd(parts, sensor, operator);
  },
);

test(
  'N2b: a client that answers and asks in the names of the two, with keys of her own: nobody believes her',
  MOSQUITTO,
  async (t) => {
    const parts = await scene(t);
    const { mallory, members, broker, stage } = parts;
    const { sensor, operator } = await both(parts);
    const forged = await makeMember(stage.directory, 'operator', 'forged operator');
    const other = await makeMember(stage.directory, 'sensor', 'forged sensor');
    // Both take part under the genuine ids, with certificates and keys of their own.
    const trusts = Object.values(members);
    const asOperator = await joinAs(
      t,
      broker.url,
      { ...forged.identity, id: members.operator.identity.id },
      { trusts },
    );
    const options = { trusts, handshakeTimeoutMs: 1000 };
    const asSensor = await joinAs(t, broker.url, { ...other.identity, id: members.sensor.identity.id }, options);
    const refused = refusalOf(tellMember(asSensor, members.operator, 'plant/valve', 'open'));
    await tellMember(sensor, members.operator, 'plant/load', 'for the operator alone', { until: 'delivered' });
    assert.deepEqual(await overhear(operator, 1), ['sensor plant/load: for the operator alone']);
    assert.equal((await refused).code, 'handshake-failed');
    assert.ok(outside(operator).includes('key-changed'));
    assert.deepEqual([asOperator.events, asSensor.events], [[], []]);
    assert.ok(mallory.heard.some((one) => isInbox(one, 'handshake')));
    await Promise.all([asOperator.bus.close(), asSensor.bus.close()]);
    await assertHonestEnd(parts, sensor, operator);
  },
);

test(
  'N4: frames that a client replays while their sender is gone: `replayed`, delivered once, logged once',
  MOSQUITTO,
  async (t) => {
    const broker = await useMosquitto(t);
    const stage = await stageFor(t, ['sensor', 'operator']);
    const mallory = await thirdParty(t, broker.url);
    await stage.startNotary({ url: broker.url });
    const operator = await enterBroker(stage, 'operator', broker.url, { notary: 'notary' });
    await operator.bus.subscribe('plant/#');
    const texts = numbered(3);
    {
      // A sender in a process of its own, which is killed: its session stays open at the operator's end.
      const args = ['pub', 'plant/load', '--line', '--to', 'operator', '--broker', broker.url, '--notary', 'notary'];
      await using pub = new RunningCommand(['--home', stage.member('sensor').home, ...args]);
      for (const [i, text] of texts.entries()) {
        pub.type(text);
        assert.deepEqual(await overhear(operator, 1), [`sensor plant/load: ${texts[i]}`]);
      }
    }
    const frames = mallory.heard.filter((one) => labelOf(one)?.kind === KIND.message && one.topic === 'plant/load');
    assert.equal(frames.length, 3);
    const inbox = inboxOf(stage.member('operator'), stage.member('sensor'), 'frames');
    for (const { payload } of frames.toReversed()) {
      await mallory.publish('plant/load', payload);
      await mallory.publish(inbox, payload);
    }
    await operator.events.atLeast(6, 'refused');
    assert.deepEqual(new Set(operator.events.codes()), new Set(['replayed']));

    // The sensor comes back, in a session of its own; what was recorded before is worth nothing in it either.
    const sensor = await enterBroker(stage, 'sensor', broker.url, { notary: 'notary' });
    await tellOn(sensor, 'operator', 'plant/load', 'back again', { until: 'delivered' });
    for (const { payload } of frames) await mallory.publish('plant/load', payload);
    await tellOn(sensor, 'operator', 'plant/load', 'and again', { until: 'logged' });
    assert.deepEqual(await overhear(operator, 2), ['sensor plant/load: back again', 'sensor plant/load: and again']);
    await sensor.bus.close();
    await operator.bus.close();
    await stage.stopNotary();
    const logged = (await readLedger(stage)).by(stage.member('sensor').identity.id);
    const messages = logged.filter(({ kind }) => kind === KIND.message);
    const signatures = messages.map(({ signature }) => bytesToHex(signature));
    assert.equal(new Set(signatures).size, signatures.length);
    // What the one that was killed had no receipt for the next one has sealed and sent once more, as a frame of its own.
    assert.ok(signatures.length >= 5 && signatures.length <= 8);
    for (const frame of frames)
      assert.ok(signatures.includes(bytesToHex(labelOf(frame)?.signature ?? new Uint8Array())));
  },
);

test(
  'N10: frames with another topic, sender, time or place in their labels, or moved as they are',
  MOSQUITTO,
  async (t) => {
    const parts = await scene(t);
    const { mallory, members } = parts;
    const { sensor, operator } = await both(parts);
    const inbox = inboxOf(members.operator, members.sensor, 'frames');
    mallory.react(({ topic, payload }) => {
      if (topic !== 'plant/load') return;
      void mallory.publish('plant/valve', payload);
      void mallory.publish('plant/valve', relabelled(payload, { topic: 'plant/valve' }));
      void mallory.publish(inbox, relabelled(payload, { topic: idToTopic(members.operator.identity.id) }));
      void mallory.publish(topic, relabelled(payload, { senderId: members.mallory.identity.id }));
      void mallory.publish(topic, relabelled(payload, { issuedAtS: 1_000_000_000, expiresAtS: null }));
      void mallory.publish(topic, relabelled(payload, { seq: 77 }));
      void mallory.publish(topic, relabelled(payload, { kind: KIND.ledgerReceipt }));
      void mallory.publish(topic, flipped(payload, payload.length - 1));
    });
    await tellMember(sensor, members.operator, 'plant/load', 'as it was', { until: 'delivered' });
    assert.deepEqual(await overhear(operator, 1), ['sensor plant/load: as it was']);
    await until(() => inSessions(operator).length >= 6 && outside(operator).length >= 1);
    const expected = ['signature-invalid', 'sender-unknown', 'body-mismatch', 'wrong-recipient', 'replayed'];
    for (const code of inSessions(operator)) assert.ok(expected.includes(code), code);
    assert.deepEqual(new Set(outside(operator)), new Set(['wrong-topic']));
    await assertHonestEnd(parts, sensor, operator);
  },
);

test(
  'N12: a frame for the operator, presented to another reader of its topic and to her inbox',
  MOSQUITTO,
  async (t) => {
    const parts = await scene(t);
    const { mallory, members, join } = parts;
    const { sensor, operator } = await both(parts);
    const insider = await join('mallory');
    await insider.bus.subscribe('plant/#');
    await tellMember(sensor, members.operator, 'plant/load', 'for the operator', { until: 'delivered' });
    await tellMember(sensor, members.mallory, 'plant/load', 'for mallory', { until: 'delivered' });
    assert.deepEqual(await overhear(operator, 1), ['sensor plant/load: for the operator']);
    assert.deepEqual(await overhear(insider, 1), ['sensor plant/load: for mallory']);
    const frames = await mallory.hear(2, (one) => labelOf(one)?.kind === KIND.message);
    const [forOperator, forMallory] = frames;
    assert.ok(forOperator && forMallory);

    // Each on the common topic once more, and in the other one's inbox, under the sender's name.
    for (const { payload } of frames) {
      await mallory.publish('plant/load', payload);
      await mallory.publish(inboxOf(members.operator, members.sensor, 'frames'), payload);
      await mallory.publish(inboxOf(members.mallory, members.sensor, 'frames'), payload);
    }
    for (const reader of [operator, insider]) {
      await until(() => inSessions(reader).length >= 2 && outside(reader).length >= 1);
      assert.deepEqual(new Set(inSessions(reader)), new Set(['replayed']));
      // In the inbox it belongs to a session that is not open there; on the topic it is somebody else's.
      assert.deepEqual(outside(reader), ['wrong-session']);
    }
    // Nor in a session of hers with the operator, as her own words.
    await tellMember(insider, members.operator, 'plant/load', 'hers', { until: 'delivered' });
    assert.deepEqual(await overhear(operator, 1), ['mallory plant/load: hers']);
    await insider.bus.close();
    await assertHonestEnd(parts, sensor, operator);
  },
);

/** What somebody may leave in an inbox for good: noise, and what is genuine in form. */
function litter({ members }: Scene, recorded: readonly Uint8Array[]): Uint8Array[] {
  const message1 = decodeEnvelope(forged1()).message;
  return [
    new Uint8Array(0),
    Uint8Array.of(0xff),
    nodeCrypto.random(3000),
    forged1(),
    forged2(message1, members.operator.identity),
    encodeEnvelope({ connectionId: nodeCrypto.random(8), message: encodeErrorMessage(REFUSAL) }),
    ...recorded,
  ];
}

test('N15: one retained publication in any inbox, before, between and after, kills nothing', MOSQUITTO, async (t) => {
  const parts = await scene(t);
  const { mallory, members } = parts;
  const { sensor, operator } = parts.members;
  const inboxes = (['handshake', 'frames'] as const).flatMap((lane) => [
    inboxOf(operator, sensor, lane),
    inboxOf(sensor, operator, lane),
    inboxOf(operator, members.mallory, lane),
  ]);
  let recorded: Uint8Array[] = [];
  for (let round = 0; round < 2; round++) {
    const visitors = await both(parts);
    await tellMember(visitors.sensor, operator, 'plant/load', `round ${round}`, { until: 'delivered' });
    assert.deepEqual(await overhear(visitors.operator, 1), [`sensor plant/load: round ${round}`]);
    // Into a session that is under way: only the last on each topic stays, but each comes by.
    recorded = [...new Set([...recorded, ...mallory.heard.map(({ payload }) => payload)])];
    for (const payload of litter(parts, recorded.slice(0, 20))) {
      for (const topic of inboxes) await mallory.publish(topic, payload, true);
    }
    await assertHonestEnd(parts, visitors.sensor, visitors.operator);
  }
  // For whoever comes next, one on each topic, of each sort.
  for (const payload of litter(parts, recorded.slice(0, 4))) {
    for (const topic of inboxes) await mallory.publish(topic, payload, true);
    const visitors = await both(parts);
    await assertHonestEnd(parts, visitors.sensor, visitors.operator);
    assert.deepEqual([outside(visitors.sensor), outside(visitors.operator)], [[], []], 'what was kept is dropped');
  }
});

test(
  'N16: a client that nobody knows announces itself, as itself and as a member: refused, and told',
  MOSQUITTO,
  async (t) => {
    const parts = await scene(t);
    const { members, broker, stage, mallory } = parts;
    const { sensor, operator } = await both(parts);
    const stranger = await makeMember(stage.directory, 'stranger');
    await trustOnly(stranger, Object.values(members));
    const options = { trusts: Object.values(members), handshakeTimeoutMs: 1000 };
    const unknown = await joinAs(t, broker.url, stranger.identity, options);
    const refused = await refusalOf(tellMember(unknown, members.operator, 'plant/load', 'let me in'));
    assert.equal(refused.code, 'handshake-failed');
    const handshake = inboxOf(members.operator, stranger, 'handshake');
    assert.deepEqual(operator.refused, [{ code: 'identity-unknown', where: handshake }]);

    // In the sensor's name: its certificate, which is no secret, and a key that is not its own.
    const disguised = { ...members.sensor.identity, signer: stranger.identity.signer };
    const impostor = await joinAs(t, broker.url, disguised, options);
    assert.equal(
      (await refusalOf(tellMember(impostor, members.operator, 'plant/load', 'it is me'))).code,
      'handshake-failed',
    );
    assert.equal(operator.refused.at(-1)?.code, 'signature-invalid');

    // A frame without any handshake: its ratchet is nobody's.
    await tellMember(sensor, members.operator, 'plant/load', 'genuine', { until: 'delivered' });
    assert.deepEqual(await overhear(operator, 1), ['sensor plant/load: genuine']);
    const [genuine] = await mallory.hear(1, (one) => labelOf(one)?.kind === KIND.message);
    assert.ok(genuine);
    const foreign = relabelled(genuine.payload, { ratchetId: nodeCrypto.random(16), senderId: stranger.identity.id });
    await mallory.publish(inboxOf(members.operator, stranger, 'frames'), foreign);
    await until(() => outside(operator).includes('sender-unknown'));
    await Promise.all([unknown.bus.close(), impostor.bus.close()]);
    await assertHonestEnd(parts, sensor, operator);
  },
);

test(
  'N20: a client that takes over the ids of others throws them out for as long as it keeps at it',
  MOSQUITTO,
  async (t) => {
    const broker = await useMosquitto(t);
    const stage = await stageFor(t, ['sensor', 'operator']);
    const operator = await enterBroker(stage, 'operator', broker.url);
    const clientId = /as (sw[0-9a-f]{20}) /.exec(broker.log.join('\n'))?.[1];
    assert.ok(clientId, 'the broker knows, and whoever it tells');
    const sensor = await enterBroker(stage, 'sensor', broker.url);
    await operator.bus.subscribe('plant/#');
    await tellOn(sensor, 'operator', 'plant/load', 'before', { until: 'delivered' });
    const thieves: ThirdParty[] = [];
    const told = (type: BrokerEvent['type']): number =>
      operator.events.of('broker').filter(({ event }) => event.type === type).length;
    // Mosquitto hangs up without a word on whoever was there before; it takes a few times until that is no accident.
    while (told('client-id-taken') === 0) {
      thieves.push(await thirdParty(t, broker.url, { clientId }));
      await until(() => told('lost') === thieves.length);
      await until(() => told('reconnected') === thieves.length);
    }
    // What she gets by it is what every client gets: ciphertext, and nobody's session.
    const texts = numbered(10);
    await Promise.all(texts.map((text) => tellOn(sensor, 'operator', 'plant/load', text, { until: 'delivered' })));
    assert.deepEqual(
      await overhear(operator, 11),
      ['before', ...texts].map((text) => `sensor plant/load: ${text}`),
    );
    for (const { heard } of thieves) assert.ok(heard.every(({ payload }) => !Buffer.from(payload).includes('message')));
    await Promise.all([sensor.bus.close(), operator.bus.close()]);
    for (const { events } of [sensor, operator])
      assert.deepEqual([events.of('gap'), events.of('session-lost')], [[], []]);
  },
);
