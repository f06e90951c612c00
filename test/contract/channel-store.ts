import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChannelStore, HELD_BOUNDS, type HeldFrame, type StoredRatchet } from '../../src/core/channel/store.ts';

/** A place that a store may be opened over. */
export interface ChannelStorePlace {
  open(): ChannelStore & Partial<Disposable>;
  clear(): Promise<void>;
}

const bytes = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);
const writer = (number: number): Uint8Array => Buffer.alloc(32, `writer ${number}`).subarray();
const ratchet = (number: number): Uint8Array => bytes(16, number);
const heldFrame = (text: string, topic = 'plant/load'): HeldFrame => ({ topic, frame: Buffer.from(text) });

function state(of: number, id: number, fill: number): StoredRatchet {
  return { writerId: writer(of), ratchetId: ratchet(id), state: bytes(100, fill) };
}

function fills(store: ChannelStore, of: number): number[] {
  return store.ratchetsOf(writer(of)).map(({ state: [fill = -1] }) => fill);
}

function texts(frames: readonly HeldFrame[]): string[] {
  return frames.map(({ topic, frame }) => `${topic}: ${Buffer.from(frame)}`);
}

/** Holds frames of a writer until there is no room for one more; gives how many. */
function fillUp(store: ChannelStore, of: number, frameBytes: number, from = 0): number {
  let seq = from;
  while (store.hold(writer(of), ratchet(1), seq, { topic: 't', frame: bytes(frameBytes, seq) })) seq += 1;
  return seq - from;
}

/** Every {@link ChannelStore} behaves as its contract says: registers the tests for the implementation `name`. */
export function testChannelStore(name: string, newPlace: () => Promise<ChannelStorePlace>): void {
  const run = (what: string, body: (store: ChannelStore) => void): void => {
    test(`${name}: ${what}`, async () => {
      const place = await newPlace();
      const store = place.open();
      try {
        body(store);
      } finally {
        store[Symbol.dispose]?.();
        await place.clear();
      }
    });
  };

  run('is empty at first', (store) => {
    assert.deepEqual(store.ratchetsOf(writer(1)), []);
    assert.deepEqual(store.release(writer(1), ratchet(1)), []);
    store.drop(writer(1), ratchet(1));
    store.forget(writer(1));
  });

  run('gives a writer’s ratchets as they were put last, longest known first', (store) => {
    store.put([state(1, 3, 1), state(2, 1, 2)]);
    store.put([state(1, 2, 3)]);
    store.put([state(1, 3, 4)]);
    assert.deepEqual(fills(store, 1), [4, 3]);
    assert.deepEqual(fills(store, 2), [2]);
    const [first] = store.ratchetsOf(writer(1));
    assert.deepEqual(
      [first?.writerId, first?.ratchetId, first?.state].map((part) => Buffer.from(part ?? [])),
      [writer(1), ratchet(3), bytes(100, 4)].map((part) => Buffer.from(part)),
    );
  });

  run('drops one ratchet, and forgets all of one writer', (store) => {
    store.put([state(1, 1, 1), state(1, 2, 2), state(2, 1, 3)]);
    store.drop(writer(1), ratchet(1));
    assert.deepEqual([fills(store, 1), fills(store, 2)], [[2], [3]]);
    for (const who of [1, 2]) assert.ok(store.hold(writer(who), ratchet(9), 0, heldFrame(`of ${who}`)));
    store.forget(writer(1));
    assert.deepEqual([fills(store, 1), fills(store, 2)], [[], [3]]);
    assert.deepEqual(store.release(writer(1), ratchet(9)), []);
    assert.deepEqual(texts(store.release(writer(2), ratchet(9))), ['plant/load: of 2']);
  });

  run('releases one ratchet’s frames in order of seq, once', (store) => {
    for (const seq of [5, 2, 2 ** 40, 3])
      assert.ok(store.hold(writer(1), ratchet(1), seq, heldFrame(`${seq}`, `t/${seq}`)));
    assert.ok(store.hold(writer(1), ratchet(2), 0, heldFrame('another ratchet')));
    assert.ok(store.hold(writer(2), ratchet(1), 0, heldFrame('another writer')));
    const released = texts(store.release(writer(1), ratchet(1)));
    assert.deepEqual(
      released,
      [2, 3, 5, 2 ** 40].map((seq) => `t/${seq}: ${seq}`),
    );
    assert.deepEqual(store.release(writer(1), ratchet(1)), []);
    assert.deepEqual(texts(store.release(writer(1), ratchet(2))), ['plant/load: another ratchet']);
    assert.deepEqual(texts(store.release(writer(2), ratchet(1))), ['plant/load: another writer']);
  });

  run('holds a frame once, and beside it another one that claims its place', (store) => {
    for (const text of ['genuine', 'genuine', 'forged', 'genuine']) {
      assert.ok(store.hold(writer(1), ratchet(1), 7, heldFrame(text)));
    }
    assert.deepEqual(texts(store.release(writer(1), ratchet(1))), ['plant/load: genuine', 'plant/load: forged']);
  });

  run('keeps a frame as it was, whatever becomes of the bytes that were given', (store) => {
    const held = heldFrame('as it was');
    assert.ok(store.hold(writer(1), ratchet(1), 0, held));
    held.frame.fill(0);
    assert.deepEqual(texts(store.release(writer(1), ratchet(1))), ['plant/load: as it was']);
  });

  run('one writer’s frames are bounded; the others have room all the same', (store) => {
    const { writerFramesMax } = HELD_BOUNDS;
    assert.equal(fillUp(store, 1, 10), writerFramesMax);
    assert.ok(store.hold(writer(1), ratchet(1), 3, { topic: 't', frame: bytes(10, 3) }), 'it is held already');
    assert.equal(store.hold(writer(1), ratchet(2), 0, heldFrame('more')), false);
    assert.ok(store.hold(writer(2), ratchet(1), 0, heldFrame('another writer')));
    assert.equal(store.release(writer(1), ratchet(1)).length, writerFramesMax);
    assert.ok(store.hold(writer(1), ratchet(2), 0, heldFrame('room again')));
  });

  run('one writer’s bytes are bounded, and those of all together', (store) => {
    const { writerBytesMax, bytesMax } = HELD_BOUNDS;
    const frameBytes = 131_072;
    for (let of = 0; of < bytesMax / writerBytesMax; of++) {
      assert.equal(fillUp(store, of, frameBytes), writerBytesMax / frameBytes);
    }
    assert.equal(store.hold(writer(99), ratchet(1), 0, heldFrame('x')), false);
    store.forget(writer(0));
    assert.ok(store.hold(writer(99), ratchet(1), 0, heldFrame('x')));
  });

  run('frames of all writers together are bounded', (store) => {
    const { framesMax, writerFramesMax } = HELD_BOUNDS;
    for (let of = 0; of < framesMax / writerFramesMax; of++) assert.equal(fillUp(store, of, 1), writerFramesMax);
    for (let of = 50; of < 60; of++) assert.equal(store.hold(writer(of), ratchet(1), 0, heldFrame('x')), false);
    assert.equal(store.release(writer(0), ratchet(1)).length, writerFramesMax);
    assert.equal(fillUp(store, 50, 1), writerFramesMax);
  });
}
