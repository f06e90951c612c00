import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { turn } from '../../../test/support/turns.ts';
import type { Qos } from '../../core/ports.ts';
import { type Outlet, Window } from './window.ts';

/** A connection that keeps what is written and answers when told. */
class Carrier implements Outlet {
  unacknowledgedMax = 65_535;
  unacknowledgedQos2Max = 65_535;
  hasRoom = true;
  readonly written: string[] = [];
  readonly #open: ((refusal?: string) => void)[] = [];

  send({ topic, qos }: { readonly topic: string; readonly qos: Qos }, again: boolean, settled: () => void): void {
    this.written.push(`${topic}${again ? '!' : ''}`);
    if (qos > 0) this.#open.push(settled);
  }

  /** Answers the oldest. */
  answer(refusal?: string): void {
    this.#open.shift()?.(refusal);
  }
}

function setUp(bounds: { readonly countMax?: number; readonly bytesMax?: number } = {}) {
  const refused: string[] = [];
  const window = new Window({
    countMax: 4,
    bytesMax: 1000,
    turn,
    onRefused: (topic, reason) => refused.push(`${topic} ${reason}`),
    ...bounds,
  });
  const resolved: string[] = [];
  const publish = (topic: string, qos: Qos, bytes = 1, mayLeave = () => true): void => {
    const payload = new Uint8Array(bytes);
    window.publish({ topic, payload, qos, retain: false, mayLeave }).then(
      () => resolved.push(topic),
      (error: Error) => resolved.push(`${topic}: ${error.message}`),
    );
  };
  const carrier = new Carrier();
  return { window, publish, resolved, refused, carrier };
}

suite('the window', () => {
  test('makes publish wait for room, in number', async () => {
    const { window, publish, resolved, carrier } = setUp();
    window.attach(carrier);
    for (const topic of 'abcde') publish(topic, 1);
    await turn();
    assert.deepEqual(resolved, ['a', 'b', 'c']);
    carrier.answer();
    await turn();
    assert.deepEqual(resolved, ['a', 'b', 'c']);
    carrier.answer();
    await turn();
    assert.deepEqual(resolved, ['a', 'b', 'c', 'd', 'e']);
  });

  test('drops what may not leave when it could, and asks once', () => {
    const { window, publish, carrier } = setUp();
    let isWanted = true;
    let asked = 0;
    const mayLeave = (): boolean => {
      asked += 1;
      return isWanted;
    };
    publish('a', 1, 1, mayLeave);
    publish('b', 1, 1, () => false);
    window.attach(carrier);
    window.detach();
    isWanted = false;
    publish('c', 1, 1, mayLeave);
    const next = new Carrier();
    window.attach(next);
    assert.deepEqual([carrier.written, next.written.length, asked], [['a'], 1, 2]);
  });

  test('makes publish wait for room, in bytes', async () => {
    const { window, publish, resolved, carrier } = setUp();
    window.attach(carrier);
    publish('a', 1, 400);
    publish('b', 1, 600);
    await turn();
    assert.deepEqual(resolved, ['a']);
    carrier.answer();
    await turn();
    assert.deepEqual(resolved, ['a', 'b']);
  });

  test('keeps to what the broker takes at once, and lets nothing overtake', () => {
    const { window, publish, carrier } = setUp({ countMax: 100 });
    carrier.unacknowledgedMax = 2;
    window.attach(carrier);
    for (const [topic, qos] of [
      ['a', 1],
      ['b', 0],
      ['c', 2],
      ['d', 1],
      ['e', 0],
    ] as const)
      publish(topic, qos);
    assert.deepEqual(carrier.written, ['a', 'b', 'c']);
    carrier.answer();
    assert.deepEqual(carrier.written, ['a', 'b', 'c', 'd', 'e']);
  });

  test('keeps to fewer of QoS 2', () => {
    const { window, publish, carrier } = setUp({ countMax: 100 });
    carrier.unacknowledgedQos2Max = 1;
    window.attach(carrier);
    for (const [topic, qos] of [
      ['a', 1],
      ['b', 2],
      ['c', 2],
      ['d', 1],
    ] as const)
      publish(topic, qos);
    assert.deepEqual(carrier.written, ['a', 'b']);
    carrier.answer();
    assert.deepEqual(carrier.written, ['a', 'b']);
    carrier.answer();
    assert.deepEqual(carrier.written, ['a', 'b', 'c', 'd']);
  });

  test('writes nothing while the network takes nothing', async () => {
    const { window, publish, resolved, carrier } = setUp();
    carrier.hasRoom = false;
    window.attach(carrier);
    for (const topic of 'abcde') publish(topic, 0);
    await turn();
    assert.deepEqual([carrier.written, resolved], [[], ['a', 'b', 'c']]);
    carrier.hasRoom = true;
    window.flow();
    await turn();
    assert.deepEqual(
      [carrier.written, resolved],
      [
        ['a', 'b', 'c', 'd', 'e'],
        ['a', 'b', 'c', 'd', 'e'],
      ],
    );
  });

  test('writes over the next connection what the last one left, in order and at once, but for QoS 0', async () => {
    const { window, publish, resolved, carrier } = setUp({ countMax: 10 });
    carrier.unacknowledgedMax = 3;
    window.attach(carrier);
    for (const topic of 'abcd') publish(topic, 1);
    publish('e', 0);
    publish('f', 2);
    carrier.answer();
    window.detach();
    publish('g', 1);
    publish('h', 0);
    const next = new Carrier();
    window.attach(next);
    assert.deepEqual(next.written, ['b!', 'c!', 'd!', 'f', 'g']);
    // What the old connection still says counts for nothing.
    carrier.answer();
    carrier.answer('no');
    assert.equal(window.awaitsAnswers, true);
    let isDrained = false;
    void window.drained().then(() => {
      isDrained = true;
    });
    for (let i = 0; i < 5; i++) {
      await turn();
      assert.equal(isDrained, false);
      next.answer();
    }
    await turn();
    assert.equal(isDrained, true);
    assert.deepEqual(resolved.toSorted(), [...'abcdefgh']);
  });

  test('a lost connection makes room where it takes QoS 0 with it', async () => {
    const { window, publish, resolved, carrier } = setUp();
    carrier.hasRoom = false;
    window.attach(carrier);
    for (const topic of 'abcd') publish(topic, 0);
    await turn();
    assert.equal(resolved.length, 3);
    window.detach();
    await turn();
    assert.equal(resolved.length, 4);
  });

  test('gives up what the broker refuses, and says so', async () => {
    const { window, publish, refused, carrier } = setUp();
    window.attach(carrier);
    publish('a', 1);
    publish('b', 1);
    carrier.answer('not authorized');
    carrier.answer();
    await window.drained();
    assert.deepEqual(refused, ['a not authorized']);
  });

  test('when it is abandoned, those who wait are told', async () => {
    const { window, publish, resolved, carrier } = setUp();
    window.attach(carrier);
    for (const topic of 'abcd') publish(topic, 1);
    window.abandon(new Error('closed'));
    await window.drained();
    await turn();
    assert.deepEqual(resolved, ['a', 'b', 'c', 'd: closed']);
  });
});
