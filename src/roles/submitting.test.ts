import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOW_MS } from '../../test/support/identities.ts';
import { member, notaryOptions, testNotary, Writer } from '../../test/support/ledger.ts';
import { type ManualClock, manualClock } from '../../test/support/manual-clock.ts';
import { elapse, identityOf, peerOf } from '../../test/support/session-pair.ts';
import { standstill, until } from '../../test/support/turns.ts';
import { type ErrorCode, isSealwireError, SealwireError } from '../core/errors.ts';
import { CONSISTENCY_TYPE, decodeConsistencyQuestion, encodeConsistencyAnswer } from '../core/ledger/consistency.ts';
import { TreeHasher } from '../core/ledger/merkle.ts';
import { checkReceipt } from '../core/ledger/receipt.ts';
import {
  ANSWER_TYPE,
  encodeAnswer,
  type LoggedLabel,
  REFUSALS,
  SUBMISSION_TYPE,
  type SubmissionAnswer,
} from '../core/ledger/submission.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { memoryPair } from './memory.ts';
import { memoryLedger } from './memory-ledger.ts';
import { type Notary, openNotary } from './notary.ts';
import type { Session } from './session.ts';
import { Submitting, type SubmittingOptions } from './submitting.ts';

const timeout = 20_000;
const hasher = new TreeHasher(nodeCrypto);
const alice = await member('alice', 61);

function refusedAs(code: ErrorCode): (error: unknown) => boolean {
  return (error) => isSealwireError(error) && error.code === code;
}

/** A notary's end of a session: gets each label, and answers as it likes. */
type Answering = (label: Uint8Array, answer: (answer: SubmissionAnswer) => Promise<void>) => Promise<void> | void;

/** One who submits, and the notary that it reaches. */
interface Desk {
  readonly clock: ManualClock;
  readonly submitting: Submitting;
  /** The notary's ends of the sessions, in order. */
  readonly sessions: Session[];
  readonly kept: Map<Uint8Array, LoggedLabel>;
  readonly troubles: ErrorCode[];
  /** What the next attempts to open a session fail with. */
  readonly failures: SealwireError[];
  /** When a session was asked for, in milliseconds since the start. */
  readonly attempts: number[];
  /** Changes how labels are answered. */
  answering: Answering;
  /** Proves that one tree continues another; without it such questions stay open. */
  proving: ((from: number, to: number) => Promise<readonly Uint8Array[] | null>) | null;
}

/** Alice's desk, with a session open. */
async function desk(answering: Answering, more: Partial<SubmittingOptions> = {}): Promise<Desk> {
  const clock = manualClock(NOW_MS);
  const near = await peerOf('alice', clock);
  const far = await peerOf('notary', clock);
  const at: Omit<Desk, 'submitting'> = {
    clock,
    sessions: [],
    kept: new Map(),
    troubles: [],
    failures: [],
    attempts: [],
    answering,
    proving: null,
  };
  const open = async (): Promise<Session> => {
    at.attempts.push(clock.now() - NOW_MS);
    const failure = at.failures.shift();
    if (failure) throw failure;
    const { a, b } = memoryPair();
    const [session, other] = await Promise.all([near.open(a, 'notary'), far.answer(b)]);
    at.sessions.push(other);
    void serve(desk, other);
    return session;
  };
  const submitting = new Submitting({
    crypto: nodeCrypto,
    clock,
    verifierOf: nodeVerifier,
    open,
    receipts: { keep: (label, logged) => void at.kept.set(label, logged) },
    onTrouble: ({ code }) => void at.troubles.push(code),
    ...more,
  });
  const desk: Desk = Object.assign(at, { submitting });
  await submitting.start();
  return desk;
}

async function serve(at: Desk, session: Session): Promise<void> {
  const answer = async (given: SubmissionAnswer): Promise<void> => {
    await session.sendLedgerReceipt(encodeAnswer(given), ANSWER_TYPE);
  };
  try {
    for await (const { contentType, payload } of session) {
      if (contentType === SUBMISSION_TYPE) await at.answering(payload, answer);
      else if (contentType === CONSISTENCY_TYPE) await prove(at, session, payload);
      else assert.fail(`a message of type ${contentType}`);
    }
  } catch {
    // The session was cut: the test's own doing.
  }
}

