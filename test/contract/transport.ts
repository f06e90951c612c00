import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { Clock, Connection } from '../../src/core/ports.ts';
import { manualClock } from '../support/manual-clock.ts';
import { standstill, turn } from '../support/turns.ts';
import { assertFlat, memory, pattern, refusal, sendAll, take, takeAll } from '../support/units.ts';
import { streamContract } from './transport-stream.ts';

/** The bounds that the tests set, which every transport must keep. */
export interface Bounds {
  readonly clock?: Clock;
  readonly unitBytesMax?: number;
  readonly receiveBufferBytesMax?: number;
  readonly writeTimeoutMs?: number;
  readonly unitTimeoutMs?: number;
}

/** What the suite needs of a transport. */
export interface Transport {
  readonly name: string;
  /** Two connected ends; the test closes them. */
  pair(bounds: Bounds): Promise<{ readonly a: Connection; readonly b: Connection }>;
  /** Breaks the line of a pair without a goodbye. */
  cut(pair: { readonly a: Connection; readonly b: Connection }): void;
  /** A connection whose far end is a bare stream, where units are bytes on a stream. */
  raw?(bounds: Bounds): Promise<{ readonly near: Connection; readonly far: Duplex }>;
}

const TIMEOUT = { timeout: 60_000 };

/** Runs the contract of `Connection` (src/core/ports.ts) against one transport. */
export function transportContract(transport: Transport): void {
  const promise = (what: string, body: (t: TestContext) => Promise<void>): void => {
    test(`${transport.name}: ${what}`, TIMEOUT, body);
  };
  const pair = async (t: TestContext, bounds: Bounds = {}) => {
    const ends = await transport.pair(bounds);
    t.after(() => Promise.all([ends.a.close(), ends.b.close()]));
    return ends;
  };

  promise('units arrive whole, in order, once, both ways', async (t) => {
    const { a, b } = await pair(t);
    const sizes = [1, 2, 3, 4, 5, 255, 256, 4095, 4096, 4097, 65_535, 65_536, 131_072];
    const sent = [...sizes, ...sizes.toReversed()].map((size, i) => pattern(size, i));
    const [fromA, fromB] = await Promise.all([
      take(b, sent.length),
      take(a, sent.length),
      sendAll(a, sent),
      sendAll(b, sent),
    ]);
    assert.deepEqual(fromA, sent);
    assert.deepEqual(fromB, sent);
  });

  promise('sends that are not awaited keep their order', async (t) => {
    const { a, b } = await pair(t);
    const sent = Array.from({ length: 2000 }, (_, i) => pattern(1 + (i % 700), i));
    const sends = Promise.all(sent.map((unit) => a.send(unit)));
    assert.deepEqual(await take(b, sent.length), sent);
    await sends;
  });

  promise('the bytes may be changed once send has resolved', async (t) => {
    const { a, b } = await pair(t);
    const unit = new Uint8Array(1000).fill(1);
    await a.send(unit);
    unit.fill(2);
    await a.send(unit);
    assert.deepEqual(await take(b, 2), [new Uint8Array(1000).fill(1), new Uint8Array(1000).fill(2)]);
  });

  promise('leaving a receive loop loses nothing: the next one goes on', async (t) => {
    const { a, b } = await pair(t);
    await sendAll(a, [pattern(10, 1), pattern(20, 2), pattern(30, 3)]);
    assert.deepEqual(await take(b, 1), [pattern(10, 1)]);
    assert.deepEqual(await take(b, 2), [pattern(20, 2), pattern(30, 3)]);
  });

  promise('a slow reader makes send wait, memory stays flat, and nothing is lost', async (t) => {
    const { a, b } = await pair(t);
    const units = 1024;
    const before = memory();
    let sent = 0;
    const sending = (async () => {
      for (; sent < units; sent++) await a.send(pattern(64 * 1024, sent));
    })();
    await standstill(() => sent);
    assert.ok(sent < units, 'all 64 MiB were sent though nobody reads');
    assertFlat(before);
    let at = 0;
    for await (const unit of b.receive()) {
      assert.deepEqual(unit, pattern(64 * 1024, at));
      at += 1;
      if (at === units) break;
    }
    await sending;
  });

  promise('a reader that takes nothing at all makes send time out', async (t) => {
    const clock = manualClock();
    const { a } = await pair(t, { clock, writeTimeoutMs: 1000 });
    let sent = 0;
    const sending = (async () => {
      for (;;) {
        await a.send(pattern(64 * 1024, 0));
        sent += 1;
      }
    })();
    const refused = refusal(sending);
    await standstill(() => sent);
    clock.advance(999);
    await turn();
    for (let late = 0; late < 3; late++) {
      clock.advance(1000);
      await turn();
    }
    assert.equal(await refused, 'timeout');
    assert.equal(await refusal(a.send(pattern(1, 0))), 'timeout');
    assert.equal(await refusal(take(a, 1)), 'timeout');
  });

  promise('what cannot be sent is refused and does no harm', async (t) => {
    const { a, b } = await pair(t, { unitBytesMax: 100 });
    assert.equal(await refusal(a.send(new Uint8Array(101))), 'too-large');
    assert.equal(await refusal(a.send(new Uint8Array(0))), 'malformed');
    await a.send(pattern(100, 1));
    assert.deepEqual(await take(b, 1), [pattern(100, 1)]);
  });

  promise('a clean close comes after everything sent, and ends receive', async (t) => {
    const { a, b } = await pair(t);
    const sent = Array.from({ length: 20 }, (_, i) => pattern(10_000, i));
    await sendAll(a, sent);
    const closing = a.close();
    assert.deepEqual(await takeAll(b), sent);
    await closing;
    assert.deepEqual(await takeAll(b), []);
    assert.equal(await refusal(b.send(pattern(1, 1))), 'stream-cut');
  });

  promise('close is idempotent, ends a waiting receive, and refuses what comes later', async (t) => {
    const { a } = await pair(t);
    const waiting = takeAll(a);
    await Promise.all([a.close(), a.close()]);
    await a.close();
    assert.deepEqual(await waiting, []);
    assert.equal(await refusal(a.send(pattern(1, 1))), 'session-closed');
    assert.deepEqual(await takeAll(a), []);
  });

  promise('both ends may close at once', async (t) => {
    const { a, b } = await pair(t);
    await Promise.all([a.send(pattern(10, 1)), b.send(pattern(10, 2))]);
    await Promise.all([a.close(), b.close()]);
  });

  promise('a cut line is told apart from an end, after the units that came before', async (t) => {
    const ends = await pair(t);
    await ends.a.send(pattern(10, 1));
    assert.deepEqual(await take(ends.b, 1), [pattern(10, 1)]);
    const waiting = refusal(take(ends.b, 1));
    transport.cut(ends);
    assert.equal(await waiting, 'stream-cut');
    assert.equal(await refusal(take(ends.b, 1)), 'stream-cut');
    assert.equal(await refusal(ends.b.send(pattern(1, 1))), 'stream-cut');
  });

  promise('no timer is left behind', async (t) => {
    const clock = manualClock();
    const { a, b } = await pair(t, { clock });
    const sending = sendAll(
      a,
      Array.from({ length: 200 }, (_, i) => pattern(50_000, i)),
    );
    await take(b, 200);
    await sending;
    await Promise.all([a.close(), b.close()]);
    assert.equal(clock.pending, 0);
  });

  if (transport.raw) streamContract(transport.name, transport.raw);
}
