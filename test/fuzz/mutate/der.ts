import { concatBytes, hexToBytes, utf8ToBytes } from '../../../src/core/bytes.ts';
import type { Random } from '../random.ts';
import { mutateBytes } from './bytes.ts';

/** One DER element as it may be written, rightly or not. */
interface DerNode {
  tag: number;
  content: Uint8Array;
  /** What it holds, where it holds elements. */
  items: DerNode[];
  /** Bytes in front of the elements: a bit string's count of unused bits. */
  before: number[];
  /** How its length is written: rightly, longer than it needs to be, as indefinite, or as another one. */
  length: 'true' | 'long' | 'indefinite' | number;
}

const SEQUENCE = 0x30;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const CONSTRUCTED = 0x20;
const TAGS = [1, 2, 3, 4, 5, 6, 12, 19, 20, 22, 23, 24, 30, 48, 49, 0x80, 0x82, 0xa0, 0xa1, 0xa3, 0x1f, 0xbf];
const LENGTHS = [0, 1, 127, 128, 255, 256, 65535, 65536, 2 ** 24 - 1, 2 ** 24];
const CONTENTS = [
  ...['', '00', 'ff', '0000', '0080', '80', '7fffffff', '0080000000', '01', '8000', '2a864886f70d01010b', '550403'],
  ...['2a8648ce3d040302', '2a8648ce3d0301', '551d13', '551d1e', '551d11', '8080808001', 'ffffffffffffffffff7f'],
].map(hexToBytes);
const TEXTS = [
  '',
  'bob',
  '260229000000Z',
  '491231235959Z',
  '99991231235959Z',
  '20500101000000Z',
  'a\u0000b',
  '\u202eb',
].map(utf8ToBytes);

function readAll(data: Uint8Array, depth = 0): DerNode[] | undefined {
  const nodes: DerNode[] = [];
  let at = 0;
  while (at < data.length) {
    const tag = data[at] ?? 0;
    const first = data[at + 1] ?? 0x80;
    if (first === 0x80 || first > 0x83 || depth > 16) return undefined;
    let length = first;
    let from = at + 2;
    if (first > 0x80) {
      length = 0;
      for (let i = 0; i < first - 0x80; i++) length = length * 256 + (data[from++] ?? 0);
    }
    if (from + length > data.length) return undefined;
    nodes.push(nodeOf(tag, data.slice(from, from + length), depth));
    at = from + length;
  }
  return nodes;
}

function nodeOf(tag: number, content: Uint8Array, depth: number): DerNode {
  const isWrapped = tag === OCTET_STRING || (tag === BIT_STRING && content[0] === 0 && content[1] === SEQUENCE);
  const before = tag === BIT_STRING && isWrapped ? [0] : [];
  const holds = (tag & CONSTRUCTED) !== 0 || isWrapped;
  const items = holds ? readAll(content.subarray(before.length), depth + 1) : undefined;
  return { tag, content, items: items ?? [], before, length: 'true' };
}

function writeAll(nodes: readonly DerNode[]): Uint8Array {
  return concatBytes(...nodes.map(writeNode));
}

function writeNode({ tag, content, items, before, length }: DerNode): Uint8Array {
  const inner = items.length > 0 ? concatBytes(Uint8Array.from(before), writeAll(items)) : content;
  if (length === 'indefinite') return concatBytes(Uint8Array.of(tag, 0x80), inner, Uint8Array.of(0, 0));
  const value = typeof length === 'number' ? length : inner.length;
  return concatBytes(Uint8Array.of(tag), lengthBytes(value, length === 'long'), inner);
}

function lengthBytes(value: number, isLong: boolean): Uint8Array {
  if (value < 128 && !isLong) return Uint8Array.of(value);
  const bytes: number[] = [];
  for (let rest = value; rest > 0 || bytes.length === 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  if (isLong) bytes.unshift(0);
  return Uint8Array.from([0x80 + bytes.length, ...bytes]);
}

/** A SEQUENCE of what is DER already, rightly written. */
export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return writeNode(leaf(SEQUENCE, concatBytes(...parts)));
}

interface Place {
  readonly siblings: DerNode[];
  readonly index: number;
}

function placesOf(nodes: DerNode[], into: Place[] = []): Place[] {
  for (const [index, { items }] of nodes.entries()) {
    into.push({ siblings: nodes, index });
    placesOf(items, into);
  }
  return into;
}

function copyOf(node: DerNode): DerNode {
  return { ...node, items: node.items.map(copyOf) };
}

const leaf = (tag: number, content: Uint8Array): DerNode => ({ tag, content, items: [], before: [], length: 'true' });
const nodeAt = ({ siblings, index }: Place): DerNode => siblings[index] as DerNode;

type Step = (random: Random, node: DerNode, place: Place, others: readonly Place[]) => void;

const STEPS: readonly Step[] = [
  changeContent,
  changeContent,
  changeContent,
  (random, node) => {
    node.tag = random.pick(TAGS);
  },
  (random, node) => {
    node.length = random.pick(['long', 'indefinite', ...LENGTHS]);
  },
  (_random, node, { siblings, index }) => void siblings.splice(index, 0, copyOf(node)),
  (_random, _node, { siblings, index }) => void siblings.splice(index, 1),
  (random, _node, { siblings, index }) => {
    const other = random.below(siblings.length);
    [siblings[index], siblings[other]] = [siblings[other] as DerNode, siblings[index] as DerNode];
  },
  (random, _node, { siblings, index }, others) => {
    if (others.length > 0) siblings[index] = copyOf(nodeAt(random.pick(others)));
  },
  (random, _node, { siblings, index }) => {
    siblings.splice(index, 0, leaf(random.pick(TAGS), random.pick(CONTENTS)));
  },
  (random, node, { siblings, index }) => {
    let wrapped = node;
    for (let i = random.pick([1, 2, 40, 400]); i > 0; i--)
      wrapped = { ...leaf(SEQUENCE, node.content), items: [wrapped] };
    siblings[index] = wrapped;
  },
];

function changeContent(random: Random, node: DerNode): void {
  const content = node.items.length > 0 ? writeAll(node.items) : node.content;
  node.items = [];
  const kind = random.below(4);
  if (kind === 0) node.content = random.pick(CONTENTS);
  else if (kind === 1) node.content = random.pick(TEXTS);
  else node.content = mutateBytes(random, content, random.pick(CONTENTS));
}

/** Mutates DER element by element, also inside octet and bit strings that hold elements; other bytes as bytes. */
export function mutateDer(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
  const nodes = readAll(input);
  if (!nodes || nodes.length === 0) return mutateBytes(random, input, other);
  const others = placesOf(readAll(other) ?? []);
  const steps = 1 + (random.once(2) ? 0 : random.below(3));
  for (let i = 0; i < steps; i++) {
    const places = placesOf(nodes);
    if (places.length === 0) break;
    const place = random.pick(places);
    random.pick(STEPS)(random, nodeAt(place), place, others);
  }
  return writeAll(nodes);
}
