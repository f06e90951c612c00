import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { PacketGuard } from './packet-guard.ts';

/** The index of the first byte that is not admitted when they come one by one, or -1; in one piece it must agree. */
function refusedAt(bytesMax: number, bytes: readonly number[]): number {
  const single = new PacketGuard(bytesMax);
  const at = bytes.findIndex((byte) => !single.admits(Uint8Array.of(byte)));
  assert.equal(new PacketGuard(bytesMax).admits(Uint8Array.from(bytes)), at === -1);
  return at;
}

suite('the length that a packet says it has', () => {
  test('may be up to the bound, packet after packet', () => {
    const packet = [0x30, 0x80, 0x01, ...new Array<number>(128).fill(0xff)];
    assert.equal(refusedAt(128, [...packet, 0xd0, 0, ...packet, 0xd0, 0, 0xd0, 0]), -1);
    assert.equal(refusedAt(127, [...packet]), 2);
    assert.equal(refusedAt(127, [0xd0, 0, 0xd0, 0, ...packet]), 6);
  });

  test('is known from its first bytes, whatever follows', () => {
    assert.equal(refusedAt(1_000_000, [0x30, 0xff, 0xff, 0xff, 0x7f]), 4);
    assert.equal(refusedAt(268_435_455, [0x30, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3]), -1);
  });

  test('has four bytes at most', () => {
    assert.equal(refusedAt(268_435_455, [0x30, 0x80, 0x80, 0x80, 0x80]), 4);
  });
});