async function prove({ proving }: Desk, session: Session, payload: Uint8Array): Promise<void> {
  if (!proving) return;
  const { from, to } = decodeConsistencyQuestion(payload);
  const answer = encodeConsistencyAnswer({ from, to, path: await proving(from, to) });
  await session.sendLedgerReceipt(answer, CONSISTENCY_TYPE);
}

/** The notary that Alice's sessions lead to, with her admitted. */
async function aliceNotary(): Promise<Notary> {
  const { signer, certificates } = await identityOf('notary');
  const notary = await openNotary(
    await notaryOptions({ store: memoryLedger(), signer, certificates: [...certificates] as [Uint8Array] }),
  );
  await notary.admit(alice.certificates);
  return notary;
}

function answersOf(notary: Notary): Answering {
  return async (label, answer) => {
    const { receipt } = await notary.submit(label);
    await answer({ leafHash: hasher.leaf(label), receipt, refusal: null });
  };
}

test('labels are logged, their receipts checked and kept, and the newest head is known', { timeout }, async () => {
  const notary = await aliceNotary();
  const at = await desk(answersOf(notary));
  at.proving = (from, to) => notary.consistency(from, to);
  const { submitting } = at;
  const before = submitting.head;
  assert.equal(before, null);
  const labels = await new Writer(alice).labels(3);
  const logged = await Promise.all(labels.map((label) => submitting.submit(label)));
  assert.deepEqual(
    logged.map(({ index }) => index),
    [3, 4, 5],
  );
  for (const [n, label] of labels.entries()) {
    const outcome = logged[n];
    assert.ok(outcome);
    assert.equal(checkReceipt(hasher, outcome.receipt, label).leafIndex, outcome.index);
    assert.ok([...at.kept].some(([kept, { index }]) => Buffer.compare(kept, label) === 0 && index === outcome.index));
  }
  await until(() => submitting.head?.treeSize === 6);
  await elapse(at.clock, submitting.close());
  assert.deepEqual(at.troubles, []);
  await assert.rejects(submitting.submit(new Uint8Array(1)), refusedAs('not-logged'));
});

test('a head that is not proven to continue the last stays out of labels, and that is told', { timeout }, async () => {
  const at = await desk(answersOf(await aliceNotary()));
  at.proving = async () => null;
  const writer = new Writer(alice);
  await at.submitting.submit(await writer.label());
  const first = at.submitting.head;
  await at.submitting.submit(await writer.label());
  await until(() => at.troubles.length > 0);
  assert.deepEqual(at.troubles, ['checkpoint-mismatch']);
  assert.deepEqual(at.submitting.head, first);
  await elapse(at.clock, at.submitting.close());
});

test('one label that is submitted twice is handed over once', { timeout }, async () => {
  let handed = 0;
  const answers = answersOf(await aliceNotary());
  const at = await desk((label, answer) => {
    handed += 1;
    return answers(label, answer);
  });
  const label = await new Writer(alice).label();
  const [first, second] = await Promise.all([at.submitting.submit(label), at.submitting.submit(label)]);
  assert.deepEqual(first, second);
  assert.equal(handed, 1);
  await elapse(at.clock, at.submitting.close());
});

