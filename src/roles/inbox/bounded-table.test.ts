import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ManualClock, manualClock } from '../../../test/support/manual-clock.ts';
import { BoundedTable, type Gone } from './bounded-table.ts';

interface Entry {
  readonly name: string;
}

interface Fixture {
  readonly clock: ManualClock;
  readonly table: BoundedTable<Entry>;
  readonly gone: [string, Gone][];
  add(name: string, owner?: string): Entry;
}

function fixture(): Fixture {
  const clock = manualClock();
  const gone: [string, Gone][] = [];
  const bounds = { entriesMax: 5, perOwnerMax: 2, keepMs: 1000 };
  const table = new BoundedTable<Entry>(clock, bounds, ({ name }, why) => void gone.push([name, why]));
  return {
    ...{ clock, table, gone },
    add: (name, owner = name) => {
      const entry = { name };
      table.add(entry, owner, [name]);
      return entry;
    },
  };
}

test('entries are found by each of their keys until they are removed', () => {
  const { table, gone, clock, add } = fixture();
  const entry = add('one');
  table.alias(entry, 'the first');
  assert.deepEqual([table.find('one'), table.find('the first'), table.find('two')], [entry, entry, undefined]);
  table.remove(entry);
  assert.deepEqual([table.find('one'), table.find('the first'), table.has(entry)], [undefined, undefined, false]);
  table.alias(entry, 'late');
  assert.equal(table.find('late'), undefined);
  assert.deepEqual([table.size, clock.pending, gone], [0, 0, []]);
});

test('the oldest makes room for the newest', () => {
  const { table, gone, add } = fixture();
  for (let n = 0; n < 100; n++) add(`${n}`);
  assert.equal(table.size, 5);
  assert.equal(gone.length, 95);
  assert.deepEqual(gone[0], ['0', 'displaced']);
  assert.ok(table.find('95') && table.find('99') && !table.find('94'));
});

test('of one owner there are fewer, and its newest takes its own oldest’s place', () => {
  const { table, gone, add } = fixture();
  add('honest');
  for (let n = 0; n < 100; n++) add(`${n}`, 'mallory');
  assert.equal(table.size, 3);
  assert.ok(table.find('honest') && table.find('98') && table.find('99'));
  assert.equal(gone.length, 98);
});

test('nothing stays longer than its time, and an empty table waits for nothing', () => {
  const { table, gone, clock, add } = fixture();
  add('early');
  clock.advance(600);
  add('late');
  clock.advance(400);
  assert.deepEqual(gone, [['early', 'expired']]);
  clock.advance(600);
  assert.deepEqual(gone[1], ['late', 'expired']);
  assert.deepEqual([table.size, clock.pending], [0, 0]);
  add('again');
  table.clear();
  assert.deepEqual([table.size, clock.pending, gone.length], [0, 0, 2]);
});
