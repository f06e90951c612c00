import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesToHex, concatBytes, equalBytes } from '../../src/core/bytes.ts';
import { decodeEnvelope, encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { decodeErrorMessage, encodeErrorMessage, REFUSAL } from '../../src/core/handshake/error-message.ts';
import { decodeMessage1, encodeMessage1 } from '../../src/core/handshake/message-1.ts';
import { decodeMessage2, encodeMessage2 } from '../../src/core/handshake/message-2.ts';
import { suite5 } from '../../src/core/handshake/suites.ts';
import { TUNING } from '../../src/core/limits.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';
import { INBOX_TUNING } from '../../src/roles/inbox/inbox-tuning.ts';
import { HANDSHAKE_CODES, refusalOf } from '../support/attacker.ts';
import { flipped } from '../support/forged-frame.ts';
import {
  assertSame,
  ERRORS,
  forged1,
  forged2,
  honestHandshake,
  isFrom,
  strangerId,
  type Two,
  two,
} from '../support/inbox-attacks.ts';
import { enter, type InboxActor, InboxNet, type Parcel } from '../support/inbox-net.ts';
import { KeySwapper } from '../support/key-swapper.ts';
import { member } from '../support/ledger.ts';
import { refused } from '../support/refused.ts';
import { identityOf } from '../support/session-pair.ts';

const timeout = 60_000;
const suite = suite5(nodeCrypto);

const isTo = (actor: { readonly id: Uint8Array }, { to }: Parcel): boolean => equalBytes(to, actor.id);

/** Everything that somebody can make up who has seen `seen` and an earlier handshake, `recorded`. */
function forgeries(seen: readonly Uint8Array[], recorded: readonly Uint8Array[], bob: OwnIdentity): Uint8Array[] {
  const envelopes = [...seen, ...recorded].map(decodeEnvelope);
  const identifiers = envelopes.flatMap(({ connectionId, message }) =>
    connectionId ? [connectionId] : [decodeMessage1(message).connectionId],
  );
  const [, ...later] = recorded.map((unit) => decodeEnvelope(unit).message);
  const messages = [
    ...later,
    ...ERRORS.map(encodeErrorMessage),
    new Uint8Array(0),
    Uint8Array.of(0x40),
    Uint8Array.of(1),
    encodeMessage2({ publicY: nodeCrypto.random(32), ciphertext: nodeCrypto.random(500) }),
  ];
  return [
    ...recorded,
    nodeCrypto.random(200),
    forged1(),
    ...identifiers.map((connectionId) => forged1(connectionId)),
    ...envelopes.filter(({ connectionId }) => !connectionId).map(({ message }) => forged2(message, bob)),
    ...identifiers.flatMap((connectionId) => messages.map((message) => encodeEnvelope({ connectionId, message }))),
    ...messages.map((message) => encodeEnvelope({ connectionId: null, message })),
    ...seen.flatMap((unit) => [0.1, 0.3, 0.5, 0.7, 0.99].map((part) => flipped(unit, Math.floor(part * unit.length)))),
  ];
}

test('N15: every message kind forged, to both sides, at every stage: the honest handshake completes', {
  timeout,
}, async (context) => {
  const parts = await two();
  const { net, alice, bob } = parts;
  await honestHandshake(parts);
  const recorded = net.sent.map(({ unit }) => unit);
  assert.equal(recorded.length, 4);
  for (const stage of [1, 2, 3, 4]) {
    await context.test(`before message_${stage} arrives`, async () => {
      await net.wait(2 * INBOX_TUNING.answeredKeepMs);
      const [first, before] = [net.sent.length, bob.sessions.length];
      const genuine = new Set<string>();
      let forged = 0;
      net.fate = async (parcel) => {
        genuine.add(bytesToHex(parcel.unit));
        if (forged > 0 || genuine.size < stage) return [parcel];
        const seen = net.sent.slice(first).map(({ unit }) => unit);
        const units = forgeries(seen, recorded, bob.identity);
        forged = units.length;
        for (const unit of units) {
          await net.inject({ from: alice.id, to: bob.id, unit });
          await net.inject({ from: bob.id, to: alice.id, unit });
        }
        return [parcel];
      };
      const near = await net.elapse(alice.handshakes.initiate(bob.id, 'bob'));
      assert.ok(forged > 60, `${forged} forgeries`);
      assertSame(near, bob.sessions.at(-1));
      assert.equal(bob.sessions.length, before + 1);
      assert.deepEqual(alice.sessions, []);
    });
  }
  net.fate = (parcel) => [parcel];
  await net.wait(2 * INBOX_TUNING.answeredKeepMs);
  assert.equal(bob.handshakes.halfOpen + alice.handshakes.halfOpen, 0);
  assert.equal(net.clock.pending, 0);
});

test('N15: retained units of an earlier handshake come first to whoever starts, and change nothing', {
  timeout,
}, async () => {
  const net = new InboxNet();
  const before = { net, alice: await enter(net, 'alice'), bob: await enter(net, 'bob') };
  await honestHandshake(before);
  const retained = [...net.sent];
  // Both start anew, with nothing remembered.
  const after = { net, alice: await enter(net, 'alice', { seed: 1 }), bob: await enter(net, 'bob', { seed: 1 }) };
  for (const parcel of [...retained, ...retained.toReversed()]) await net.inject(parcel);
  await net.settle();
  assert.deepEqual([after.alice.sessions, after.bob.sessions], [[], []]);
  await honestHandshake(after);
  for (const parcel of retained) await net.inject(parcel);
  assert.equal(after.bob.sessions.length, 1);
});

test('N15: errors in the peer’s name, all the time: the handshake completes, or is told as refused at its end', {
  timeout,
}, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  let isPassing = true;
  net.fate = async (parcel) => {
    const { connectionId, message } = decodeEnvelope(parcel.unit);
    if (isFrom(alice, parcel) && !connectionId) {
      const own = decodeMessage1(message).connectionId;
      for (const error of ERRORS) {
        const unit = encodeEnvelope({ connectionId: own, message: encodeErrorMessage(error) });
        await net.inject({ from: bob.id, to: alice.id, unit });
      }
    }
    return isPassing ? [parcel] : [];
  };
  assertSame(await net.elapse(alice.handshakes.initiate(bob.id, 'bob')), bob.sessions[0]);
  isPassing = false;
  const begin = net.clock.now();
  await refused(net.elapse(alice.handshakes.initiate(bob.id, 'bob')), 'handshake-failed', /refused the handshake/);
  assert.equal(net.clock.now() - begin, TUNING.handshakeTimeoutMs);
  await honestHandshake(parts);
});

