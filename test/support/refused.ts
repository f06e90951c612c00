import assert from 'node:assert/strict';
import { type ErrorCode, SealwireError } from '../../src/core/errors.ts';

/** Holds where `promise` rejects with an error of ours of that code, whose sentence says so. */
export async function refused(promise: Promise<unknown>, code: ErrorCode, sentence: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof SealwireError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, sentence);
    return true;
  });
}
