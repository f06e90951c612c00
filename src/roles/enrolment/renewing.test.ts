import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deskScene, elapse } from '../../../test/support/enrolment.ts';
import { DAY_MS, NOW_MS } from '../../../test/support/identities.ts';
import { manualClock } from '../../../test/support/manual-clock.ts';
import { SealwireError } from '../../core/errors.ts';
import { enrol, renew } from './enrolling.ts';
import { Renewing, renewalDueMs } from './renewing.ts';

const validity = { notBeforeMs: NOW_MS, notAfterMs: NOW_MS + 30 * DAY_MS };

test('a client renews by itself when less than a third of the validity is left', async () => {
  const scene = await deskScene();
  const device = await scene.device('sensor-7', 1);
  const { chain } = await elapse(scene.clock, enrol(scene.token('sensor-7'), device));
  const [first] = chain;
  assert.ok(first);
  const renewed: number[] = [];
  const renewing = new Renewing({
    clock: scene.clock,
    validity: first,
    renew: async (stopped) => {
      const next = (await renew(scene.authority.id, { ...device, stopped })).chain[0];
      assert.ok(next);
      renewed.push(Math.round((scene.clock.now() - NOW_MS) / DAY_MS));
      return next;
    },
  });
  scene.clock.advance(19 * DAY_MS);
  assert.equal(scene.authority.issued, 1, 'not before its time');
  for (let day = 0; day < 90; day++) {
    scene.clock.advance(DAY_MS);
    for (let turn = 0; turn < 30; turn++) await scene.clock.turn();
  }
  // Dates are whole seconds, and the clock moves a day at a time: the first day after 20 of 30.
  assert.deepEqual(renewed, [21, 42, 63, 84, 105]);
  renewing.stop();
  const before = scene.authority.issued;
  scene.clock.advance(60 * DAY_MS);
  for (let turn = 0; turn < 30; turn++) await scene.clock.turn();
  assert.equal(scene.authority.issued, before, 'not after it was stopped');
});

test('where nobody answers it is tried again, less and less often, and told', async () => {
  const clock = manualClock(NOW_MS);
  const tries: number[] = [];
  const told: string[] = [];
  let answer = false;
  const renewing = new Renewing({
    clock,
    validity,
    renew: async () => {
      tries.push(clock.now() - renewalDueMs(validity));
      if (!answer) throw new SealwireError('timeout', 'Nobody is there.');
      return { notBeforeMs: clock.now(), notAfterMs: clock.now() + 30 * DAY_MS };
    },
    onFailed: ({ code }) => told.push(code),
  });
  clock.advance(20 * DAY_MS);
  for (let i = 0; i < 4; i++) {
    await clock.turn();
    clock.advance(tries.length === 1 ? 60_000 : 60_000 * 2 ** (tries.length - 1));
  }
  await clock.turn();
  assert.deepEqual(tries, [0, 60_000, 180_000, 420_000, 900_000]);
  assert.deepEqual(told, Array(5).fill('timeout'));
  answer = true;
  clock.advance(DAY_MS);
  await clock.turn();
  assert.equal(tries.length, 6);
  clock.advance(19 * DAY_MS);
  await clock.turn();
  assert.equal(tries.length, 6, 'then it is content for two thirds of the time');
  renewing.stop();
  assert.equal(clock.pending, 0);
});

test('a certificate that is due when it is new is not asked for without end', async () => {
  const clock = manualClock(NOW_MS);
  let tries = 0;
  const old = { notBeforeMs: NOW_MS - 30 * DAY_MS, notAfterMs: NOW_MS };
  const renew = async () => {
    tries += 1;
    return old;
  };
  const renewing = new Renewing({ clock, validity: old, renew });
  for (let minute = 0; minute < 5; minute++) {
    await clock.turn();
    clock.advance(60_000);
  }
  assert.ok(tries <= 6, `${tries} tries`);
  renewing.stop();
});