/** Does to units over inboxes, resent ones too, what a {@link KeySwapper} does to those of a connection. */
function swapping({ net, alice, bob }: Two, swapper: KeySwapper): void {
  const swapped = new Map<string, readonly Uint8Array[]>();
  net.fate = async (parcel) => {
    const { message } = decodeEnvelope(parcel.unit);
    if (!isFrom(alice, parcel) && decodeErrorMessage(message)) return [parcel];
    const key = bytesToHex(parcel.unit);
    const direction = isFrom(alice, parcel) ? 'out' : 'back';
    const units = swapped.get(key) ?? (await swapper.meddle(parcel.unit, direction, 0));
    const isNew = !swapped.has(key);
    swapped.set(key, units);
    if (direction === 'back' && isNew) {
      // Whatever Alice makes of it, the attacker goes on with Bob in her place.
      for (const unit of await swapper.meddle(parcel.unit, 'out', 0)) {
        await net.inject({ from: alice.id, to: bob.id, unit });
      }
    }
    return units.map((unit) => ({ ...parcel, unit }));
  };
}

test('N2a: ephemeral keys swapped through the inboxes: it fails on both sides, and no message_3 is sent', {
  timeout,
}, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  const swapper = new KeySwapper(1);
  const { signer } = await member('mallory', 77);
  swapper.disguise = { victim: alice, signer };
  swapping(parts, swapper);
  await refused(net.elapse(alice.handshakes.initiate(bob.id, 'bob')), 'signature-invalid', /did not prove/);
  assert.deepEqual(bob.refused, ['signature-invalid']);
  // The swap itself worked: the attacker shared keys with Bob and read his message_2.
  assert.deepEqual(
    swapper.read.map((der) => new Uint8Array(der)),
    [bob.identity.certificates[0]],
  );
  assert.ok(net.envelopes(alice.id, bob.id).every(({ connectionId }) => connectionId === null));
  assert.deepEqual([alice.sessions, bob.sessions], [[], []]);
  await honestHandshake(parts);
});

