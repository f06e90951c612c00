import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type ConnectionEnd, TakeoverWatch } from './takeover.ts';

const PAUSE_MAX_MS = 30_000;

function verdicts(ends: readonly ConnectionEnd[]): string[] {
  const watch = new TakeoverWatch(PAUSE_MAX_MS);
  return ends.map((end) => {
    const { taken, calm } = watch.ended(end);
    return `${taken ? 'taken' : ''}${calm ? 'calm' : ''}`;
  });
}

const USELESS = { saidTaken: false, silent: false, useful: false };
const hungUp = (livedMs: number): ConnectionEnd => ({ ...USELESS, livedMs, silent: true });
const thrownOut = (livedMs: number): ConnectionEnd => ({ ...USELESS, livedMs, saidTaken: true });
const broken = (livedMs: number): ConnectionEnd => ({ ...USELESS, livedMs });

suite('two clients with one id', () => {
  test('a broker that says so is believed at once, and it is said once', () => {
    assert.deepEqual(verdicts([thrownOut(100), thrownOut(300), thrownOut(20_000)]), ['taken', '', '']);
  });

  test('a broker that says nothing: three short lives in a row', () => {
    assert.deepEqual(verdicts([hungUp(1000), hungUp(2000), hungUp(100), hungUp(100)]), ['', '', 'taken', '']);
  });

  test('short lives of other causes, or with a long one between, are no sign', () => {
    assert.deepEqual(verdicts([broken(1), broken(1), broken(1), broken(1)]), ['', '', '', '']);
    assert.deepEqual(verdicts([hungUp(1), hungUp(1), hungUp(10_000), hungUp(1), hungUp(1)]), ['', '', 'calm', '', '']);
    assert.deepEqual(verdicts([hungUp(1), hungUp(1), broken(1), hungUp(1)]), ['', '', '', '']);
  });

  test('once disputed, a life as long as the other’s pause proves nothing', () => {
    assert.deepEqual(verdicts([thrownOut(100), thrownOut(PAUSE_MAX_MS)]), ['taken', '']);
    assert.deepEqual(verdicts([thrownOut(100), broken(2 * PAUSE_MAX_MS)]), ['taken', 'calm']);
  });

  test('a short life that was of use speaks for coming back soon, until it is disputed', () => {
    const watch = new TakeoverWatch(PAUSE_MAX_MS);
    const isPromising = (end: ConnectionEnd): boolean => watch.ended(end).promising;
    assert.equal(isPromising(broken(500)), false);
    assert.equal(isPromising({ ...broken(500), useful: true }), true);
    assert.equal(isPromising({ ...thrownOut(500), useful: true }), false);
    assert.equal(isPromising({ ...broken(500), useful: true }), false);
    assert.equal(isPromising(broken(2 * PAUSE_MAX_MS)), true);
  });

  test('after calm it is said again', () => {
    assert.deepEqual(verdicts([thrownOut(100), thrownOut(2 * PAUSE_MAX_MS)]), ['taken', 'takencalm']);
  });
});
