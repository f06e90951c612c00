import { utf8ToBytes } from '../../../src/core/bytes.ts';
import type { Random } from '../random.ts';
import { mutateBytes } from './bytes.ts';
import { type CborNode, MAJOR, node, readItems, writeItems } from './cbor-tree.ts';
import { mutateDer } from './der.ts';

const NUMBERS = [
  ...[0n, 1n, 2n, 16n, 18n, 23n, 24n, 31n, 32n, 64n, 255n, 256n, 1024n, 2001n, 65535n, 65536n, 2n ** 31n - 1n],
  ...[2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 2n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n],
];
const LENGTHS = [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 66, 255, 256, 1000];
const TAGS = [0n, 2n, 3n, 16n, 17n, 18n, 24n, 98n, 258n, 55799n, 2n ** 32n];
const TEXTS = [
  ...['', 'a', 'plant/temperature', '+/#', '$SYS/a', 'sealwire/1/x', '%', '%3A', '%3a:', ' ', '\u0000', '\u202e', '*'],
  ...[
    'e\u0301',
    '\ufeff',
    '__proto__',
    'constructor',
    'x'.repeat(65),
    'é'.repeat(300),
    '/'.repeat(300),
    '*'.repeat(64),
  ],
].map(utf8ToBytes);
const BROKEN_TEXTS = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]].map((bytes) =>
  Uint8Array.from(bytes),
);
const FLOATS: readonly [bigint, 2 | 4 | 8][] = [
  [0x7e00n, 2],
  [0xfc00n, 2],
  [0x3c00n, 2],
  [0x7f800000n, 4],
  [0x3ff0000000000000n, 8],
  [0x433fffffffffffffn, 8],
];
const REPEATS = [2, 3, 17, 65, 257, 1025, 4097];
const REPEATED_BYTES_MAX = 150_000;

/** An item that says nothing of what belongs there. */
function strangeItem(random: Random): CborNode {
  const kinds: readonly (() => CborNode)[] = [
    () => node(MAJOR.uint, { argument: random.pick(NUMBERS) }),
    () => node(MAJOR.negint, { argument: random.pick(NUMBERS) }),
    () => node(MAJOR.bytes, { content: random.bytes(random.pick(LENGTHS)) }),
    () => node(MAJOR.text, { content: random.pick(TEXTS) }),
    () => node(MAJOR.text, { content: random.pick(BROKEN_TEXTS) }),
    () => node(MAJOR.array),
    () => node(MAJOR.map),
    () => nested(random.pick([MAJOR.array, MAJOR.tag, MAJOR.map]), random.pick([2, 15, 16, 17, 100])),
    () => node(MAJOR.tag, { argument: random.pick(TAGS), items: [node(MAJOR.bytes, { content: random.bytes(9) })] }),
    () => node(MAJOR.simple, { argument: BigInt(random.pick([20, 21, 22, 22, 22, 23])), width: 0 }),
    () => node(MAJOR.simple, { argument: BigInt(random.byte()), width: 1 }),
    () => {
      const [argument, width] = random.pick(FLOATS);
      return node(MAJOR.simple, { argument, width });
    },
  ];
  return random.pick(kinds)();
}

function nested(major: number, depth: number): CborNode {
  let item = node(MAJOR.uint, { argument: 0n });
  for (let i = 0; i < depth; i++) {
    const items = major === MAJOR.map ? [node(MAJOR.uint, { argument: 0n }), item] : [item];
    item = node(major, { ...(major === MAJOR.tag ? { argument: 18n } : {}), items });
  }
  return item;
}

/** Where an item stands. */
interface Place {
  readonly siblings: CborNode[];
  readonly index: number;
}

function placesOf(items: CborNode[], into: Place[] = []): Place[] {
  for (const [index, item] of items.entries()) {
    into.push({ siblings: items, index });
    if (item.items.length > 0) placesOf(item.items, into);
  }
  return into;
}

type Step = (random: Random, item: CborNode, place: Place, all: readonly Place[], other: Uint8Array) => void;

const itemAt = ({ siblings, index }: Place): CborNode => siblings[index] as CborNode;

function put({ siblings, index }: Place, ...items: readonly CborNode[]): void {
  siblings.splice(index, 1, ...items);
}

