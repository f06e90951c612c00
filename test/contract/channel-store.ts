import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ChannelStore, HELD_BOUNDS, type StoredRatchet } from '../../src/core/channel/store.ts';

/** A place that is opened by one store after the other. */
export interface ChannelPlace {
  /** Call it again only after what it gave last was closed. */
  open(): ChannelStore & Disposable;
  clear(): Promise<void>;
}

const writer = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const ratchet = (n: number): Uint8Array => new Uint8Array(16).fill(n);
const state = (of: number, at: number, fill = 0): StoredRatchet => ({
  writerId: writer(of),
  ratchetId: ratchet(at),
  state: new Uint8Array(900).fill(fill),
});
const frame = (length: number, heldAtMs = 0) => ({ topic: 'plant/load', frame: new Uint8Array(length), heldAtMs });
/** As many ids as one likes. */
const numbered = (n: number): Uint8Array => new Uint8Array(32).with(30, n >> 8).with(31, n & 255);

function statesOf(store: ChannelStore, of: number): string[] {
  return store.ratchetsOf(writer(of)).map(({ writerId, ratchetId, state: bytes }) => {
    assert.deepEqual(new Uint8Array(writerId), writer(of));
    assert.equal(bytes.length, 900);
    return `${ratchetId[0]} at ${bytes[0]}`;
  });
}

/** Every {@link ChannelStore} behaves as its contract says: registers the tests for the implementation `name`. */
export function testChannelStore(name: string, newPlace: () => Promise<ChannelPlace>): void {
  const run = (what: string, body: (store: ChannelStore & Disposable, place: ChannelPlace) => unknown): void => {
    test(`${name}: ${what}`, async () => {
      const place = await newPlace();
      try {
        using store = place.open();
        await body(store, place);
      } finally {
        await place.clear();
      }
    });
  };

  run('knows nothing at first', (store) => {
    assert.deepEqual(store.ratchetsOf(writer(1)), []);
    assert.deepEqual(store.release(writer(1), ratchet(1)), []);
    store.drop(writer(1), ratchet(1));
    store.forgetHeld(1);
  });

  run('gives ratchets in the order in which they were first put, as they were put last', (store) => {
    store.put([state(1, 9), state(2, 9), state(1, 3)]);
    store.put([state(1, 9, 5), state(1, 7)]);
    assert.deepEqual(statesOf(store, 1), ['9 at 5', '3 at 0', '7 at 0']);
    assert.deepEqual(statesOf(store, 2), ['9 at 0']);
    store.drop(writer(1), ratchet(3));
    assert.deepEqual(statesOf(store, 1), ['9 at 5', '7 at 0']);
    assert.deepEqual(statesOf(store, 2), ['9 at 0']);
  });

  run('outlives who opened it', (store, place) => {
    store.put([state(1, 9)]);
    store.hold(writer(1), ratchet(2), 4, { topic: 'a/b', frame: Uint8Array.of(1, 2), heldAtMs: 7 });
    store[Symbol.dispose]();
    using again = place.open();
    assert.deepEqual(statesOf(again, 1), ['9 at 0']);
    const [held, ...more] = again.release(writer(1), ratchet(2));
    assert.deepEqual([held?.topic, [...(held?.frame ?? [])], held?.heldAtMs], ['a/b', [1, 2], 7]);
    assert.deepEqual(more, []);
  });

  run('gives held frames in order of seq, once, and those of one ratchet only', (store) => {
    for (const seq of [5, 2 ** 31, 0, 3]) assert.ok(store.hold(writer(1), ratchet(1), seq, frame(10 + (seq % 10))));
    assert.ok(store.hold(writer(1), ratchet(2), 1, frame(30)));
    assert.ok(store.hold(writer(2), ratchet(1), 1, frame(40)));
    const lengths = (of: number, at: number): number[] =>
      store.release(writer(of), ratchet(at)).map(({ frame: { length } }) => length);
    assert.deepEqual(lengths(1, 1), [10, 13, 15, 18]);
    assert.deepEqual(lengths(1, 1), []);
    assert.deepEqual(lengths(1, 2), [30]);
    assert.deepEqual(lengths(2, 1), [40]);
  });

  run('holds no frame twice, and none that changes afterwards', (store) => {
    const held = frame(4);
    assert.ok(store.hold(writer(1), ratchet(1), 0, held));
    held.frame.fill(9);
    assert.ok(store.hold(writer(1), ratchet(1), 0, held));
    const frames = store.release(writer(1), ratchet(1)).map(({ frame: bytes }) => [...bytes]);
    assert.deepEqual(frames, [[0, 0, 0, 0]]);
  });

  run('forgets held frames from before a time, and has their room again', (store) => {
    const { writerFramesMax } = HELD_BOUNDS;
    for (let seq = 0; seq < writerFramesMax; seq++)
      store.hold(writer(1), ratchet(1), seq, frame(1, seq < 10 ? 99 : 100));
    assert.ok(!store.hold(writer(1), ratchet(1), writerFramesMax, frame(1, 101)));
    store.forgetHeld(100);
    for (let more = 0; more < 10; more++) assert.ok(store.hold(writer(1), ratchet(2), more, frame(1)), `${more}`);
    assert.ok(!store.hold(writer(1), ratchet(2), 10, frame(1)));
    assert.equal(store.release(writer(1), ratchet(1)).length, writerFramesMax - 10);
  });

  run('one writer’s flood leaves room for the others', (store) => {
    const { writerFramesMax, writerBytesMax } = HELD_BOUNDS;
    const large = writerBytesMax / 64;
    for (let seq = 0; seq < 64; seq++) assert.ok(store.hold(writer(1), ratchet(seq), seq, frame(large)));
    assert.ok(!store.hold(writer(1), ratchet(1), 99, frame(1)));
    for (let seq = 0; seq < writerFramesMax; seq++) store.hold(writer(2), ratchet(1), seq, frame(1));
    assert.ok(!store.hold(writer(2), ratchet(1), writerFramesMax, frame(1)));
    assert.ok(store.hold(writer(3), ratchet(1), 0, frame(large)));
    store.release(writer(1), ratchet(1));
    assert.ok(store.hold(writer(1), ratchet(1), 99, frame(large)));
    assert.ok(!store.hold(writer(1), ratchet(1), 98, frame(1)));
  });

  run('all writers together hold so many frames, and so many bytes', (store) => {
    const { framesMax, bytesMax } = HELD_BOUNDS;
    for (let n = 0; n < framesMax; n++) assert.ok(store.hold(numbered(n), ratchet(1), 0, frame(1)));
    for (const n of [0, framesMax]) assert.ok(!store.hold(numbered(n), ratchet(1), 1, frame(1)));
    store.forgetHeld(1);
    const large = 131_072;
    for (let n = 0; n < bytesMax / large; n++) assert.ok(store.hold(numbered(n), ratchet(1), 0, frame(large)));
    assert.ok(!store.hold(numbered(framesMax), ratchet(1), 0, frame(1)));
    assert.equal(store.release(numbered(3), ratchet(1)).length, 1);
    assert.ok(store.hold(numbered(framesMax), ratchet(1), 0, frame(large)));
  });

  run('does what a plain list does', (store) => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 30 }), (steps) => {
        store.forgetHeld(Number.MAX_SAFE_INTEGER);
        let held: Held[] = [];
        for (const step of steps) held = take(store, held, step);
      }),
      { seed: 20261124, numRuns: 60 },
    );
  });
}

