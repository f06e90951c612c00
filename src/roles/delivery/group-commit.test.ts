import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turn } from '../../../test/support/turns.ts';
import { SealwireError } from '../../core/errors.ts';
import { GroupCommit } from './group-commit.ts';

function commits() {
  const log: string[] = [];
  let full = false;
  const made = new GroupCommit(
    {
      transaction: (action) => {
        log.push('begin');
        const result = action();
        if (full) throw new SealwireError('file-unwritable', 'The disk is full.');
        log.push('commit');
        return result;
      },
    },
    { turn },
  );
  const fill = (is: boolean): void => {
    full = is;
  };
  return { made, log, fill };
}

test('what one turn of the loop wants written is one transaction, in order, and each gets its own result', async () => {
  const { made, log } = commits();
  const written = await Promise.all(['a', 'b', 'c'].map((name) => made.run(() => log.push(name))));
  assert.deepEqual(log, ['begin', 'a', 'b', 'c', 'commit']);
  assert.deepEqual(written, [2, 3, 4]);
  await made.run(() => log.push('d'));
  assert.deepEqual(log.slice(5), ['begin', 'd', 'commit']);
});

test('where it fails it fails for all of them, and for nobody after', async () => {
  const { made, fill } = commits();
  fill(true);
  const results = await Promise.allSettled([made.run(() => 1), made.run(() => 2)]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  fill(false);
  assert.equal(await made.run(() => 3), 3);
});

test('settled waits for what was given, whatever comes of it', async () => {
  const { made, log, fill } = commits();
  fill(true);
  made.run(() => log.push('a')).catch(() => {});
  await made.settled();
  assert.deepEqual(log, ['begin', 'a']);
});
