import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { errorOf, Terminals } from '../support/terminals.ts';

const KEY_CHANGED = 6;

test('two people compare their safety number, and the list of trust remembers it', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob');
  const show = async (name: string, other: string, ...args: string[]) =>
    JSON.parse((await terminals.run(name, ['--json', 'trust', '--verify', other, ...args])).stdout);
  const [atAnn, atBob] = [await show('ann', 'bob'), await show('bob', 'ann')];
  assert.match(atAnn.safetyNumber, /^\d{5}( \d{5}){11}$/);
  assert.equal(atBob.safetyNumber, atAnn.safetyNumber);
  assert.equal(atAnn.verifiedAt, null, 'shown is not compared');

  const silent = await terminals.run('ann', ['trust', '--verify', 'bob']);
  assert.equal(silent.code, 0);
  assert.match(silent.stderr, /Nothing was noted/);
  assert.equal(silent.stdout.replace(/\s+/g, ' ').trim(), atAnn.safetyNumber);
  assert.doesNotMatch((await terminals.run('ann', ['trust', 'list'])).stdout, /verified/);

  const answered = await terminals.run('ann', ['trust', '--verify', 'bob'], { input: 'yes\n' });
  assert.match(answered.stdout, /bob is verified\./);
  assert.match((await terminals.run('ann', ['trust', 'list'])).stdout, /^bob +SHA256:\S+ +identity, verified 20\d\d-/m);
  assert.notEqual((await show('bob', 'ann', '--yes')).verifiedAt, null);

  const differs = await terminals.run('bob', ['trust', '--verify', 'ann'], { input: 'no\n' });
  assert.equal(differs.code, KEY_CHANGED);
  assert.match(differs.stderr, /\[key-changed\]/);
  const nobody = errorOf(await terminals.run('ann', ['--json', 'trust', '--verify', 'carol']));
  assert.deepEqual([nobody.exit, nobody.code], [1, 'identity-unknown']);
});

test('a known name that shows a new key: an exit code of its own, on sockets, and nothing is sent', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob');
  const falseBob = terminals.start(await terminals.pretender('bob'), '--json', 'listen', 'tcp://127.0.0.1:0');
  const address = String((await falseBob.json())['address']);

  for (const expect of ['bob', 'operator']) {
    // The name that counts is the one that Ann gave, whatever the certificate says.
    if (expect === 'operator') {
      const id = String(JSON.parse((await terminals.run('bob', ['--json', 'id'])).stdout).id);
      await terminals.run('ann', ['trust', 'remove', 'bob']);
      assert.equal((await terminals.run('ann', ['trust', 'add', 'operator', id])).code, 0);
    }
    const dialled = await terminals.run('ann', ['--json', 'connect', address, '--expect', expect], {
      input: 'secret\n',
    });
    const error = errorOf(dialled);
    assert.deepEqual([error.exit, error.code], [KEY_CHANGED, 'key-changed'], dialled.stderr);
    assert.match(error.message, new RegExp(`^${expect} is trusted as SHA256:\\S+, but SHA256:\\S+ was shown`));
    assert.match(String(error.hint), /trust remove .* --verify/);
  }
  assert.equal(await falseBob.interrupt(), 0);
  assert.doesNotMatch(falseBob.stderr, /secret|In session/);

  const added = errorOf(await terminals.run('ann', ['--json', 'trust', 'add', 'operator', `SHA256:${'A'.repeat(43)}`]));
  assert.deepEqual([added.exit, added.code], [KEY_CHANGED, 'key-changed']);
  const trust = await readFile(join(terminals.home('ann'), 'trust.json'), 'utf8');
  assert.doesNotMatch(trust, /AAAAAAAA/, 'what is trusted stays');
});

test('a reader at a broker tells of whoever shows a new key in a known name, by exit code too', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob');
  const broker = ['--broker', await terminals.broker(['--embedded'])];
  const posing = await terminals.pretender('bob');
  const ann = await terminals.subscriber('ann', '#', '--count', '1', ...broker);

  const refused = await terminals.run(posing, ['--json', 'pub', 'hall', 'it is me', '--to', 'ann', ...broker]);
  assert.deepEqual([errorOf(refused).exit, errorOf(refused).code], [1, 'handshake-failed']);
  // Honest traffic goes on, and the exit code still tells.
  const honest = await terminals.run('bob', ['pub', 'hall', 'hello', '--to', 'ann', ...broker]);
  assert.equal(honest.code, 0, honest.stderr);
  assert.equal((await ann.json())['text'], 'hello');
  assert.equal(await ann.ended(), KEY_CHANGED, ann.stderr);
  assert.match(ann.stderr, /bob is trusted as .* \[key-changed\]/);
});
