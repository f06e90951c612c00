import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { utf8ToBytes } from '../../src/core/bytes.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { dialTcp } from '../../src/node/tcp.ts';
import { Peer } from '../../src/roles/peer.ts';
import { RunningCommand } from '../support/running.ts';
import { type Member, makeMember, trustOnly } from '../support/stage.ts';

const ANYWHERE = 'tcp://127.0.0.1:0';
let directory = '';
let members: Record<'ann' | 'bob' | 'eve' | 'notary', Member>;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealwire-test-'));
  const make = (name: string): Promise<Member> => makeMember(directory, name);
  members = { ann: await make('ann'), bob: await make('bob'), eve: await make('eve'), notary: await make('notary') };
  for (const member of Object.values(members)) await trustOnly(member, Object.values(members));
});

after(() => rm(directory, { recursive: true, force: true }));

function command(name: keyof typeof members, ...args: string[]): RunningCommand {
  return new RunningCommand(['--home', members[name].home, ...args]);
}

/** Bob, who listens, and where. */
async function listener(...args: string[]): Promise<{ readonly bob: RunningCommand; readonly address: string }> {
  const bob = command('bob', '--json', 'listen', ANYWHERE, ...args);
  return { bob, address: String((await bob.json())['address']) };
}

/** Types lines into one terminal until one of them has come out at the other. */
async function typeUntilHeard(from: RunningCommand, to: RunningCommand, text: string): Promise<void> {
  const typing = setInterval(() => from.type(text), 20);
  try {
    while ((await to.line()) !== text);
  } finally {
    clearInterval(typing);
  }
}

test('a listener outlives peers that vanish while it sends to them, and lines that are too long', async () => {
  const { bob, address } = await listener();
  await using listening = bob;
  await using eve = command('eve', 'connect', address, '--expect', 'bob');
  {
    await typeUntilHeard(listening, eve, 'to eve');
    await using ann = command('ann', 'connect', address, '--expect', 'bob');
    await typeUntilHeard(listening, ann, 'to both');
    // Killed as it is left.
    for (let i = 0; i < 200; i++) listening.type('to whom it may reach');
  }
  listening.type('x'.repeat(200_000));
  listening.type('still here');
  for (let line = await eve.line(); line !== 'still here'; line = await eve.line()) {
    assert.match(line, /^to (eve|both|whom it may reach)$/);
  }
  eve.endInput();
  assert.equal(await eve.ended(), 0, eve.stderr);
  assert.equal(await listening.interrupt(), 0, listening.stderr);
  assert.match(listening.stderr, /The session with ann broke/);
  assert.match(listening.stderr, /A line was not sent to eve: A message of 200000 bytes/);
});

test('Ctrl-C ends at once what has not yet come to a session', async () => {
  const reached = Promise.withResolvers<void>();
  const silent = createServer(() => reached.resolve()).listen(0, '127.0.0.1');
  try {
    await new Promise((resolve) => silent.once('listening', resolve));
    const address = silent.address();
    assert.ok(typeof address === 'object' && address);
    await using ann = command('ann', 'connect', `tcp://127.0.0.1:${address.port}`, '--expect', 'bob');
    await reached.promise;
    assert.equal(await ann.interrupt(), 130);
    assert.equal(ann.stderr, '');
  } finally {
    silent.close();
  }
});

test('when the ledger lacks a line in the end, the exit code says so', async () => {
  const notary = command('notary', '--json', 'notary', '--listen', ANYWHERE);
  const at = ['--notary', String((await notary.json())['address'])];
  const { bob, address } = await listener();
  await using listening = bob;
  await using ann = command('ann', 'connect', address, '--expect', 'bob', ...at);
  ann.type('logged');
  assert.equal((await listening.json())['text'], 'logged');
  await notary[Symbol.asyncDispose]();
  ann.type('not logged');
  assert.equal((await listening.json())['text'], 'not logged');
  ann.endInput();
  assert.equal(await ann.ended(), 5, ann.stderr);
  assert.match(ann.stderr, /is not in the ledger: .* \[not-logged\]/);
});

test('a time beyond all calendars does not end the terminal that shows it', async () => {
  const { bob, address } = await listener();
  await using listening = bob;
  let shiftMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + shiftMs };
  const { identity } = members.eve;
  const anchors = () => [{ name: 'bob', id: members.bob.identity.id }];
  const eve = new Peer({ identity, anchors, crypto: nodeCrypto, clock, verifierOf: nodeVerifier });
  const session = await eve.open(await dialTcp(address), 'bob');
  shiftMs = 2 ** 53 - 2 - systemClock.now() - 86_400_000;
  await session.send(utf8ToBytes('from the end of time'));
  const { text, time } = await listening.json();
  assert.deepEqual([text, time], ['from the end of time', null]);
  await session.close();
});