interface Held {
  readonly of: number;
  readonly at: number;
  readonly seq: number;
  readonly heldAtMs: number;
}

const few = fc.constantFrom(1, 2);
const STEP = fc.record({
  what: fc.constantFrom('hold', 'hold', 'release', 'forget'),
  ...{ of: few, at: few, seq: fc.nat(5), heldAtMs: fc.nat(9) },
});

const topicOf = ({ of, at, seq }: Held): string => `${of}/${at}/${seq}`;

/** Does one thing to the store and to the list of what it should hold. */
function take(store: ChannelStore, held: readonly Held[], { what, ...one }: Held & { readonly what: string }): Held[] {
  const { of, at, seq, heldAtMs } = one;
  if (what === 'forget') {
    store.forgetHeld(heldAtMs);
    return held.filter((other) => other.heldAtMs >= heldAtMs);
  }
  const same = held.filter((other) => other.of === of && other.at === at);
  if (what === 'hold') {
    assert.ok(store.hold(writer(of), ratchet(at), seq, { topic: topicOf(one), frame: Uint8Array.of(seq), heldAtMs }));
    return same.some((other) => other.seq === seq) ? [...held] : [...held, one];
  }
  assert.deepEqual(
    store.release(writer(of), ratchet(at)).map(({ topic, frame: [first], heldAtMs: ms }) => [topic, first, ms]),
    same.toSorted((a, b) => a.seq - b.seq).map((other) => [topicOf(other), other.seq, other.heldAtMs]),
  );
  return held.filter((other) => !same.includes(other));
}
