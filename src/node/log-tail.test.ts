import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogTail } from './log-tail.ts';

test('the tail of a log is bounded, in lines and in their length', () => {
  const log = new LogTail();
  for (let i = 0; i < 1000; i++) log.add(`${i} ${'x'.repeat(10_000)}`);
  assert.equal(log.lines.length, 200);
  assert.match(log.lines[0] ?? '', /^800 x/);
  assert.ok(log.lines.every((line) => line.length === 500));
});

test('last words are the last error, else the last line', () => {
  const log = new LogTail();
  assert.equal(log.lastWords, '');
  log.add('starting');
  log.add('  ');
  assert.equal(log.lastWords, 'starting');
  log.add('Error: taken');
  log.add('terminating');
  assert.equal(log.lastWords, 'Error: taken');
});
