import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../fuzz/random.ts';
import { manualClock } from '../manual-clock.ts';
import { type PacketFault, PacketShuffle } from './packet-shuffle.ts';
import type { FaultPlan } from './plan.ts';

/** A PUBLISH of QoS 0 on the topic `t` whose payload is one letter. */
function publish(letter: string): Buffer {
  return Buffer.from([0x30, 4, 0, 1, 0x74, letter.charCodeAt(0)]);
}

const PINGREQ = Buffer.from([0xc0, 0]);
const DISCONNECT = Buffer.from([0xe0, 0]);

function shuffleOf(plan: FaultPlan, allows: (fault: PacketFault) => boolean = () => true) {
  const clock = manualClock();
  const out: Buffer[] = [];
  const shuffle = new PacketShuffle(plan, new Random(1), clock, {
    pass: (bytes) => out.push(Buffer.from(bytes)),
    allows,
  });
  /** Each packet as its payload's letter, or its type. */
  const heard = (): string =>
    Buffer.concat(out)
      .toString('latin1')
      .replaceAll('0\x04\x00\x01t', '')
      .replaceAll('\xc0\x00', '?')
      .replaceAll('\xe0\x00', '!');
  return { clock, shuffle, heard };
}

test('whole packets are doubled, however they come in chunks', () => {
  const { shuffle, heard } = shuffleOf({ duplicateOneIn: 1 });
  const bytes = Buffer.concat([publish('a'), PINGREQ, publish('b')]);
  for (const byte of bytes) shuffle.take(Uint8Array.of(byte));
  assert.equal(heard(), 'aa?bb');
});

test('a packet is overtaken by the next one, and no packet is held for long', () => {
  const { clock, shuffle, heard } = shuffleOf({ reorderOneIn: 1 });
  shuffle.take(Buffer.concat(['a', 'b', 'c', 'd', 'e'].map(publish)));
  assert.equal(heard(), 'badc');
  clock.advance(50);
  assert.equal(heard(), 'badce');
  assert.equal(clock.pending, 0);
});

test('other packets are not held, and nothing is left behind a goodbye', () => {
  const { shuffle, heard } = shuffleOf({ reorderOneIn: 1 });
  shuffle.take(Buffer.concat([publish('a'), PINGREQ, DISCONNECT]));
  assert.equal(heard(), '?a!');
});

test('what is cut off is lost, and where nothing is allowed nothing happens', () => {
  const cut = shuffleOf({ reorderOneIn: 1 });
  cut.shuffle.take(publish('a'));
  cut.shuffle.cut();
  cut.clock.advance(1000);
  assert.equal(cut.heard(), '');
  const calm = shuffleOf({ reorderOneIn: 1, duplicateOneIn: 1 }, () => false);
  calm.shuffle.take(Buffer.concat(['a', 'b'].map(publish)));
  assert.equal(calm.heard(), 'ab');
});
