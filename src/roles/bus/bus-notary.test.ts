import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Member, member, testNotary, Writer } from '../../../test/support/ledger.ts';
import { until } from '../../../test/support/turns.ts';
import { decodeCbor } from '../../core/cbor.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { joinFrame } from '../../core/frame/frame.ts';
import { formatId } from '../../core/identity/id.ts';
import { inboxTopic } from '../../core/inbox.ts';
import { KIND } from '../../core/kinds.ts';
import { TreeHasher } from '../../core/ledger/merkle.ts';
import { ANSWER_TYPE, decodeAnswer } from '../../core/ledger/submission.ts';
import type { Publication } from '../../core/ports.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { memoryBroker } from '../memory-broker.ts';
import { memoryLedger } from '../memory-ledger.ts';
import type { Notary } from '../notary.ts';
import type { Session } from '../session.ts';
import { BusNotary } from './bus-notary.ts';

const alice = await member('alice', 61);
const bob = await member('bob', 62);
const bobsInbox = inboxTopic({ to: bob.id, lane: 'frames', from: alice.id });

/** A notary that has admitted Alice, listening to everything. */
interface Desk extends AsyncDisposable {
  readonly notary: Notary;
  readonly listening: BusNotary;
  /** Labels in its ledger, beside its own statements. */
  readonly logged: () => number;
  readonly troubles: { readonly code: ErrorCode; readonly who: string }[];
  /** What was answered, and to whom. */
  readonly answers: { readonly to: Uint8Array; readonly payload: Uint8Array; readonly contentType: string }[];
  publish(topic: string, payload: Uint8Array): Promise<void>;
  deliver(publication: Publication): Promise<void>;
}

async function desk(filters: readonly string[] = ['#'], answering = true): Promise<Desk> {
  const notary = await testNotary(memoryLedger(), [alice]);
  const own = notary.head.treeSize;
  const broker = memoryBroker();
  const [troubles, answers]: [Desk['troubles'], Desk['answers']] = [[], []];
  const sessionTo = (to: Uint8Array): Session =>
    ({
      sendLedgerReceipt: async (payload: Uint8Array, contentType: string) => {
        answers.push({ to, payload, contentType });
        if (!answering) throw new Error('the session is over');
      },
    }) as unknown as Session;
  const listening = await BusNotary.start({
    crypto: nodeCrypto,
    notary,
    broker: broker.connect('notary'),
    filters,
    qos: 1,
    sessionOf: (id) => (id.every((byte, i) => byte === alice.id[i]) ? sessionTo(id) : undefined),
    onTrouble: ({ code }, who) => void troubles.push({ code, who }),
  });
  const writer = broker.connect('somebody');
  return {
    notary,
    listening,
    logged: () => notary.head.treeSize - own,
    troubles,
    answers,
    publish: (topic, payload) => writer.publish(topic, payload, { qos: 1 }),
    deliver: broker.deliver,
    [Symbol.asyncDispose]: async () => {
      await listening.close();
      await notary.close();
    },
  };
}

const BODY = new Uint8Array(100).fill(5);

/** A frame as an honest sender of that name seals it, as far as a notary sees. */
async function frame(writer: Writer, body: Uint8Array = BODY): Promise<{ label: Uint8Array; bytes: Uint8Array }> {
  const label = await writer.label({ content: body });
  return { label, bytes: joinFrame(label, body) };
}

test('what an admitted sender publishes is logged, wherever it is published, and the receipt goes to it', async () => {
  await using at = await desk();
  const writer = new Writer(alice);
  const [first, second] = [await frame(writer), await frame(writer)];
  await at.publish('plant/temperature', first.bytes);
  await at.publish(bobsInbox, second.bytes);
  await at.publish(bobsInbox, joinFrame(await writer.deliveryReceipt([first.label]), null));
  await at.publish(bobsInbox, joinFrame(await writer.end(), null));
  await until(() => at.answers.length === 4);
  assert.equal(at.logged(), 4);
  const hasher = new TreeHasher(nodeCrypto);
  const [answered] = at.answers.map(({ payload }) => decodeAnswer(payload));
  assert.deepEqual(answered?.leafHash, hasher.leaf(first.label));
  assert.ok(answered?.receipt instanceof Uint8Array && decodeCbor(answered.receipt));
  for (const { to, contentType } of at.answers) assert.deepEqual([to, contentType], [alice.id, ANSWER_TYPE]);
  assert.deepEqual(at.troubles, []);
});

