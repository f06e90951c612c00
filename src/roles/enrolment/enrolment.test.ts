import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEVICE_WAIT_MS, deskScene, elapse } from '../../../test/support/enrolment.ts';
import { DAY_MS } from '../../../test/support/identities.ts';
import { refused } from '../../../test/support/refused.ts';
import { equalBytes } from '../../core/bytes.ts';
import { EnrolmentDesk } from './desk.ts';
import { enrol, renew } from './enrolling.ts';

test('a device with a token gets certificate and roster, and is known from then on', async () => {
  const scene = await deskScene();
  const token = scene.token('sensor-7');
  const { chain, authority, roster } = await elapse(scene.clock, enrol(token, await scene.device('sensor-7', 1)));
  assert.deepEqual([chain[0]?.commonName, authority.commonName], ['sensor-7', 'plant']);
  assert.deepEqual(roster, scene.authority.roster());
  assert.deepEqual([...scene.authority.members.keys()], ['sensor-7']);
  assert.deepEqual(scene.authority.channels.get('sensor-7'), ['all']);
  assert.deepEqual([scene.enrolled, scene.refused], [['sensor-7 by token'], []]);
});

test('lost answers are given again, the same; to another key or name the token is used up', async () => {
  let lost = 0;
  const scene = await deskScene({
    intercept: (published, deliver) => {
      if (published.topic.endsWith('/answer') && lost < 2) lost += 1;
      else deliver(published);
    },
  });
  const token = scene.token('sensor-*');
  const first = await elapse(scene.clock, enrol(token, await scene.device('sensor-7', 1)));
  assert.equal(lost, 2);
  assert.equal(scene.authority.issued, 1);
  const again = await elapse(scene.clock, enrol(token, await scene.device('sensor-7', 1)));
  assert.deepEqual(again.chain, first.chain, 'signed anew, the same request');
  for (const [name, key] of [
    ['sensor-7', 2],
    ['sensor-8', 1],
    ['sensor-9', 3],
  ] as const) {
    await refused(elapse(scene.clock, enrol(token, await scene.device(name, key))), 'token-invalid', /used already/);
  }
  assert.deepEqual([...scene.authority.members.keys()], ['sensor-7']);
});

test('tokens work once and expire, over a restart too', async () => {
  const scene = await deskScene();
  const [used, fresh, late] = [scene.token('a'), scene.token('b'), scene.token('c', 60_000)];
  await elapse(scene.clock, enrol(used, await scene.device('a', 1)));
  await scene.restart();
  await refused(elapse(scene.clock, enrol(used, await scene.device('a', 2))), 'token-invalid', /used already/);
  assert.equal((await elapse(scene.clock, enrol(fresh, await scene.device('b', 3)))).chain[0]?.commonName, 'b');
  scene.clock.advance(60_000);
  await refused(
    elapse(scene.clock, enrol(late, await scene.device('c', 4))),
    'token-invalid',
    /expired on 2026-07-01T/,
  );
  scene.clock.advance(3_600_000);
  await refused(elapse(scene.clock, enrol(used, await scene.device('a', 1))), 'token-invalid', /expired/);
});

test('another name than the token was made for, and one that is taken, are refused with the reason', async () => {
  const scene = await deskScene();
  const wrong = enrol(scene.token('sensor-*'), await scene.device('pump', 1));
  await refused(elapse(scene.clock, wrong), 'enrolment-refused', /made for sensor-\*, not for pump/);
  await elapse(scene.clock, enrol(scene.token('pump'), await scene.device('pump', 1)));
  const taken = enrol(scene.token('pump'), await scene.device('pump', 2));
  await refused(elapse(scene.clock, taken), 'enrolment-refused', /another key/);
  assert.deepEqual(scene.refused, ['enrolment-refused', 'enrolment-refused']);
});

test('of two that race for one token one is enrolled', async () => {
  const scene = await deskScene();
  const token = scene.token('*');
  const [first, second] = [await scene.device('a', 1), await scene.device('b', 2)];
  const outcomes = await elapse(scene.clock, Promise.allSettled([enrol(token, first), enrol(token, second)]));
  assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  assert.equal(scene.authority.members.size, 1);
});

test('a token of no known authority is not answered, and the device says so in the end', async () => {
  const scene = await deskScene();
  const token = { ...scene.token('a'), secret: new Uint8Array(16) };
  const sentence = new RegExp(`not answered within ${DEVICE_WAIT_MS} ms`);
  await refused(elapse(scene.clock, enrol(token, await scene.device('a', 1))), 'timeout', sentence);
  assert.deepEqual([scene.enrolled, scene.refused], [[], []]);
});

test('a device that boots in 1970 says so, sends nothing, and takes no certificate on a guess', async () => {
  const published: string[] = [];
  const scene = await deskScene({
    intercept: (one, deliver) => {
      published.push(one.topic);
      deliver(one);
    },
  });
  const token = scene.token('sensor-7');
  const device = await scene.device('sensor-7', 1);
  const booted = { ...device, clock: { ...scene.clock, now: () => 12_000 } };
  await refused(enrol(token, booted), 'clock-unset', /clock is not set: it says 1970-01-01/);
  await refused(renew(scene.authority.id, booted), 'clock-unset', /1970/);
  assert.deepEqual(published, []);
  const slow = { ...device, clock: { ...scene.clock, now: () => scene.clock.now() - 3 * DAY_MS } };
  await refused(elapse(scene.clock, enrol(token, slow)), 'certificate-not-yet-valid', /sensor-7 is valid from/);
  // The token is that key's still: with the clock set right it gets its certificate.
  await elapse(scene.clock, enrol(token, device));
  const unset = { clock: { ...scene.clock, now: () => 12_000 } };
  const options = { ...device, tokens: scene.tokens, authority: scene.authority, ...unset };
  await refused(EnrolmentDesk.open(options), 'clock-unset', /1970/);
});

test('a member gets another certificate for its key; a stranger and who was taken out get none', async () => {
  const scene = await deskScene();
  const device = await scene.device('sensor-7', 1);
  const first = await elapse(scene.clock, enrol(scene.token('sensor-7'), device));
  scene.clock.advance(25 * DAY_MS);
  const renewed = await elapse(scene.clock, renew(scene.authority.id, device));
  const [before, now] = [first.chain[0], renewed.chain[0]];
  assert.ok(before && now && now.notAfterMs >= before.notAfterMs + 25 * DAY_MS);
  assert.ok(equalBytes(before.publicKey, now.publicKey));
  const again = await elapse(scene.clock, renew(scene.authority.id, device));
  assert.deepEqual([again.chain, scene.authority.issued], [renewed.chain, 2], 'repeating it costs no signature');

  await refused(
    elapse(scene.clock, renew(scene.authority.id, await scene.device('sensor-7', 2))),
    'timeout',
    /not answered/,
  );
  await refused(
    elapse(scene.clock, renew(scene.authority.id, await scene.device('other', 1))),
    'timeout',
    /not answered/,
  );
  scene.authority.members.delete('sensor-7');
  await refused(elapse(scene.clock, renew(scene.authority.id, device)), 'timeout', /not answered/);
  assert.deepEqual(scene.enrolled, ['sensor-7 by token', 'sensor-7 by renewal']);
});
