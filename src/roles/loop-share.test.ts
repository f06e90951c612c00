import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoopShare } from './loop-share.ts';

test('a share of the loop is used up by bytes, and there again once the loop has turned', async () => {
  const turned = Promise.withResolvers<void>();
  const share = new LoopShare(() => turned.promise);
  share.spend(32_767);
  assert.equal(share.isUsed, false);
  share.spend(1);
  assert.equal(share.isUsed, true);
  const turning = share.turn();
  assert.equal(share.isUsed, true, 'not before it has');
  turned.resolve();
  await turning;
  assert.equal(share.isUsed, false);
});