for (const [whose, direction] of [
  ['Alice’s', 'out'],
  ['Bob’s', 'back'],
] as const) {
  test(`N2a: ${whose} ephemeral key alone swapped: it fails, and the next one does not`, { timeout }, async () => {
    const parts = await two();
    const { net, alice, bob } = parts;
    const { publicX } = suite.ecdh.generate();
    net.fate = (parcel) => {
      const { connectionId, message } = decodeEnvelope(parcel.unit);
      const isOut = isFrom(alice, parcel);
      if (isOut !== (direction === 'out') || (isOut && connectionId)) return [parcel];
      const forged = isOut
        ? encodeMessage1({ ...decodeMessage1(message), publicX })
        : encodeMessage2({ ...decodeMessage2(message, suite), publicY: publicX });
      return [{ ...parcel, unit: encodeEnvelope({ connectionId, message: forged }) }];
    };
    const { code } = await refusalOf(net.elapse(alice.handshakes.initiate(bob.id, 'bob')));
    assert.ok(HANDSHAKE_CODES.has(code), code);
    assert.deepEqual([alice.sessions, bob.sessions], [[], []]);
    await honestHandshake(parts);
  });
}

/** Stands between Alice and Bob with handshakes of its own to either side, answering and asking in their names. */
async function twoFaced(
  { net, alice, bob }: Two,
  identities: { readonly asBob: OwnIdentity; readonly asAlice: OwnIdentity },
): Promise<{ readonly asBob: InboxActor; readonly asAlice: InboxActor }> {
  const asBob = await enter(net, 'carol', {
    identity: identities.asBob,
    isAway: true,
    send: async (to, unit) => net.inject({ from: bob.id, to, unit }),
  });
  const asAlice = await enter(net, 'carol', {
    identity: identities.asAlice,
    isAway: true,
    seed: 1,
    send: async (to, unit) => net.inject({ from: alice.id, to, unit }),
  });
  net.fate = async (parcel) => {
    if (isTo(bob, parcel)) await asBob.handshakes.take(parcel.from, parcel.unit);
    else if (isTo(alice, parcel)) await asAlice.handshakes.take(parcel.from, parcel.unit);
    else return [parcel];
    return [];
  };
  return { asBob, asAlice };
}

test('N2b: ephemeral and signing keys swapped, under the names of the two: refused on both sides', {
  timeout,
}, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  const [asBob, asAlice] = [
    { name: 'bob', ...(await member('bob', 78)) },
    { name: 'alice', ...(await member('alice', 79)) },
  ];
  const mallory = await twoFaced(parts, { asBob, asAlice });
  const there = refused(mallory.asAlice.handshakes.initiate(bob.id, 'bob'), 'handshake-failed', /refused/);
  await refused(net.elapse(alice.handshakes.initiate(bob.id, 'bob')), 'key-changed', /was shown in that name/);
  await net.elapse(there);
  assert.deepEqual(bob.refused, ['key-changed']);
  assert.deepEqual([alice.sessions, bob.sessions, mallory.asBob.sessions], [[], [], []]);
  await honestHandshake(parts);
});

test('N2b N12: the same by an insider whom both trust: nobody takes her for the other', { timeout }, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  const carol = await identityOf('carol');
  const mallory = await twoFaced(parts, { asBob: carol, asAlice: carol });
  // Whatever comes for her own id reaches her too, for Bob answers whom he knows.
  net.join(carol.id, (from, unit) => mallory.asAlice.handshakes.take(from, unit));
  const there = mallory.asAlice.handshakes.initiate(bob.id, 'bob');
  await refused(net.elapse(alice.handshakes.initiate(bob.id, 'bob')), 'identity-mismatch', /but carol/);
  assert.deepEqual(mallory.asBob.sessions, []);
  // With Bob she may talk, as herself.
  assertSame(await net.elapse(there), bob.sessions[0]);
  assert.deepEqual([bob.sessions[0]?.start.peer.name, bob.sessions.length], ['carol', 1]);
  await honestHandshake(parts);
});