test('a notary that sees frames by itself is handed only what it gave no receipt for in time', {
  timeout,
}, async () => {
  const notary = await aliceNotary();
  const handed: Uint8Array[] = [];
  const at = await desk(
    (label, answer) => {
      handed.push(label);
      return answersOf(notary)(label, answer);
    },
    { patienceMs: 2000 },
  );
  const [seen, missed, later] = await new Writer(alice).labels(3);
  assert.ok(seen && missed && later);
  const logging = [at.submitting.submit(seen), at.submitting.submit(missed)];
  const { receipt } = await notary.submit(seen);
  await at.sessions[0]?.sendLedgerReceipt(
    encodeAnswer({ leafHash: hasher.leaf(seen), receipt, refusal: null }),
    ANSWER_TYPE,
  );
  await logging[0];
  at.clock.advance(1999);
  logging.push(at.submitting.submit(later));
  await standstill(() => handed.length);
  assert.deepEqual(handed, []);
  at.clock.advance(1);
  await logging[1];
  assert.deepEqual(
    handed.map((label) => Buffer.compare(label, missed)),
    [0],
  );
  await elapse(at.clock, Promise.all(logging));
  assert.deepEqual(handed.map((label) => Buffer.compare(label, later)).at(-1), 0);
  await elapse(at.clock, at.submitting.close());
});

test('nobody is patient on leaving: what has no receipt yet is handed in', { timeout }, async () => {
  const at = await desk(answersOf(await aliceNotary()), { patienceMs: 60_000 });
  const logging = at.submitting.submit(await new Writer(alice).label());
  await at.submitting.close();
  assert.equal((await logging).index > 0, true);
});

test('a notary that is lost and comes back gets again what it has not answered', { timeout }, async () => {
  const at = await desk(() => {});
  const labels = await new Writer(alice).labels(2);
  const logging = Promise.all(labels.map((label) => at.submitting.submit(label)));
  at.failures.push(new SealwireError('peer-unreachable', 'Nobody there.'));
  at.answering = answersOf(await aliceNotary());
  await at.sessions[0]?.close();
  assert.equal((await elapse(at.clock, logging)).length, 2);
  assert.equal(at.sessions.length, 2);
  assert.deepEqual(at.troubles, ['peer-unreachable']);
  await elapse(at.clock, at.submitting.close());
});

test('a notary that is away is asked less and less often; one that hangs up, not all the time', {
  timeout,
}, async () => {
  const at = await desk(() => {});
  const away = (): SealwireError => new SealwireError('peer-unreachable', 'Nobody there.');
  at.failures.push(away(), away(), away());
  await at.sessions[0]?.close();
  for (const next of [100, 200, 400, 800]) {
    const tried = at.attempts.length;
    await standstill(() => at.clock.pending);
    at.clock.advance(next - 1);
    await standstill(() => at.attempts.length);
    assert.equal(at.attempts.length, tried);
    at.clock.advance(1);
    await until(() => at.attempts.length > tried);
  }
  assert.deepEqual(at.attempts, [0, 100, 300, 700, 1500]);
  await until(() => at.sessions.length === 2);
  await elapse(at.clock, at.submitting.close());
});

test('at the start there has to be a notary', { timeout }, async () => {
  const nobody = new SealwireError('peer-unreachable', 'Nobody there.');
  await assert.rejects(
    desk(() => {}, { open: () => Promise.reject(nobody) }),
    nobody,
  );
});

test('what the notary refuses is told by its code', { timeout }, async () => {
  const refusals = [...REFUSALS];
  const at = await desk((label, answer) => {
    const refusal = refusals.shift() ?? 'not-admitted';
    return answer({ leafHash: hasher.leaf(label), receipt: null, refusal });
  });
  const writer = new Writer(alice);
  for (const code of REFUSALS) await assert.rejects(at.submitting.submit(await writer.label()), refusedAs(code));
  assert.equal(at.kept.size, 0);
  await elapse(at.clock, at.submitting.close());
});

/** Answers that must not be believed, by the trouble they are told as. */
const lies: Record<string, readonly [ErrorCode, (notary: Notary, label: Uint8Array) => Promise<SubmissionAnswer>]> = {
  'the receipt of another label': [
    'signature-invalid',
    async (notary, label) => {
      const other = await new Writer(alice, 9).label();
      return { leafHash: hasher.leaf(label), receipt: (await notary.submit(other)).receipt, refusal: null };
    },
  ],
  'the receipt of another notary': [
    'signature-invalid',
    async (_notary, label) => {
      const other = await testNotary(memoryLedger(), [alice]);
      return { leafHash: hasher.leaf(label), receipt: (await other.submit(label)).receipt, refusal: null };
    },
  ],
  'a receipt with another signature': [
    'signature-invalid',
    async (notary, label) => {
      const receipt = (await notary.submit(label)).receipt.slice();
      receipt[receipt.length - 1] = (receipt[receipt.length - 1] ?? 0) ^ 1;
      return { leafHash: hasher.leaf(label), receipt, refusal: null };
    },
  ],
  'no receipt at all': [
    'malformed',
    async (_notary, label) => ({ leafHash: hasher.leaf(label), receipt: new Uint8Array(3), refusal: null }),
  ],
};

