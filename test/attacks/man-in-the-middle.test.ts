import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelIn, type Meddle } from '../../src/apps/middle.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { decodeEnvelope, encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { decodeMessage1, encodeMessage1 } from '../../src/core/handshake/message-1.ts';
import { decodeMessage2, encodeMessage2 } from '../../src/core/handshake/message-2.ts';
import { suite5 } from '../../src/core/handshake/suites.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { dialTcp } from '../../src/node/tcp.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';
import type { Session } from '../../src/roles/session.ts';
import { HANDSHAKE_CODES, refusalOf, roguePeer, type Trap, trap } from '../support/attacker.ts';
import { KeySwapper } from '../support/key-swapper.ts';
import { hear, hearAll, say } from '../support/messages.ts';
import { Recording } from '../support/recorded.ts';
import { type Actor, type Approach, approach, type Member, makeMember } from '../support/stage.ts';

const suite = suite5(nodeCrypto);

/** Where a message is altered: parts of its length. */
const POSITIONS = [0, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 1];

/** A session over the same middle, which lets it be: honest traffic goes on. */
async function honestSession({ again }: Approach): Promise<void> {
  const { near, far } = await again();
  await say(near, 'to the operator', 'delivered');
  await say(far, 'to the sensor', 'delivered');
  assert.deepEqual(await hear(far, 1), ['to the operator']);
  assert.deepEqual(await hear(near, 1), ['to the sensor']);
  await Promise.all([near.close(), far.close()]);
}

/** The code that the `count`-th refused handshake at the listening side ended with. */
async function refusedThere({ events }: Actor, count = 1): Promise<string> {
  const refused = await events.atLeast(count, 'handshake-refused');
  return refused[count - 1]?.error.code ?? '';
}

test('N1a: ephemeral keys swapped on the way: the handshake fails on both sides and nothing is sent', async () => {
  const swapper = new KeySwapper(1);
  const recording = new Recording(swapper.meddle);
  await using talk = await approach({ names: ['sensor', 'operator', 'mallory'], meddle: recording.meddle });
  const { sensor, operator, middle, stage } = talk;
  swapper.disguise = { victim: sensor.member, signer: stage.member('mallory').identity.signer };

  const refused = await refusalOf(sensor.peer.dial(middle.address, { expect: 'operator' }));
  assert.equal(refused.code, 'signature-invalid');
  assert.equal(await refusedThere(operator), 'signature-invalid');
  // The swap itself worked: the attacker shared keys with the Responder and read its message_2.
  assert.deepEqual(
    swapper.read.map((der) => new Uint8Array(der)),
    [operator.member.identity.certificates[0]],
  );
  assert.equal(recording.frames('out').length + recording.frames('back').length, 0);
  await honestSession(talk);
});

for (const [which, swap] of [
  ['the Initiator’s', 'out'],
  ['the Responder’s', 'back'],
] as const) {
  test(`N1a: ${which} ephemeral key alone swapped: the handshake fails on both sides`, async () => {
    const done = new Set<number>();
    const meddle: Meddle = (unit, direction, connection) => {
      if (direction !== swap || connection > 0 || done.has(connection)) return [unit];
      done.add(connection);
      const { connectionId, message } = decodeEnvelope(unit);
      const { publicX } = suite.ecdh.generate();
      const forged =
        swap === 'out'
          ? encodeMessage1({ ...decodeMessage1(message), publicX })
          : encodeMessage2({ ...decodeMessage2(message, suite), publicY: publicX });
      return [encodeEnvelope({ connectionId, message: forged })];
    };
    const recording = new Recording(meddle);
    await using talk = await approach({ meddle: recording.meddle });
    const refused = await refusalOf(talk.sensor.peer.dial(talk.middle.address, { expect: 'operator' }));
    assert.ok(HANDSHAKE_CODES.has(refused.code), refused.code);
    assert.equal(await refusedThere(talk.operator), 'handshake-failed');
    assert.equal(recording.frames('out').length + recording.frames('back').length, 0);
    await honestSession(talk);
  });
}

/** What a machine in the middle that runs whole handshakes of its own with either side comes to. */
interface TwoFaces {
  /** With whoever dials it. */
  readonly asOperator: Promise<Session>;
  /** With the operator. */
  readonly asSensor: Promise<Session>;
}