test('N16: an unknown client announces itself under a member’s address: refused, told, and answered nothing more', {
  timeout,
}, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  const identity = { name: 'alice', ...(await member('alice', 80)) };
  const mallory = await enter(net, 'carol', {
    identity,
    isAway: true,
    send: async (to, unit) => net.inject({ from: alice.id, to, unit }),
  });
  net.fate = async (parcel) => {
    // She reads along, as anybody does whom the broker lets.
    if (isTo(alice, parcel)) await mallory.handshakes.take(parcel.from, parcel.unit);
    return [parcel];
  };
  const tried = mallory.handshakes.initiate(bob.id, 'bob');
  await refused(net.elapse(tried), 'handshake-failed', /refused the handshake/);
  assert.deepEqual(bob.refused, ['key-changed']);
  assert.deepEqual([alice.sessions, bob.sessions], [[], []]);
  await honestHandshake(parts);
});

test('N12: a message_1 that somebody takes to the peer under another address is no use to them', {
  timeout,
}, async () => {
  const { net, alice, bob } = await two();
  const relay = strangerId(1);
  // Mallory is faster than the broker each time, in both directions.
  net.fate = (parcel) => {
    if (isFrom(alice, parcel)) return [{ ...parcel, from: relay }, parcel];
    return isTo({ id: relay }, parcel) ? [{ ...parcel, to: alice.id }] : [parcel];
  };
  const near = await net.elapse(alice.handshakes.initiate(bob.id, 'bob'));
  assertSame(near, bob.sessions[0]);
  assert.deepEqual([bob.sessions.length, bob.sessions[0]?.start.peer.name], [1, 'alice']);
});

test('N15: forged answers before the genuine one are not the reason why the confirmation is missing', {
  timeout,
}, async () => {
  const { net, alice, bob } = await two();
  net.fate = async (parcel) => {
    if (isFrom(bob, parcel)) return bob.sessions.length > 0 ? [] : [parcel];
    const { connectionId, message } = decodeEnvelope(parcel.unit);
    if (!connectionId) {
      await net.inject({ from: bob.id, to: alice.id, unit: forged2(message, bob.identity) });
      const { connectionId: own } = decodeMessage1(message);
      const unit = encodeEnvelope({ connectionId: own, message: encodeErrorMessage(REFUSAL) });
      await net.inject({ from: bob.id, to: alice.id, unit });
    }
    return [parcel];
  };
  const near = net.elapse(alice.handshakes.initiate(bob.id, 'bob'));
  await refused(near, 'handshake-timeout', /answered, but did not confirm/);
  assert.equal(alice.work.verify, 4, 'the forged one was judged too: a certificate and a proof each');
});

test('N5: a whole handshake played again, to both sides in any order, makes no session', { timeout }, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  await honestHandshake(parts);
  const recorded = [...net.sent];
  for (let round = 0; round < 3; round++) {
    for (const parcel of round === 1 ? recorded.toReversed() : recorded) await net.inject(parcel);
    await net.wait(INBOX_TUNING.answeredKeepMs);
  }
  assert.deepEqual([alice.sessions.length, bob.sessions.length], [0, 1]);
  await honestHandshake(parts);
});

test('N15: connection identifiers of any length and content are nobody’s', { timeout }, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  const large = concatBytes(...Array.from({ length: 500 }, () => nodeCrypto.random(32)));
  for (const length of [0, 1, 7, 9, 100, 16_000]) {
    const connectionId = large.subarray(0, length);
    const message = encodeErrorMessage(ERRORS[0] ?? { kind: 'unknown-credential' });
    await net.inject({ from: alice.id, to: bob.id, unit: encodeEnvelope({ connectionId, message }) });
    await net.inject({ from: alice.id, to: bob.id, unit: forged1(connectionId) });
  }
  assert.deepEqual([bob.sessions, alice.sessions], [[], []]);
  await honestHandshake(parts);
});