test('a frame that comes twice is logged once and answered each time', async () => {
  await using at = await desk();
  const { bytes } = await frame(new Writer(alice));
  await at.publish('plant/temperature', bytes);
  await at.publish(bobsInbox, bytes);
  await until(() => at.answers.length === 2);
  assert.equal(at.logged(), 1);
});

test('another body, another sender, another signature: not logged, and told with the sender’s id', async () => {
  await using at = await desk();
  const { label, bytes } = await frame(new Writer(alice));
  await at.publish('t', joinFrame(label, new Uint8Array(100).fill(6)));
  await at.publish('t', (await frame(new Writer(bob))).bytes);
  const impostor: Member = { ...alice, signer: bob.signer };
  await at.publish('t', (await frame(new Writer(impostor, 2))).bytes);
  await until(() => at.troubles.length === 3);
  const byName = at.troubles.toSorted((a, b) => (a.code < b.code ? -1 : 1));
  assert.deepEqual(byName, [
    { code: 'body-mismatch', who: formatId(alice.id) },
    { code: 'sender-unknown', who: formatId(bob.id) },
    { code: 'signature-invalid', who: formatId(alice.id) },
  ]);
  assert.equal(at.logged(), 0);
  // Nothing of it stands in the way of the genuine one.
  await at.publish('t', bytes);
  await until(() => at.logged() === 1);
});

test('handshakes, retained publications, sessions with the notary itself and what is no frame are none of its business', async () => {
  await using at = await desk();
  const writer = new Writer(alice);
  const between = [
    inboxTopic({ to: at.notary.id, lane: 'frames', from: alice.id }),
    inboxTopic({ to: alice.id, lane: 'frames', from: at.notary.id }),
    inboxTopic({ to: bob.id, lane: 'handshake', from: alice.id }),
  ];
  for (const topic of between) await at.publish(topic, (await frame(writer)).bytes);
  await at.deliver({ topic: 't', payload: (await frame(writer)).bytes, retained: true });
  await at.publish('t', joinFrame(await writer.label({ kind: KIND.ledgerReceipt, content: BODY }), BODY));
  await at.publish('lights/kitchen', new TextEncoder().encode('on'));
  await at.publish(bobsInbox, new Uint8Array(0));
  const { bytes } = await frame(writer);
  await at.publish('t', bytes);
  await until(() => at.answers.length === 1);
  assert.deepEqual([at.logged(), at.troubles], [1, []]);
});

test('it hears what its filters match, and nothing after it was closed', async () => {
  await using at = await desk(['plant/+', 'sealwire/1/+/frames/+']);
  const writer = new Writer(alice);
  await at.publish('office/a', (await frame(writer)).bytes);
  await at.publish('plant/a', (await frame(writer)).bytes);
  await at.publish(bobsInbox, (await frame(writer)).bytes);
  await until(() => at.logged() === 2);
  await at.listening.close();
  assert.equal(at.answers.length, 2, 'closing waits for what was heard');
  await at.publish('plant/a', (await frame(writer)).bytes);
  assert.equal(at.logged(), 2);
});

test('a sender whose session is over is logged all the same', async () => {
  await using at = await desk(['#'], false);
  await at.publish('t', (await frame(new Writer(alice))).bytes);
  await until(() => at.answers.length === 1);
  assert.deepEqual([at.logged(), at.troubles], [1, []]);
});

test('a notary that is at its end says so of each frame', async () => {
  await using at = await desk();
  await at.notary.close();
  await at.publish('t', (await frame(new Writer(alice))).bytes);
  await until(() => at.troubles.length === 1);
  assert.deepEqual(at.troubles, [{ code: 'not-logged', who: formatId(alice.id) }]);
});
