import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../../test/support/manual-clock.ts';
import { turn } from '../../test/support/turns.ts';
import type { ErrorCode } from '../core/errors.ts';
import { nodeCrypto } from '../node/crypto.ts';
import { InFlight } from './in-flight.ts';
import { Repairing } from './repairing.ts';
import { SESSION_TUNING, type SessionContext } from './session-context.ts';
import type { SessionEvent } from './session-events.ts';
import { Turns } from './turns.ts';

/** One frame under way over a carrier that does with it what `send` does. */
function repairing(send: () => Promise<void>) {
  const clock = manualClock();
  const silences: ErrorCode[] = [];
  const tuning = { ...SESSION_TUNING, resendMs: 1000, unconfirmedMaxMs: 10_000 };
  const context = { clock, tuning, connection: { send }, onEvent: () => {} } as unknown as SessionContext;
  const inFlight = new InFlight({ framesMax: 10, bytesMax: 1000 });
  const made = new Repairing(context, inFlight, new Turns(), ({ code }) => void silences.push(code));
  const frame = { seq: 0, bytes: new Uint8Array(1), leafHash: new Uint8Array(32), messages: [], repaired: true };
  inFlight.add(frame, clock.elapsed());
  made.watch();
  return { clock, made, silences };
}

test('a carrier that takes nothing any more is not waited for without end', async () => {
  const { clock, silences } = repairing(() => new Promise(() => {}));
  clock.advance(1000);
  await turn();
  clock.advance(9000);
  assert.deepEqual(silences, []);
  clock.advance(1);
  assert.deepEqual(silences, ['peer-offline']);
});

test('the time that somebody sets on the wall clock ends nothing and holds nothing up', async () => {
  let sent = 0;
  const { clock, made, silences } = repairing(async () => void sent++);
  const wall = clock.now();
  clock.now = () => wall + 3_600_000;
  clock.advance(1000);
  await turn();
  clock.now = () => wall - 3_600_000;
  clock.advance(2000);
  await turn();
  assert.deepEqual([sent, silences.length], [2, 0]);
  made.stop();
  assert.equal(clock.pending, 0);
});

test('where confirming takes longer than the first pause, that is learnt from the next frame on', async () => {
  const sent: number[] = [];
  const clock = manualClock();
  const tuning = { ...SESSION_TUNING, resendMs: 1000 };
  const connection = { send: async () => {} };
  const onEvent = (event: SessionEvent): void => void (event.type === 'repaired' && sent.push(event.seq));
  const context = { clock, tuning, connection, onEvent } as unknown as SessionContext;
  const inFlight = new InFlight({ framesMax: 10, bytesMax: 1000 });
  const made = new Repairing(context, inFlight, new Turns(), () => {});
  const labelsHash = nodeCrypto.sha256(new Uint8Array(32));
  for (let seq = 0; seq < 4; seq++) {
    const frame = { seq, bytes: new Uint8Array(1), leafHash: new Uint8Array(32), messages: [], repaired: true };
    inFlight.add(frame, clock.elapsed());
    made.watch();
    for (let elapsed = 0; elapsed < 1300; elapsed += 100) {
      clock.advance(100);
      await turn();
    }
    const about = { senderId: new Uint8Array(32), ratchetId: new Uint8Array(16) };
    made.heard(inFlight.confirm(nodeCrypto, { ...about, ranges: [[seq, seq]], labelsHash }));
  }
  assert.deepEqual(sent, [0]);
});

test('a way that is open again does not wait as long as it was closed, though nothing new leaves', async () => {
  const sent: number[] = [];
  const clock = manualClock();
  const tuning = { ...SESSION_TUNING, resendMs: 1000 };
  const onEvent = (event: SessionEvent): void => void (event.type === 'repaired' && sent.push(event.seq));
  const context = { clock, tuning, connection: { send: async () => {} }, onEvent } as unknown as SessionContext;
  const inFlight = new InFlight({ framesMax: 10, bytesMax: 1000 });
  const made = new Repairing(context, inFlight, new Turns(), () => {});
  for (const seq of [0, 1]) {
    inFlight.add(
      { seq, bytes: new Uint8Array(1), leafHash: new Uint8Array(32), messages: [], repaired: true },
      clock.elapsed(),
    );
  }
  made.watch();
  for (let elapsedMs = 0; elapsedMs < 15_000; elapsedMs += 1000) {
    clock.advance(1000);
    await turn();
  }
  assert.equal(sent.filter((seq) => seq === 1).length, 4, 'after 1, 2, 4 and 8 seconds');
  const about = { senderId: new Uint8Array(32), ratchetId: new Uint8Array(16) };
  const labelsHash = nodeCrypto.sha256(new Uint8Array(32));
  made.heard(inFlight.confirm(nodeCrypto, { ...about, ranges: [[0, 0]], labelsHash }));
  sent.length = 0;
  clock.advance(1000);
  await turn();
  assert.deepEqual(sent, [1]);
  made.stop();
});
