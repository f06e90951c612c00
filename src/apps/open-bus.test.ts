import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bus } from '../roles/bus/bus.ts';
import type { Addressee } from '../roles/bus/bus-sessions.ts';
import type { Addressees } from './addressees.ts';
import { SealwireBus } from './open-bus.ts';

test('a name that is known does not overtake one that is being looked up, at whatever step of that', async () => {
  const addressee = (name: string): Addressee => ({ id: new Uint8Array(32), name });
  const lookingUp = Promise.withResolvers<void>();
  const addressees = {
    known: (name: string) => (name === 'bob' ? addressee(name) : undefined),
    find: async (name: string) => {
      await lookingUp.promise;
      return addressee(name);
    },
  } as unknown as Addressees;
  const passed: string[] = [];
  const bus = {
    publish: (_topic: string, [n]: Uint8Array, { name }: Addressee) => {
      passed.push(`${n} to ${name}`);
      return Promise.resolve({ n: 0, seq: 0, logged: null });
    },
  } as unknown as Bus;
  const line = new SealwireBus(addressees, bus, undefined, {} as never);

  const calls: string[] = [];
  const publish = (to: string): Promise<unknown> => {
    calls.push(`${calls.length} to ${to}`);
    const payload = Uint8Array.of(calls.length - 1);
    const publishing = line.publish('a', payload, { to });
    payload.fill(255);
    return publishing;
  };
  const publishing = [publish('bob'), publish('eve'), publish('bob'), publish('eve')];
  assert.deepEqual(passed, ['0 to bob'], 'who is known does not wait for a look-up');
  lookingUp.resolve();
  for (let step = 0; step < 20; step++) {
    publishing.push(publish('bob'));
    await Promise.resolve();
  }
  await Promise.all(publishing);
  assert.deepEqual(passed, calls);
});
