import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ManualClock, manualClock } from '../../../test/support/manual-clock.ts';
import { Beginnings } from './beginnings.ts';
import { INBOX_TUNING } from './inbox-tuning.ts';

const { burst } = INBOX_TUNING.beginnings;
const own = INBOX_TUNING.beginningsPerSender.burst;

function fresh(): { readonly clock: ManualClock; readonly beginnings: Beginnings } {
  const clock = manualClock();
  return { clock, beginnings: new Beginnings(clock, INBOX_TUNING) };
}

/** How many are admitted, the `n`-th try in the name of `name(n)`. */
function admitted(beginnings: Beginnings, tries: number, name: (n: number) => string): number {
  return Array.from({ length: tries }, (_, n) => beginnings.admit(name(n))).filter(Boolean).length;
}

test('one sender gets its own share, whatever it sends, and leaves the others theirs', () => {
  const { clock, beginnings } = fresh();
  assert.equal(
    admitted(beginnings, 1000, () => 'mallory'),
    own,
  );
  assert.equal(
    admitted(beginnings, 10, (n) => `sensor ${n}`),
    10,
  );
  clock.advance(1000);
  assert.equal(
    admitted(beginnings, 1000, () => 'mallory'),
    own,
  );
});

test('any number of senders get so much together, and no more for each new name', () => {
  const { clock, beginnings } = fresh();
  assert.equal(
    admitted(beginnings, 10_000, (n) => `mallory ${n}`),
    burst,
  );
  clock.advance(500);
  assert.equal(
    admitted(beginnings, 10_000, (n) => `mallory ${n}`),
    INBOX_TUNING.beginnings.perSecond / 2,
  );
});

test('a peer that has proven itself is not kept out by strangers, and has bounds of its own', () => {
  const { beginnings } = fresh();
  beginnings.proved('sensor');
  admitted(beginnings, 10_000, (n) => `mallory ${n}`);
  assert.equal(
    admitted(beginnings, 100, () => 'sensor'),
    own,
  );
  // Proving it again saves nothing up.
  beginnings.proved('sensor');
  assert.equal(beginnings.admit('sensor'), false);
});

test('of those who have proven themselves the latest are remembered', () => {
  const { beginnings } = fresh();
  for (let n = 0; n <= INBOX_TUNING.provenMax; n++) beginnings.proved(`sensor ${n}`);
  admitted(beginnings, 10_000, (n) => `mallory ${n}`);
  assert.equal(beginnings.admit('sensor 0'), false);
  assert.equal(beginnings.admit('sensor 1'), true);
});