/** Waits for somebody to dial, and then stands between that one and `address` with identities of its own. */
async function twoFaced(
  identities: { readonly asOperator: OwnIdentity; readonly asSensor: OwnIdentity },
  trusts: readonly Member[],
  address: string,
): Promise<TwoFaces & Trap> {
  const [asOperator, asSensor] = [Promise.withResolvers<Session>(), Promise.withResolvers<Session>()];
  for (const { promise } of [asOperator, asSensor]) promise.catch(() => {});
  const between = await trap(async (connection) => {
    asOperator.resolve(roguePeer(identities.asOperator, trusts).answer(connection));
    asSensor.resolve(roguePeer(identities.asSensor, trusts).open(await dialTcp(address), 'operator'));
    await Promise.allSettled([asOperator.promise, asSensor.promise]);
  });
  return { ...between, asOperator: asOperator.promise, asSensor: asSensor.promise };
}

test('N1b: ephemeral and signing keys swapped, under the names of the two: refused on both sides', async () => {
  const recording = new Recording();
  await using talk = await approach({ meddle: recording.meddle });
  const { sensor, operator, middle, stage } = talk;
  const [asOperator, asSensor] = await Promise.all([
    makeMember(stage.directory, 'operator', 'false-operator'),
    makeMember(stage.directory, 'sensor', 'false-sensor'),
  ]);
  const identities = { asOperator: asOperator.identity, asSensor: asSensor.identity };
  await using mallory = await twoFaced(identities, stage.members, middle.address);
  const refused = await refusalOf(sensor.peer.dial(mallory.address, { expect: 'operator' }));
  assert.equal(refused.code, 'key-changed');
  assert.equal(await refusedThere(operator), 'key-changed');
  assert.equal((await refusalOf(mallory.asOperator)).code, 'handshake-failed');
  assert.equal((await refusalOf(mallory.asSensor)).code, 'handshake-failed');
  assert.equal(recording.frames('out').length + recording.frames('back').length, 0);
  await honestSession(talk);
});

test('N1b: the same by an insider whom both trust: nobody takes her for the other', async () => {
  await using talk = await approach({ names: ['sensor', 'operator', 'mallory'] });
  const { sensor, listening, stage } = talk;
  const { identity } = stage.member('mallory');
  const identities = { asOperator: identity, asSensor: identity };
  await using mallory = await twoFaced(identities, stage.members, listening.address);
  const answered = listening[Symbol.asyncIterator]().next();
  const refused = await refusalOf(sensor.peer.dial(mallory.address, { expect: 'operator' }));
  assert.equal(refused.code, 'identity-mismatch');
  assert.equal((await refusalOf(mallory.asOperator)).code, 'handshake-failed');
  // With the operator she may talk, as herself.
  const session = await mallory.asSensor;
  const there = (await answered).value;
  assert.equal(there?.peer.name, 'mallory');
  assert.deepEqual(there?.peer.id, identity.id);
  await session.close();
  await honestSession(talk);
});

test('N9: a handshake message altered anywhere fails loudly on both sides, and nothing is sent', async (context) => {
  const attack = { number: 0, position: 0 };
  let count = 0;
  let doomed = -1;
  const meddle: Meddle = (unit, direction, connection) => {
    if (connection !== doomed || labelIn(unit)) return [unit];
    count += 1;
    if (count !== attack.number) return [unit];
    const altered = unit.slice();
    const at = Math.min(Math.floor(attack.position * unit.length), unit.length - 1);
    altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
    assert.equal(direction, attack.number % 2 === 1 ? 'out' : 'back');
    return [altered];
  };
  const recording = new Recording(meddle);
  await using talk = await approach({ meddle: recording.meddle });
  const { sensor, operator, middle, listening } = talk;
  let refusals = 0;
  for (attack.number of [1, 2, 3, 4]) {
    for (attack.position of POSITIONS) {
      await context.test(`message_${attack.number}, ${Math.round(attack.position * 100)} % of the way`, async () => {
        count = 0;
        doomed += 1;
        const refused = await refusalOf(sensor.peer.dial(middle.address, { expect: 'operator' }));
        assert.ok(HANDSHAKE_CODES.has(refused.code), refused.code);
        if (attack.number === 4) {
          // The Responder had all it needs to believe; it learns that the Initiator has not confirmed.
          const { value: far } = await listening[Symbol.asyncIterator]().next();
          assert.ok(far);
          assert.equal((await refusalOf(hearAll(far))).code, 'stream-cut');
        } else {
          refusals += 1;
          const code = await refusedThere(operator, refusals);
          assert.ok(HANDSHAKE_CODES.has(code as ErrorCode), code);
        }
        assert.equal(recording.frames('out').length, 0);
      });
    }
  }
  doomed = -1;
  await honestSession(talk);
});
