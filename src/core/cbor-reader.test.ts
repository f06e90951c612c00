import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concatBytes, hexToBytes } from './bytes.ts';
import { type CborValue, decodeCbor, encodeCbor, Tagged } from './cbor.ts';
import { CborReader } from './cbor-reader.ts';
import { isSealwireError } from './errors.ts';

const seed = 20260701;

function refuses(hex: string, read: (reader: CborReader) => unknown): void {
  assert.throws(
    () => read(new CborReader(hexToBytes(hex))),
    (error) => isSealwireError(error, 'malformed'),
    hex,
  );
}

/** A shape and an item of that shape, of everything that the reader reads. */
interface Shape {
  readonly item: CborValue;
  readonly read: (reader: CborReader) => CborValue;
}

function readNull(reader: CborReader): null {
  assert.ok(reader.isNull());
  return null;
}

const shape = fc.letrec<{ any: Shape }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger().map((item): Shape => ({ item, read: (reader) => reader.int() })),
    fc.maxSafeNat().map((item): Shape => ({ item, read: (reader) => reader.uint() })),
    fc.uint8Array({ maxLength: 300 }).map((item): Shape => ({ item, read: (reader) => reader.bytes() })),
    fc.string({ unit: 'grapheme' }).map((item): Shape => ({ item, read: (reader) => reader.text(1000) })),
    fc.constant<Shape>({ item: null, read: readNull }),
    fc.array(tie('any'), { maxLength: 4 }).map(
      (items): Shape => ({
        item: items.map(({ item }) => item),
        read: (reader) => {
          assert.equal(reader.array(), items.length);
          return items.map(({ read }) => read(reader));
        },
      }),
    ),
    tie('any').map(
      (inner): Shape => ({
        item: new Map([[-5, inner.item]]),
        read: (reader) => {
          assert.equal(reader.map(), 1);
          return new Map([[-5, inner.read(reader.key(-5))]]);
        },
      }),
    ),
  ),
})).any;

test('what the general encoder writes is read back', () => {
  fc.assert(
    fc.property(shape, ({ item, read }) => {
      const reader = new CborReader(encodeCbor(item));
      assert.deepEqual(read(reader), item);
      assert.equal(reader.done, true);
      reader.end();
    }),
    { seed, numRuns: 500 },
  );
});

test('what was altered is refused, or is what the general decoder reads too', () => {
  const change = fc.record({ at: fc.nat(), to: fc.nat(255), cut: fc.boolean() });
  fc.assert(
    fc.property(shape, change, ({ item, read }, { at, to, cut }) => {
      const encoded = encodeCbor(item).slice();
      if (cut) encoded.set([to], at % encoded.length);
      const altered = cut ? encoded : encoded.subarray(0, at % encoded.length);
      const reader = new CborReader(altered);
      let value: CborValue;
      try {
        value = read(reader);
        reader.end();
      } catch (error) {
        if (isSealwireError(error, 'malformed') || error instanceof assert.AssertionError) return;
        throw error;
      }
      assert.deepEqual(value, decodeCbor(altered));
    }),
    { seed, numRuns: 3000 },
  );
});

test('numbers and lengths: shortest, definite, safe', () => {
  for (const hex of ['1817', '1900ff', '1a0000ffff', '1b00000000ffffffff', '1c', '1f', '18', '1b0020000000000000']) {
    refuses(hex, (reader) => reader.uint());
  }
  for (const hex of ['3817', '3b0020000000000000', '3b001fffffffffffff00']) {
    refuses(hex, (reader) => [reader.int(), reader.end()]);
  }
  for (const hex of ['5800', '5f', '42ff', '5bffffffffffffffff', '9b001fffffffffffff']) {
    refuses(hex, (reader) => reader.bytes());
  }
  assert.equal(new CborReader(hexToBytes('1b001fffffffffffff')).uint(), Number.MAX_SAFE_INTEGER);
  assert.equal(new CborReader(hexToBytes('3b001ffffffffffffe')).int(), Number.MIN_SAFE_INTEGER);
});

test('text is UTF-8, whole, not too long, its byte order mark kept', () => {
  for (const hex of ['61ff', '61c3', '62c328', '63eda080', '62c080', '64f5808080']) {
    refuses(hex, (reader) => reader.text(10));
  }
  const marked = encodeCbor('\ufeffü');
  assert.equal(new CborReader(marked).text(10), '\ufeffü');
  refuses('6161', (reader) => reader.text(0));
});

test('each method takes its own type only, and says what comes next', () => {
  const items: Record<string, CborValue> = {
    uint: 7,
    bytes: new Uint8Array(2),
    text: 'a',
    array: [],
    map: new Map(),
    tag: new Tagged(18, 0),
  };
  for (const [type, item] of Object.entries(items)) {
    const encoded = encodeCbor(item);
    for (const method of ['uint', 'bytes', 'text', 'array', 'map', 'tag'] as const) {
      const read = (): unknown => {
        const reader = new CborReader(encoded);
        return method === 'text' ? reader.text(9) : reader[method]();
      };
      if (method === type) assert.doesNotThrow(read);
      else assert.throws(read, (error) => isSealwireError(error, 'malformed'));
    }
    assert.equal(new CborReader(encoded).textNext, type === 'text');
    assert.equal(new CborReader(encoded).bytesNext, type === 'bytes');
    assert.equal(new CborReader(encoded).isNull(), false);
  }
  refuses('f7', (reader) => reader.uint());
  refuses('f93c00', (reader) => reader.int());
  refuses('', (reader) => reader.uint());
});

test('keys have to come as asked for, byte strings in their length, and nothing after the end', () => {
  const reader = new CborReader(encodeCbor(new Map([[1, 5]])));
  assert.equal(reader.map(), 1);
  assert.throws(
    () => reader.key(2),
    (error) => isSealwireError(error, 'malformed'),
  );
  refuses('420000', (at) => at.bytes(3));
  const two = new CborReader(concatBytes(encodeCbor(1), encodeCbor(2)));
  assert.equal(two.uint(), 1);
  assert.equal(two.at, 1);
  assert.throws(
    () => two.end(),
    (error) => isSealwireError(error, 'malformed'),
  );
});
