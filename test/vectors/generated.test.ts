import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROOT, runNode } from '../support/child.ts';

test('vectors/*.json are what the code gives, byte for byte', async () => {
  const { code, stderr } = await runNode([`${ROOT}tools/vectors.ts`, '--check']);
  assert.equal(stderr, '');
  assert.equal(code, 0);
});
