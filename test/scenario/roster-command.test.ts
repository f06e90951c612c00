import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { decodeCbor, encodeCbor } from '../../src/core/cbor.ts';
import { Terminals } from '../support/terminals.ts';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** Ann is the authority of `works`, with Bob as a member and one channel that he reads. */
async function works(t: TestContext, ...others: readonly string[]): Promise<Terminals> {
  const terminals = await Terminals.strangers(t, 'ann', 'bob', ...others);
  await terminals.lines('ann', 'roster', 'init', 'works');
  await terminals.lines('ann', 'roster', 'add', 'bob', terminals.id('bob'));
  const rights = ['--topic', 'plant/#', '--writer', 'ann', '--reader', 'bob'];
  await terminals.lines('ann', 'roster', 'channel', 'plant', ...rights);
  return terminals;
}

/** Ann's roster as a file. */
async function published(terminals: Terminals): Promise<string> {
  const file = join(terminals.directory, 'works.roster');
  await terminals.lines('ann', 'roster', 'publish', '--out', file);
  return file;
}

function itemsOf(line: Record<string, unknown> | undefined, field: string): Record<string, unknown>[] {
  const items = line?.[field];
  assert.ok(Array.isArray(items));
  return items;
}

/** Two commands at a time, which is what a small machine starts without delay. */
async function inParallel<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    [1, 2].map(async () => {
      for (const item of rest) await run(item);
    }),
  );
}

test('a roster is begun, changed, shown and compared, and scripts can read all of it', async (t) => {
  const terminals = await Terminals.strangers(t, 'ann', 'bob');
  const [ann, bob] = [terminals.id('ann'), terminals.id('bob')];
  const [begun] = await terminals.lines('ann', 'roster', 'init', 'works');
  const { hash, issuedAt, ...first } = begun ?? {};
  assert.match(String(hash), /^[0-9a-f]{64}$/);
  assert.match(String(issuedAt), ISO);
  const members = [{ name: 'ann', id: ann }];
  const said = { name: 'works', authority: ann, expiresAt: null, channels: [], revocations: [] };
  assert.deepEqual(first, { ...said, version: 1, members });

  const [added] = await terminals.lines('ann', 'roster', 'add', 'bob', join(terminals.home('bob'), 'identity.crt'));
  assert.deepEqual([added?.['version'], added?.['members']], [2, [...members, { name: 'bob', id: bob }]]);
  const flags = ['--topic', 'plant/+/load', 'plant/alarm', '--writer', 'ann', '--reader', 'ann', 'bob'];
  const more = ['--confirm', 'bob', '--rotate-after', '1h', '--rotate-frames', '1000', '--history', '--padding', '64'];
  const [changed] = await terminals.lines('ann', 'roster', 'channel', 'plant', ...flags, ...more);
  const plant = {
    ...{ name: 'plant', filters: ['plant/+/load', 'plant/alarm'], writers: ['ann'], readers: ['ann', 'bob'] },
    ...{ confirmers: ['bob'], rotateAfterMs: 3_600_000, rotateAfterFrames: 1000, history: true, batchMax: 1024 },
    ...{ paddingBytes: 64, evidence: 'none', erasers: [] },
  };
  assert.deepEqual([changed?.['version'], changed?.['channels']], [3, [plant]]);
  // What is not named stays; evidence is kept of one message a frame.
  const [kept] = await terminals.lines('ann', 'roster', 'channel', 'plant', '--evidence', 'keep', '--no-history');
  assert.deepEqual(kept?.['channels'], [{ ...plant, history: false, evidence: 'keep', batchMax: 1 }]);

  assert.deepEqual(await terminals.lines('ann', 'roster', 'show'), [kept]);
  assert.deepEqual(await terminals.lines('ann', 'roster', 'show', '3'), [changed]);
  const differences = await terminals.lines('ann', 'roster', 'diff', '2', '3');
  assert.deepEqual(
    differences.map(({ sign, what }) => [sign, String(what).split(' ').slice(0, 4).join(' ')]),
    [['+', 'channel plant on plant/+/load']],
  );
  await terminals.lines('ann', 'roster', 'remove', 'bob');
  const words = await terminals.run('ann', ['roster', 'diff', '1']);
  assert.equal(
    words.stdout,
    '+ channel plant on plant/+/load plant/alarm: writers ann; readers ann; confirmed by none; ' +
      'new keys after 3600 s or 1000 frames; batches of 1; padded to 64; keeps evidence\n',
  );
  const [none] = await terminals.lines('ann', 'roster', 'channel', 'plant', '--remove');
  assert.deepEqual([none?.['version'], none?.['channels'], none?.['members']], [6, [], members]);
});

