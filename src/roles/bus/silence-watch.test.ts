import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../../../test/support/manual-clock.ts';
import { turn } from '../../../test/support/turns.ts';
import type { Session } from '../session.ts';
import { SilenceWatch } from './silence-watch.ts';

/** A watch, one session that is as silent as it is told to be, and when it was said to be silent. */
function watching() {
  const clock = manualClock();
  const startMs = clock.now();
  const session = { silentMs: 0, closing: false };
  const calls: number[] = [];
  let answer = (): Promise<void> => Promise.resolve();
  const silence = new SilenceWatch(clock, async () => {
    calls.push(clock.now() - startMs);
    await answer();
  });
  const watched = session as unknown as Session;
  return {
    ...{ clock, session, calls, silence, watched },
    answerWith: (next: () => Promise<void>) => {
      answer = next;
    },
  };
}

test('whoever confirms is not looked at any longer than it takes', async () => {
  const { clock, calls, silence, watched } = watching();
  silence.watch(watched);
  silence.watch(watched);
  assert.equal(clock.pending, 1);
  clock.advance(100_000);
  await turn();
  assert.deepEqual([calls, clock.pending], [[], 0]);
});

test('silence counts from when the peer was heard last, and is told again while it lasts', async () => {
  const { clock, session, calls, silence, watched } = watching();
  silence.watch(watched);
  session.silentMs = 2000;
  clock.advance(5000);
  session.silentMs = 5000;
  clock.advance(3000);
  await turn();
  assert.deepEqual(calls, [8000]);
  session.silentMs = 10_000;
  clock.advance(5000);
  await turn();
  assert.deepEqual(calls, [8000, 13_000]);
  session.silentMs = 0;
  clock.advance(5000);
  await turn();
  assert.deepEqual([calls.length, clock.pending], [2, 0]);
});

test('while something is being done about it, it is not told again', async () => {
  const { clock, session, calls, silence, watched, answerWith } = watching();
  const doing = Promise.withResolvers<void>();
  answerWith(() => doing.promise);
  session.silentMs = 5000;
  silence.watch(watched);
  clock.advance(60_000);
  await turn();
  assert.deepEqual(calls, [5000]);
  doing.resolve();
  await turn();
  clock.advance(5000);
  assert.deepEqual(calls, [5000, 65_000]);
});

test('a session that is at its end, or over, is nobody’s concern', async () => {
  const { clock, session, calls, silence, watched, answerWith } = watching();
  session.silentMs = 5000;
  silence.watch(watched);
  session.closing = true;
  clock.advance(5000);
  silence.watch(watched);
  silence.forget(watched);
  session.closing = false;
  answerWith(async () => silence.forget(watched));
  silence.watch(watched);
  clock.advance(5000);
  await turn();
  assert.deepEqual([calls, clock.pending], [[10_000], 0]);
});
