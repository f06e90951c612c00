import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameMatches } from './tokens.ts';

test('a name matches its pattern, a star any run of characters', () => {
  for (const [pattern, name] of [
    ['ann', 'ann'],
    ['*', 'anything'],
    ['sensor-*', 'sensor-'],
    ['sensor-*', 'sensor-7'],
    ['*-7', 'sensor-7'],
    ['s*-*7', 's-7'],
    ['s*or-*-7', 'sensor-a-b-7'],
    ['a*a', 'aa'],
    ['**', ''],
  ] as const) {
    assert.ok(nameMatches(pattern, name), `${pattern} ${name}`);
  }
  for (const [pattern, name] of [
    ['ann', 'anna'],
    ['ann', 'Ann'],
    ['sensor-*', 'a-sensor-7'],
    ['sensor-*', 'sensor'],
    ['a*a', 'a'],
    ['a*b*c', 'acb'],
    ['a*bb*b', 'abb'],
    ['.', 'x'],
    ['', 'x'],
  ] as const) {
    assert.ok(!nameMatches(pattern, name), `${pattern} ${name}`);
  }
});
