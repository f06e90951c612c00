import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Handoff } from '../../src/core/handoff.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import type { Session } from '../../src/roles/session.ts';
import { Submitting } from '../../src/roles/submitting.ts';
import { manualClock } from '../support/manual-clock.ts';

/** As much of a session as handing in labels needs; it lasts until it is closed. */
function idleSession(): { readonly session: Session; readonly closed: Promise<void> } {
  const closed = Promise.withResolvers<void>();
  const messages = new Handoff<never>();
  const session = {
    close: async () => {
      messages.end();
      closed.resolve();
    },
    [Symbol.asyncIterator]: () => messages.items(),
  };
  return { session: session as unknown as Session, closed: closed.promise };
}

test('closing while the notary is being reached again closes what comes of it, and ends', async () => {
  const first = idleSession();
  const second = idleSession();
  const reached = Promise.withResolvers<Session>();
  const asked = Promise.withResolvers<void>();
  let opened = 0;
  const submitting = new Submitting({
    crypto: nodeCrypto,
    clock: manualClock(),
    verifierOf: nodeVerifier,
    receipts: { keep: () => {} },
    open: () => {
      opened += 1;
      if (opened === 1) return Promise.resolve(first.session);
      asked.resolve();
      return reached.promise;
    },
  });
  await submitting.start();
  await first.session.close();
  await asked.promise;
  const closing = submitting.close();
  reached.resolve(second.session);
  await second.closed;
  await closing;
  assert.equal(opened, 2);
});
