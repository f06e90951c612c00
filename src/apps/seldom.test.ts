import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Seldom } from './seldom.ts';

test('what is the same again is told once in a while, with its number', () => {
  let nowMs = 0;
  const told: string[] = [];
  const seldom = new Seldom(
    () => nowMs,
    (sentence) => void told.push(sentence),
  );
  seldom.say('a');
  seldom.say('a');
  seldom.say('b');
  nowMs = 9_999;
  seldom.say('a');
  nowMs = 10_000;
  seldom.say('a');
  nowMs = 20_000;
  seldom.say('a');
  seldom.say('b');
  assert.deepEqual(told, ['a', 'b', 'a (and 2 more like it before)', 'a', 'b']);
});

test('a flood of different things takes bounded memory, and forgets the oldest first', () => {
  const told: string[] = [];
  const seldom = new Seldom(
    () => 0,
    (sentence) => void told.push(sentence),
  );
  for (let i = 0; i <= 1024; i++) seldom.say(`${i}`);
  seldom.say('1');
  assert.equal(told.length, 1025);
  seldom.say('0');
  assert.deepEqual(told.slice(1025), ['0']);
});
