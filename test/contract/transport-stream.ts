import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { manualClock } from '../support/manual-clock.ts';
import { standstill, turn, until } from '../support/turns.ts';
import { assertFlat, flood, framed, MEGABYTE, memory, pattern, refusal, repeated, take } from '../support/units.ts';
import type { Bounds, Transport } from './transport.ts';

const TIMEOUT = { timeout: 60_000 };

/** What holds where units are cut out of a stream that an attacker fills. */
export function streamContract(name: string, open: NonNullable<Transport['raw']>): void {
  const promise = (what: string, body: (t: TestContext) => Promise<void>): void => {
    test(`${name}: ${what}`, TIMEOUT, body);
  };
  const raw = async (t: TestContext, bounds: Bounds = {}) => {
    const ends = await open(bounds);
    // A reset line is an error for the bare stream.
    ends.far.on('error', () => {});
    const gone = new Promise<void>((resolve) => ends.far.once('close', resolve));
    t.after(() => {
      ends.far.destroy();
      return ends.near.close();
    });
    return { ...ends, gone };
  };

  promise('a unit that comes byte by byte is delivered once it is whole', async (t) => {
    const { near, far } = await raw(t);
    const got = take(near, 2);
    for (const byte of framed(pattern(40, 1), pattern(3, 2))) {
      far.write(Uint8Array.of(byte));
      await turn();
    }
    assert.deepEqual(await got, [pattern(40, 1), pattern(3, 2)]);
  });

  promise('an end inside a unit or its length is a cut', async (t) => {
    for (const bytes of [5, 2]) {
      const { near, far } = await raw(t);
      far.end(Buffer.concat([framed(pattern(7, 1)), framed(pattern(9, 2)).subarray(0, bytes)]));
      assert.deepEqual(await take(near, 1), [pattern(7, 1)]);
      assert.equal(await refusal(take(near, 1)), 'stream-cut');
    }
  });

  promise('a length over the bound or of zero ends the connection, after the units before it', async (t) => {
    for (const [length, code] of [
      [101, 'too-large'],
      [0xff_ff_ff_ff, 'too-large'],
      [0, 'malformed'],
    ] as const) {
      const { near, far, gone } = await raw(t, { unitBytesMax: 100 });
      const lengthBytes = Buffer.alloc(4);
      lengthBytes.writeUInt32BE(length);
      far.write(Buffer.concat([framed(pattern(100, 1)), lengthBytes]));
      far.resume();
      assert.deepEqual(await take(near, 1), [pattern(100, 1)]);
      assert.equal(await refusal(take(near, 1)), code);
      assert.equal(await refusal(near.send(pattern(1, 1))), code);
      await gone;
    }
  });

  promise('N19: 64 MiB of garbage are neither kept nor read to the end', async (t) => {
    const { near, far, gone } = await raw(t);
    const before = memory();
    const flooding = flood(far, pattern(MEGABYTE, 255), 64);
    assert.equal(await refusal(take(near, 1)), 'too-large');
    far.resume();
    await Promise.race([flooding, gone]);
    assertFlat(before);
  });

  promise('N19: 64 MiB of the longest and of the shortest units wait outside for a reader', async (t) => {
    for (const size of [128 * 1024, 1]) {
      const { near, far } = await raw(t);
      const before = memory();
      const count = Math.floor(MEGABYTE / (size + 4));
      const block = repeated(framed(pattern(size, 1)), count);
      let blocks = 0;
      const flooding = flood(far, block, 64, () => {
        blocks += 1;
      });
      await standstill(() => blocks);
      assert.ok(blocks < 64);
      assertFlat(before);
      far.destroy();
      await near.close();
      await flooding;
    }
  });

  promise('N19: a length that is announced takes no memory before its bytes have come', async (t) => {
    const ends = [];
    const before = memory();
    for (let i = 0; i < 50; i++) ends.push(await raw(t, { unitBytesMax: 64 * MEGABYTE }));
    const lengthBytes = Buffer.alloc(4);
    lengthBytes.writeUInt32BE(64 * MEGABYTE);
    for (const { far } of ends) far.write(Buffer.concat([lengthBytes, pattern(100, 1)]));
    const waiting = ends.map(({ near }) => refusal(take(near, 1)));
    for (let i = 0; i < 20; i++) await turn();
    assertFlat(before);
    for (const { far } of ends) far.end();
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['stream-cut']));
  });

  promise('a unit that never ends times out, however busily it drips', async (t) => {
    const clock = manualClock();
    const { near, far, gone } = await raw(t, { clock, unitTimeoutMs: 1000 });
    const refused = refusal(take(near, 1));
    const bytes = framed(pattern(1000, 1));
    far.resume();
    for (let i = 0; i < 10; i++) {
      far.write(bytes.subarray(i, i + 1));
      await until(() => clock.pending > 0);
      clock.advance(100);
      await turn();
    }
    assert.equal(await refused, 'timeout');
    await gone;
  });

  promise('the time is each unit’s own, and silence between units is no fault', async (t) => {
    const clock = manualClock();
    const { near, far } = await raw(t, { clock, unitTimeoutMs: 1000 });
    const bytes = framed(pattern(10, 1));
    for (let i = 0; i < 5; i++) {
      far.write(bytes.subarray(0, 6));
      await until(() => clock.pending > 0);
      clock.advance(900);
      // The rest, and the beginning of the next one: its time begins now.
      far.write(Buffer.concat([bytes.subarray(6), bytes.subarray(0, 1)]));
      assert.deepEqual(await take(near, 1), [pattern(10, 1)]);
      clock.advance(900);
      far.write(bytes.subarray(1));
      assert.deepEqual(await take(near, 1), [pattern(10, 1)]);
      assert.equal(clock.pending, 0);
      clock.advance(3_600_000);
    }
  });

  promise('a slow reader of ours is not blamed on the far end', async (t) => {
    const clock = manualClock();
    const { near, far } = await raw(t, { clock, unitTimeoutMs: 1000, receiveBufferBytesMax: 1000 });
    far.write(Buffer.concat([framed(pattern(2000, 1)), framed(pattern(9, 2)).subarray(0, 5)]));
    for (let i = 0; i < 20; i++) await turn();
    clock.advance(10_000);
    far.write(framed(pattern(9, 2)).subarray(5));
    assert.deepEqual(await take(near, 2), [pattern(2000, 1), pattern(9, 2)]);
  });

  promise('close does not wait for ever on a far end that stays silent', async (t) => {
    const clock = manualClock();
    const { near, far, gone } = await raw(t, { clock });
    far.pause();
    const closing = near.close();
    await until(() => clock.pending > 0);
    clock.advance(60_000);
    await closing;
    far.resume();
    far.end();
    await gone;
  });
}