for (const [what, [code, lie]] of Object.entries(lies)) {
  test(`not believed, and the true receipt still counts: ${what}`, { timeout }, async () => {
    const notary = await aliceNotary();
    const at = await desk(async (label, answer) => {
      await answer(await lie(notary, label));
      await answersOf(notary)(label, answer);
    });
    const label = await new Writer(alice).label();
    const logged = await at.submitting.submit(label);
    assert.equal(checkReceipt(hasher, logged.receipt, label).leafIndex, logged.index);
    assert.deepEqual(at.troubles, [code]);
    assert.equal(at.kept.size, 1);
    await elapse(at.clock, at.submitting.close());
  });
}

test('answers about labels that nobody waits for are passed over', { timeout }, async () => {
  const notary = await aliceNotary();
  const at = await desk(async (label, answer) => {
    await answer({ leafHash: new Uint8Array(32), receipt: null, refusal: 'conflict' });
    await answersOf(notary)(label, answer);
    await answersOf(notary)(label, answer);
  });
  await at.submitting.submit(await new Writer(alice).label());
  await elapse(at.clock, at.submitting.close());
  assert.deepEqual(at.troubles, []);
  assert.equal(at.kept.size, 1);
});

test('no receipt in time: `not-logged`; too many waiting: `overloaded`', { timeout }, async () => {
  const at = await desk(() => {}, { timeoutMs: 1000, pendingMax: 2 });
  const [first, second, third] = await new Writer(alice).labels(3);
  assert.ok(first && second && third);
  const late = [first, second].map((label) => assert.rejects(at.submitting.submit(label), refusedAs('not-logged')));
  await assert.rejects(at.submitting.submit(third), refusedAs('overloaded'));
  at.clock.advance(1000);
  await Promise.all(late);
  await elapse(at.clock, at.submitting.close());
});

test('a receipt that cannot be kept is not told as one', { timeout }, async () => {
  const at = await desk(answersOf(await aliceNotary()), {
    timeoutMs: 1000,
    receipts: { keep: () => Promise.reject(new Error('the disk is full')) },
  });
  await assert.rejects(at.submitting.submit(await new Writer(alice).label()), refusedAs('not-logged'));
  await until(() => at.troubles.length > 0);
  assert.deepEqual(at.troubles, ['internal']);
  await elapse(at.clock, at.submitting.close());
});

test('closing waits for receipts under way, and for those that never come only so long', { timeout }, async () => {
  const notary = await aliceNotary();
  const release = Promise.withResolvers<void>();
  const at = await desk(async (label, answer) => {
    await release.promise;
    await answersOf(notary)(label, answer);
  });
  const logging = at.submitting.submit(await new Writer(alice).label());
  const closing = at.submitting.close();
  release.resolve();
  await logging;
  await elapse(at.clock, closing);
  const silent = await desk(() => {}, { closeTimeoutMs: 500 });
  const lost = assert.rejects(silent.submitting.submit(await new Writer(alice, 9).label()), refusedAs('not-logged'));
  await elapse(silent.clock, silent.submitting.close());
  await lost;
});

test('closing while a new session is being opened closes that one too', { timeout }, async () => {
  const at = await desk(() => {});
  await at.sessions[0]?.close();
  await standstill(() => at.clock.pending);
  at.clock.advance(100);
  await until(() => at.attempts.length === 2);
  await elapse(at.clock, at.submitting.close());
  for (const session of at.sessions) await session.over;
});