const STEPS: readonly Step[] = [
  (random, _item, place) => put(place, strangeItem(random)),
  changeValue,
  changeValue,
  changeValue,
  changeHead,
  (_random, item, place) => put(place, item, copyOf(item)),
  (_random, _item, place) => put(place),
  (random, _item, { siblings, index }) => {
    const other = random.below(siblings.length);
    [siblings[index], siblings[other]] = [siblings[other] as CborNode, siblings[index] as CborNode];
  },
  (random, _item, place, all) => put(place, copyOf(itemAt(random.pick(all)))),
  (random, _item, place, _all, other) => {
    const others = placesOf([...(readItems(other) ?? []), strangeItem(random)]);
    put(place, copyOf(itemAt(random.pick(others))));
  },
  (random, item, place) => put(place, wrapped(random, item)),
  (random, item, place) => put(place, ...(item.items.length > 0 ? item.items : [strangeItem(random)])),
  (random, _item, place) => place.siblings.splice(place.index, 0, strangeItem(random)),
  (random, item, place) => {
    const count = random.pick(REPEATS);
    const bytes = random.once(10) ? writeItems([item]).length * count : Number.POSITIVE_INFINITY;
    if (bytes < REPEATED_BYTES_MAX) put(place, ...Array.from({ length: count }, () => item));
    else changeValue(random, item);
  },
];

function copyOf(item: CborNode): CborNode {
  return { ...item, items: item.items.map(copyOf) };
}

function wrapped(random: Random, item: CborNode): CborNode {
  if (random.once(3)) return node(MAJOR.bytes, { items: [item] });
  return random.once(2) ? node(MAJOR.array, { items: [item] }) : node(MAJOR.tag, { argument: 18n, items: [item] });
}

/** Something else of the same type. */
function changeValue(random: Random, item: CborNode): void {
  const { major, argument = 0 } = item;
  if (major === MAJOR.uint || major === MAJOR.negint || major === MAJOR.tag) {
    const next = BigInt(argument) + (random.once(2) ? 1n : -1n);
    item.argument = random.once(2) ? random.pick(major === MAJOR.tag ? TAGS : NUMBERS) : next < 0n ? 0n : next;
    if (major !== MAJOR.tag && random.once(8)) item.major = 1 - major;
  } else if (major === MAJOR.simple) {
    item.argument = BigInt(random.pick([20, 21, 22, 23]));
    item.width = 0;
  } else if (major === MAJOR.text) {
    item.content = random.once(2) ? random.pick(TEXTS) : mutateBytes(random, item.content, random.pick(TEXTS));
  } else if (major === MAJOR.bytes) {
    const content = item.items.length > 0 ? writeItems(item.items) : item.content;
    item.items = [];
    item.content = changedBytes(random, content);
  } else if (item.items.length > 1) {
    item.items.push(item.items.shift() as CborNode);
  }
}

function changedBytes(random: Random, content: Uint8Array): Uint8Array {
  // A certificate, most likely.
  if (content[0] === 0x30 && content.length > 60) return mutateDer(random, content, content);
  if (random.once(3)) return random.bytes(content.length);
  return mutateBytes(random, content, random.bytes(8));
}

/** The same, said in another way: longer, of another length, or of none. */
function changeHead(random: Random, item: CborNode): void {
  const kind = random.below(4);
  if (kind === 0) item.width = random.pick([0, 1, 2, 4, 8]);
  else if (kind === 1 && item.major >= MAJOR.bytes) item.isIndefinite = true;
  else if (kind === 2) item.argument = random.pick(NUMBERS);
  else item.major = random.below(8);
}

/**
 * Mutates a CBOR item or sequence, also inside byte strings that hold CBOR or a certificate; undefined for bytes that
 * are no CBOR. `other` is what pieces may be taken from.
 */
export function mutateCbor(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array | undefined {
  const items = readItems(input);
  if (!items || items.length === 0) return undefined;
  const steps = 1 + (random.once(2) ? 0 : random.below(4));
  for (let i = 0; i < steps; i++) {
    const places = placesOf(items);
    if (places.length === 0) break;
    const place = random.pick(places);
    random.pick(STEPS)(random, itemAt(place), place, places, other);
  }
  return writeItems(items);
}

/**
 * Mutates what stands in one of the byte strings of an array and leaves the array itself as it is: for targets that put
 * the parts together themselves and sign what comes of it.
 */
export function mutateParts(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array | undefined {
  const parts = partsIn(input);
  if (!parts) return undefined;
  const at = random.below(parts.length);
  const part = parts[at] ?? new Uint8Array(0);
  const from = random.pick(partsIn(other) ?? [part]);
  const isDer = part[0] === 0x30 && part.length > 60;
  const changed = isDer ? mutateDer(random, part, from) : random.once(8) ? undefined : mutateCbor(random, part, from);
  parts[at] = changed ?? mutateBytes(random, part, from);
  return joinParts(parts);
}

/** The byte strings of an array of them; undefined for anything else. */
export function partsIn(input: Uint8Array): Uint8Array[] | undefined {
  const [array, ...rest] = readItems(input) ?? [];
  if (array?.major !== MAJOR.array || rest.length > 0 || array.items.length === 0) return undefined;
  return array.items.every(({ major }) => major === MAJOR.bytes)
    ? array.items.map(({ content }) => content)
    : undefined;
}

/** The input that {@link partsIn} takes apart. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  return writeItems([node(MAJOR.array, { items: parts.map((content) => node(MAJOR.bytes, { content })) })]);
}