test('what a roster cannot say is refused with a reason, and nothing is signed', async (t) => {
  const terminals = await works(t, 'eve');
  const [ann, bob, eve] = ['ann', 'bob', 'eve'].map((name) => terminals.id(name));
  const channel = ['channel', 'plant'];
  const refusals = [
    [['init', 'again'], 'usage', 2, /goes by a roster already/, /roster show/],
    [['add', 'bob', eve], 'usage', 2, /a member bob already/, /--replace/],
    [['add', 'robert', bob], 'usage', 2, /is a member already, as bob/, undefined],
    [['add', 'eve', 'SHA256:short'], 'malformed', 1, /SHA256:short/, undefined],
    [['add', 'eve', '/nowhere/eve.crt'], 'file-unreadable', 3, /no such file/, /path/],
    [['add', 'eve'], 'usage', 2, /by its id or certificate, or by --ca/, /roster add/],
    [['add', 'a\nb', eve], 'roster-invalid', 1, /name/, undefined],
    [['remove', 'eve'], 'identity-unknown', 1, /no member "eve"/, /roster show/],
    [['revoke', 'eve'], 'identity-unknown', 1, /no member "eve"/, /roster show/],
    [['channel', 'office', '--remove'], 'channel-unknown', 2, /no channel "office"/, undefined],
    [['channel', 'office', '--writer', 'ann'], 'roster-invalid', 1, /office has not 1 to 64 topic filters/, undefined],
    [[...channel], 'usage', 2, /says that already/, /roster show/],
    [[...channel, '--reader', 'bob'], 'usage', 2, /says that already/, /roster show/],
    [[...channel, '--reader', 'bob', 'bob'], 'roster-invalid', 1, /bob stands twice/, undefined],
    [[...channel, '--reader', 'eve'], 'roster-invalid', 1, /eve, one of the readers of plant, is no member/, undefined],
    [[...channel, '--confirm', 'ann'], 'roster-invalid', 1, /ann is to confirm in plant, but does not/, undefined],
    [[...channel, '--topic', 'plant/#/x'], 'topic-invalid', 2, /plant\/#\/x/, undefined],
    [[...channel, '--topic', 'sealwire/#'], 'roster-invalid', 1, /not for applications/, undefined],
    [[...channel, '--evidence', 'keep', '--batch-max', '5'], 'roster-invalid', 1, /one message/, undefined],
    [[...channel, '--rotate-after', '25h'], 'roster-invalid', 1, /age of its ratchets/, undefined],
    [['show', '9'], 'usage', 2, /no version 9; the newest is 3/, undefined],
    [['publish'], 'usage', 2, /where the roster is to go/, /--out/],
    [['handover', '/nowhere/eve.crt'], 'file-unreadable', 3, /no such file/, /path/],
  ] as const;
  await inParallel(refusals, async ([args, code, exit, words, hint]) => {
    const error = await terminals.error('ann', 'roster', ...args.map((arg) => arg ?? ''));
    assert.deepEqual([error.code, error.exit], [code, exit], `${args.join(' ')}: ${error.message}`);
    assert.match(error.message, words);
    if (hint) assert.match(error.hint ?? '', hint, args.join(' '));
  });
  const [now] = await terminals.lines('ann', 'roster', 'show');
  assert.deepEqual([now?.['version'], now?.['authority']], [3, ann]);
});

test('only the authority changes a roster; a home without one says what to do', async (t) => {
  const terminals = await works(t, 'eve');
  const join = ['roster', 'join', await published(terminals), '--authority', terminals.id('ann')];
  const [taken] = await terminals.lines('bob', ...join);
  assert.deepEqual([taken], await terminals.lines('ann', 'roster', 'show'));
  for (const change of [
    ['add', 'eve', terminals.id('eve')],
    ['remove', 'ann'],
    ['revoke', 'ann'],
    ['channel', 'plant', '--writer', 'bob'],
    ['handover', `${terminals.home('bob')}/identity.crt`],
  ]) {
    const { code, exit, message, hint } = await terminals.error('bob', 'roster', ...change);
    assert.deepEqual([code, exit], ['not-allowed', 1]);
    assert.equal(message, 'bob is not the authority of the roster works.');
    assert.equal(hint, `Only its authority can change it: ${terminals.id('ann')}.`);
    const without = await terminals.error('eve', 'roster', ...change);
    assert.deepEqual([without.code, without.exit], ['roster-missing', 3]);
    assert.match(without.hint ?? '', /roster init NAME.*roster join/);
  }
  const twice = await terminals.error('bob', ...join);
  assert.deepEqual([twice.code, twice.message], ['usage', 'This home goes by a roster already.']);
});

test('a roster file is believed only whole, genuine, and from the authority that was named', async (t) => {
  const terminals = await works(t, 'eve');
  const file = await published(terminals);
  const genuine = await readFile(file);
  const ann = terminals.id('ann');
  const versions = decodeCbor(genuine, { bytesMax: genuine.length }) as Uint8Array[];
  const forged = Buffer.from(genuine);
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  const changed = Buffer.from(genuine);
  changed.write('eve', changed.lastIndexOf('bob'));
  const [one = genuine, two = genuine, three = genuine] = versions;
  const other = join(terminals.directory, 'other.roster');
  for (const [bytes, authority, code] of [
    [genuine, terminals.id('eve'), 'roster-invalid'],
    [forged, ann, 'signature-invalid'],
    [changed, ann, 'roster-invalid'],
    [encodeCbor([one, three]), ann, 'roster-invalid'],
    [encodeCbor([two, three]), ann, 'roster-invalid'],
    [encodeCbor([]), ann, 'malformed'],
    [genuine.subarray(0, 100), ann, 'malformed'],
    [Buffer.from('works'), ann, 'malformed'],
    [Buffer.from(''), ann, 'malformed'],
  ] as const) {
    await writeFile(other, bytes);
    const error = await terminals.error('eve', 'roster', 'join', other, '--authority', authority);
    assert.deepEqual([error.code, error.exit], [code, 1], error.message);
    assert.equal((await readdir(terminals.home('eve'))).includes('roster'), false);
  }
  for (const args of [[], [file, '--broker', 'mqtt://127.0.0.1:1'], ['--broker', 'mqtt://127.0.0.1:1']]) {
    const error = await terminals.error('eve', 'roster', 'join', ...args, '--authority', ann);
    assert.deepEqual([error.code, error.exit], ['usage', 2], args.join(' '));
  }
  await terminals.lines('eve', 'roster', 'join', file, '--authority', ann);
});

test('a roster comes from a broker by its name, if it is that of the authority', async (t) => {
  const terminals = await works(t, 'eve');
  const broker = ['--broker', await terminals.broker(['--embedded'])];
  const [told] = await terminals.lines('ann', 'roster', 'publish', ...broker);
  assert.deepEqual(told, { event: 'published', name: 'works', version: 3, at: [broker[1]] });
  const join = (authority: string): string[] => [
    'roster',
    'join',
    ...broker,
    '--name',
    'works',
    '--authority',
    authority,
  ];
  const error = await terminals.error('eve', ...join(terminals.id('eve')));
  assert.deepEqual([error.code, error.exit], ['roster-invalid', 1]);
  const [taken] = await terminals.lines('eve', ...join(terminals.id('ann')));
  assert.deepEqual([taken], await terminals.lines('ann', 'roster', 'show'));
});

test('a lost key is replaced, a stolen one revoked, and both count no more', async (t) => {
  const terminals = await works(t, 'eve');
  const [bob, eve] = [terminals.id('bob'), terminals.id('eve')];
  const [replaced] = await terminals.lines('ann', 'roster', 'add', 'bob', eve, '--replace');
  assert.deepEqual(itemsOf(replaced, 'members')[1], { name: 'bob', id: eve });
  const [revocation] = itemsOf(replaced, 'revocations');
  assert.deepEqual([revocation?.['id'], revocation?.['sinceIndex']], [bob, null]);
  assert.match(String(revocation?.['time']), ISO);
  const back = await terminals.error('ann', 'roster', 'add', 'robert', bob);
  assert.equal(back.code, 'usage');
  assert.match(back.message, /was revoked, and stays so/);
  const [revoked] = await terminals.lines('ann', 'roster', 'revoke', 'bob', '--since', '17');
  const [, second] = itemsOf(revoked, 'revocations');
  assert.deepEqual([second?.['id'], second?.['sinceIndex']], [eve, 17]);
  assert.equal((await terminals.error('ann', 'roster', 'revoke', eve)).code, 'usage');
});

test('a fleet is one member: all whom an authority gave certificates for names of a pattern', async (t) => {
  const terminals = await works(t);
  const home = join(terminals.directory, 'fleet authority');
  await terminals.run('ann', ['--home', home, 'init', 'fleet authority', '--ca']);
  const ca = join(home, 'identity.crt');
  const [added] = await terminals.lines('ann', 'roster', 'add', 'sensors', '--ca', ca, '--pattern', 'sensor-*');
  const fleet = itemsOf(added, 'members')[2];
  assert.deepEqual([fleet?.['name'], fleet?.['pattern']], ['sensors', 'sensor-*']);
  const pem = await readFile(ca, 'utf8');
  assert.equal(fleet?.['certificate'], pem.replace(/-----[A-Z ]+-----|\n/g, ''));
  await terminals.lines('ann', 'roster', 'channel', 'plant', '--writer', 'ann', 'sensors');
  const notOne = await terminals.error(
    'ann',
    'roster',
    'add',
    'x',
    '--ca',
    join(terminals.home('bob'), 'identity.crt'),
  );
  assert.deepEqual([notOne.code, notOne.exit], ['certificate-invalid', 1]);
  assert.equal((await terminals.error('ann', 'roster', 'revoke', 'sensors')).code, 'usage');
  assert.equal(
    (await terminals.error('ann', 'roster', 'add', 'y', terminals.id('bob'), '--pattern', '*')).code,
    'usage',
  );
});

test('the authority hands over: the old key names the new one, which goes on alone', async (t) => {
  const terminals = await works(t, 'eve');
  const ann = terminals.id('ann');
  await terminals.lines('ann', 'roster', 'handover', join(terminals.home('bob'), 'identity.crt'));
  const file = await published(terminals);
  const [taken] = await terminals.lines('bob', 'roster', 'join', file, '--authority', ann);
  assert.deepEqual([taken?.['version'], taken?.['authority']], [4, terminals.id('bob')]);
  const error = await terminals.error('ann', 'roster', 'remove', 'bob');
  assert.deepEqual(
    [error.code, error.hint],
    ['not-allowed', `Only its authority can change it: ${terminals.id('bob')}.`],
  );
  await terminals.lines('bob', 'roster', 'add', 'eve', terminals.id('eve'));
  await terminals.lines('bob', 'roster', 'publish', '--out', file);
  // Who comes now begins with the key that began it.
  const [now] = await terminals.lines('eve', 'roster', 'join', file, '--authority', ann);
  assert.deepEqual([now?.['version'], now?.['authority']], [5, terminals.id('bob')]);
});
