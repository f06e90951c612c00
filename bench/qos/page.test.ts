import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withParts } from './page.ts';
import type { FloodRow, SteadyRow } from './rows.ts';
import { tablesOf } from './tables.ts';

const NOTHING = { sent: 0, safe: 0, came: 0, lost: 0, told: 0, toldWrongly: 0, twice: 0 };

function flood(line: FloodRow['line'], roundTripMs: number, perSecond: number): FloodRow {
  return { measured: 'flood', line, qos: 1, roundTripMs, perSecond, ...NOTHING, safe: 4000, lost: 2980, repaired: 7 };
}

/** The lines of a table without what aligns its columns. */
function cellsOf(text = ''): string[] {
  return text.split('\n').map((line) => line.replace(/ +/g, ' '));
}

test('a table sets ours beside plain, cell by cell, and says what was lost of how many', () => {
  const rows = [
    flood('sealed', 50, 71_234.6),
    flood('plain', 0, 23_000),
    flood('plain', 50, 667),
    flood('sealed', 0, 9),
  ];
  const [table, ...others] = tablesOf(rows);
  assert.deepEqual(others, [], 'what was not measured has no table');
  assert.deepEqual(cellsOf(table?.text).slice(2), [
    '| 0 ms | 1 | 23,000 | 2,980 of 4,000 | 0 | 9 | 2,980 of 4,000 | 0 | 7 |',
    '| 50 ms | 1 | 667 | 2,980 of 4,000 | 0 | 71,235 | 2,980 of 4,000 | 0 | 7 |',
  ]);
});

test('what plain MQTT at quality of service 0 calls done is no word of a broker', () => {
  const row: Omit<SteadyRow, 'line'> = {
    ...{ measured: 'steady', qos: 0, roundTripMs: 300, messages: 100 },
    ...{ openedP50Ms: 1.23, openedP99Ms: 302.6, knownP50Ms: 0.1 },
  };
  const [table] = tablesOf([
    { ...row, line: 'plain' },
    { ...row, line: 'sealed', knownP50Ms: 640 },
  ]);
  assert.equal(cellsOf(table?.text).at(-1), '| 300 ms | 0 | 1.2 ms, 303 ms | – | 1.2 ms, 303 ms | 640 ms |');
});

test('a page gets its parts, and the rest of it stays as it is', () => {
  const page = 'before\n<!-- a -->\nold\n<!-- /a -->\nbetween\n<!-- b --><!-- /b -->\nafter\n';
  const once = withParts(page, [
    { name: 'b', text: 'B' },
    { name: 'a', text: 'A' },
  ]);
  assert.equal(once, 'before\n<!-- a -->\n\nA\n\n<!-- /a -->\nbetween\n<!-- b -->\n\nB\n\n<!-- /b -->\nafter\n');
  assert.equal(withParts(once, [{ name: 'a', text: 'A' }]), once);
  assert.throws(() => withParts(page, [{ name: 'c', text: 'C' }]), /no place for c/);
});
