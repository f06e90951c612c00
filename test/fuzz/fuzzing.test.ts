import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeCbor, encodeCbor } from '../../src/core/cbor.ts';
import { SealwireError } from '../../src/core/errors.ts';
import { fuzz, type Tally } from './fuzzing.ts';
import { readItems, writeItems } from './mutate/cbor-tree.ts';
import { type MutatorName, mutate } from './mutate/mutate.ts';
import { Random } from './random.ts';
import { type OpenTarget, type Target, Unsound } from './target.ts';
import { TARGETS } from './targets.ts';

const seeds = [encodeCbor([1, new Map([[2, 'plant/a']]), new Uint8Array(40)])];

function planted(judge: OpenTarget['judge']): Target {
  return { name: 'planted', mutator: 'cbor', weight: 1, open: () => ({ seeds, judge }) };
}

async function tallyOf(target: Target, seed = 1): Promise<Tally> {
  return (await fuzz(target, { seed, number: 0, runs: 4000, corpus: [] })).tally;
}

/** The first item of what is read; refuses as decoders do. */
function firstOf(input: Uint8Array): unknown {
  const value = decodeCbor(input);
  if (!Array.isArray(value)) throw new SealwireError('malformed', 'It is no array.');
  return value[0];
}

test('a fault behind a decoder is found, and told with the input that brings it about', async () => {
  const target = planted((input) => {
    if (Number(firstOf(input)) >= 2 ** 31) throw new TypeError('planted');
  });
  const { crashes, failures, refused, taken, runs } = await tallyOf(target);
  assert.ok(crashes > 0 && refused > 0 && taken > 0);
  assert.equal(crashes + refused + taken, runs);
  const [{ hex, what, type } = assert.fail()] = failures;
  assert.equal(type, 'crash');
  assert.match(what, /TypeError: planted/);
  assert.ok(Number(firstOf(Uint8Array.from(Buffer.from(hex, 'hex')))) >= 2 ** 31);
});

test('what is taken and must not be is told apart from what is thrown, and `internal` is no refusal', async () => {
  const lax = planted((input) => {
    if (typeof firstOf(input) === 'string') throw new Unsound('planted');
  });
  const { acceptances, crashes } = await tallyOf(lax);
  assert.ok(acceptances > 0 && crashes === 0);
  const broken = planted((input) => {
    if (firstOf(input) === null) throw new SealwireError('internal', 'It is our own fault.');
  });
  assert.ok((await tallyOf(broken)).crashes > 0);
});

test('one seed, one run: everything comes about again, for another seed otherwise', async () => {
  const inputsOf = async (seed: number): Promise<string[]> => {
    const seen: string[] = [];
    await tallyOf(
      planted((input) => {
        seen.push(Buffer.from(input).toString('hex'));
        firstOf(input);
      }),
      seed,
    );
    return seen;
  };
  const once = await inputsOf(5);
  assert.deepEqual(await inputsOf(5), once);
  assert.notDeepEqual(await inputsOf(6), once);
  // Where coverage steers, too.
  const label = TARGETS.find(({ name }) => name === 'label') ?? assert.fail();
  const poolOf = async () => (await fuzz(label, { seed: 5, number: 0, runs: 4000, corpus: [] })).pool;
  assert.deepEqual(await poolOf(), await poolOf());
});

test('what a mutation reads and leaves alone it writes as it was', async () => {
  for (const target of TARGETS) {
    if (target.mutator !== 'cbor' && target.mutator !== 'parts') continue;
    for (const seed of (await target.open()).seeds) {
      const items = readItems(seed);
      if (items) assert.deepEqual(writeItems(items), seed, target.name);
    }
  }
});

test('mutations take any bytes and change most of them', () => {
  const random = new Random(3);
  for (const name of ['bytes', 'cbor', 'parts', 'der', 'mqtt'] satisfies MutatorName[]) {
    let changed = 0;
    for (let i = 0; i < 500; i++) {
      const input = random.bytes(random.below(80));
      const mutated = mutate(name, random, input, random.bytes(random.below(40)));
      if (Buffer.compare(mutated, input) !== 0) changed += 1;
    }
    assert.ok(changed > 300, `${name}: ${changed}`);
  }
});
