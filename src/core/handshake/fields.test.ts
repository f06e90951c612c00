import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { partyOf, person } from '../../../test/support/handshake.ts';
import { nodeCrypto, nodeVerifier } from '../../node/crypto.ts';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '../bytes.ts';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { type ErrorCode, isSealwireError } from '../errors.ts';
import { identifierFromItem, identifierToItem } from './connection-id.ts';
import { credentialFromIdCred, credentialToIdCred, idCredFromItem, idCredToItem, isReferenceTo } from './credential.ts';
import { checkEad } from './ead.ts';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import { decodeErrorMessage, type ErrorMessage, encodeErrorMessage, REFUSAL } from './error-message.ts';
import { startInitiator } from './initiator.ts';
import { cipher2, extractPrk, transcript2 } from './key-schedule.ts';
import { decodeMessage1 } from './message-1.ts';
import { encodeMessage2, encodePlaintext2 } from './message-2.ts';
import { checkPlaintext4 } from './message-4.ts';
import { responderToBeSigned } from './proof.ts';
import { receiveMessage1 } from './responder.ts';
import { decodeSequence } from './sequence.ts';
import { suite5 } from './suites.ts';

function refused(code: ErrorCode): (error: unknown) => boolean {
  return (error) => isSealwireError(error, code);
}

describe('byte string identifiers', () => {
  const wire: Readonly<Record<string, string>> = {
    '21': '21',
    '0d': '0d',
    '18': '4118',
    '38': '4138',
    '17': '17',
    '37': '37',
    abcd: '42abcd',
    '': '40',
  };
  for (const [identifier, encoded] of Object.entries(wire)) {
    test(`'${identifier}' is written ${encoded}`, () => {
      const item = identifierToItem(hexToBytes(identifier));
      assert.equal(bytesToHex(encodeCbor(item)), encoded);
      assert.equal(bytesToHex(identifierFromItem('C_I', item)), identifier);
    });
  }
  for (const bad of ['4121', '410d', '1818', '3818', '6121', 'f6', '80']) {
    test(`${bad} is none`, () => {
      assert.throws(() => identifierFromItem('C_I', decodeCbor(hexToBytes(bad))), refused('malformed'));
    });
  }
});

describe('EAD', () => {
  for (const fine of ['', '00', '0040', '0041e9', '000041e9', '05', '0543010203', '1a00010000']) {
    test(`padding and what is not critical is ignored: '${fine}'`, () => {
      assert.deepEqual(checkEad(decodeSequence(hexToBytes(fine))), hexToBytes(fine));
    });
  }
  for (const critical of ['20', '2441ff', '000024', '3bffffffffffffffff']) {
    test(`a critical item is refused: ${critical}`, () => {
      assert.throws(() => checkEad(decodeSequence(hexToBytes(critical))), refused('unsupported'));
    });
  }
  for (const bad of ['40', '004040', '6100', '80', 'f6']) {
    test(`what is no EAD is refused: ${bad}`, () => {
      assert.throws(() => checkEad(decodeSequence(hexToBytes(bad))), refused('malformed'));
    });
  }
});

describe('EAD in messages', () => {
  const [alice, bob] = [person('Alice', 1), person('Bob', 2)];
  const implementation = { name: 'node', crypto: nodeCrypto, verifier: nodeVerifier };
  const initiator = partyOf(implementation, alice, bob);
  const responder = partyOf(implementation, bob, alice);

  test('padding in message_1 is tolerated, a critical item is not', () => {
    const { message1 } = startInitiator(initiator);
    assert.equal(receiveMessage1(responder, concatBytes(message1, hexToBytes('0041e9'))).kind, 'draft');
    assert.throws(() => receiveMessage1(responder, concatBytes(message1, hexToBytes('20'))), refused('unsupported'));
  });

  /** message_2 of a Responder that is not ours and sends EAD. */
  function message2With(message1: Uint8Array, ead: Uint8Array): Uint8Array {
    const suite = suite5(nodeCrypto);
    const { privateKey, publicX: publicY } = suite.ecdh.generate();
    const transcript = transcript2(nodeCrypto, publicY, message1);
    const prk = extractPrk(nodeCrypto, transcript, suite.ecdh.agree(privateKey, decodeMessage1(message1).publicX));
    const idCred = credentialToIdCred(responder.own.credential);
    const connectionId = Uint8Array.of(1, 2);
    const proof = { prk, transcript, idCred, certificate: bob.certificate, ead };
    const signature = responder.sign(responderToBeSigned(nodeCrypto, connectionId, proof));
    const plaintext = concatBytes(encodePlaintext2(connectionId, idCred, signature), ead);
    return encodeMessage2({ publicY, ciphertext: cipher2(nodeCrypto, prk, transcript, plaintext) });
  }

  test('padding in message_2 is covered by the signature and ignored, a critical item is not', () => {
    const { message1, state } = startInitiator(initiator);
    const claim = state.receive(message2With(message1, hexToBytes('0042abcd')));
    const check = claim.identify(initiator.find(claim.credential));
    assert.equal(nodeVerifier(bob.publicKey).verify(check.toBeVerified, check.signature), true);
    assert.ok(bytesToHex(check.toBeVerified).includes(`${bytesToHex(bob.certificate)}0042abcd`));
    assert.throws(() => state.receive(message2With(message1, hexToBytes('2042abcd'))), refused('unsupported'));
  });
});

test('message_4 holds EAD only, and none that is critical', () => {
  for (const fine of ['', '00', '0542abcd']) assert.doesNotThrow(() => checkPlaintext4(hexToBytes(fine)));
  assert.throws(() => checkPlaintext4(hexToBytes('20')), refused('unsupported'));
  assert.throws(() => checkPlaintext4(hexToBytes('42abcd')), refused('malformed'));
});

describe('credentials', () => {
  const [one, two] = [utf8ToBytes('one'), utf8ToBytes('two')];

  test('one certificate is a byte string, several are an array', () => {
    for (const certificates of [[one], [one, two]]) {
      const idCred = credentialToIdCred({ type: 'x5chain', certificates });
      assert.deepEqual(credentialFromIdCred(idCred), { type: 'x5chain', certificates });
    }
  });

  test('an x5t names a certificate by SHA-256, whole or cut to 8 bytes', () => {
    const hash = nodeCrypto.sha256(one);
    for (const [algorithm, bytes] of [
      [-16, 32],
      [-15, 8],
    ] as const) {
      const credential = { type: 'x5t', algorithm, hash: hash.slice(0, bytes) } as const;
      assert.deepEqual(credentialFromIdCred(credentialToIdCred(credential)), credential);
      assert.ok(isReferenceTo(nodeCrypto, credential, one));
      assert.ok(!isReferenceTo(nodeCrypto, credential, two));
    }
  });

  const bad: Readonly<Record<string, [string, ErrorCode]>> = {
    'an empty header': ['a0', 'unsupported'],
    'two parameters': ['a2182141001822822e4100', 'unsupported'],
    'a key id': ['a1044100', 'unsupported'],
    'an x5bag': ['a118204100', 'unsupported'],
    'an x5chain array of one': ['a11821814100', 'malformed'],
    'an x5chain with text': ['a118218241006161', 'malformed'],
    'an x5chain that is text': ['a118216161', 'malformed'],
    'an x5t that is no pair': ['a1182241ff', 'malformed'],
    'an x5t of three': ['a11822832e4800000000000000002e', 'malformed'],
    'an x5t of SHA-1': ['a11822822d41ff', 'unsupported'],
    'an x5t of the wrong length': ['a11822822e41ff', 'malformed'],
  };
  for (const [what, [hex, code]] of Object.entries(bad)) {
    test(`${what} is refused`, () => {
      const idCred = decodeCbor(hexToBytes(hex));
      assert.ok(idCred instanceof Map);
      assert.throws(() => credentialFromIdCred(idCred), refused(code));
    });
  }

  test('a lone key id takes its short form, and no other', () => {
    const short = idCredToItem(new Map([[4, Uint8Array.of(0x32)]]));
    assert.equal(short, -19);
    assert.deepEqual(idCredFromItem(short), new Map([[4, Uint8Array.of(0x32)]]));
    assert.throws(() => idCredFromItem(new Map([[4, Uint8Array.of(0x32)]])), refused('malformed'));
    assert.throws(() => idCredFromItem(Uint8Array.of(0x32)), refused('malformed'));
  });

  test('an x5t whose certificate is not at hand is refused, and so is another certificate', () => {
    const [alice, bob] = [person('Alice', 1), person('Bob', 2)];
    const implementation = { name: 'node', crypto: nodeCrypto, verifier: nodeVerifier };
    const responder = partyOf(implementation, bob, alice);
    const hash = nodeCrypto.sha256(bob.certificate);
    const byReference = { ...responder.own, credential: { type: 'x5t', algorithm: -16, hash } as const };
    const { message1, state } = startInitiator(partyOf(implementation, alice, bob));
    const result = receiveMessage1({ ...responder, own: byReference }, message1);
    assert.ok(result.kind === 'draft');
    const { message2 } = result.draft.finish(responder.sign(result.draft.toBeSigned));
    const finding = { publicKey: bob.publicKey, accepted: true };
    const claim = state.receive(message2);
    assert.throws(() => claim.identify(finding), refused('identity-unknown'));
    assert.throws(() => claim.identify({ ...finding, certificate: alice.certificate }), refused('identity-unknown'));
    assert.ok(claim.identify({ ...finding, certificate: bob.certificate }));
  });
});

describe('error messages', () => {
  const wire: readonly [ErrorMessage, string][] = [
    [{ kind: 'unspecified', text: 'no' }, '01626e6f'],
    [{ kind: 'wrong-suite', suites: [6] }, '0206'],
    [{ kind: 'wrong-suite', suites: [9, 8] }, '02820908'],
    [{ kind: 'unknown-credential' }, '03f5'],
  ];
  for (const [message, hex] of wire) {
    test(`${message.kind} is ${hex}`, () => {
      assert.equal(bytesToHex(encodeErrorMessage(message)), hex);
      assert.deepEqual(decodeErrorMessage(hexToBytes(hex)), message);
    });
  }
  for (const bad of ['01', '00f5', '0101', '02', '028106', '0280', '02820606', '03f4', '04f5', '20f5', '03f500']) {
    test(`${bad} is refused`, () => {
      assert.throws(() => decodeErrorMessage(hexToBytes(bad)), refused('malformed'));
    });
  }

  test('a message that begins with a byte string is none', () => {
    assert.equal(decodeErrorMessage(hexToBytes('4100')), null);
    assert.equal(decodeErrorMessage(new Uint8Array(0)), null);
  });

  test('a refusal tells nothing of its reason', () => {
    assert.deepEqual(decodeErrorMessage(encodeErrorMessage(REFUSAL)), {
      kind: 'unspecified',
      text: 'handshake failed',
    });
  });
});

describe('envelopes', () => {
  test('hold an identifier or null, and a message', () => {
    fc.assert(
      fc.property(
        fc.option(fc.uint8Array({ maxLength: 8 })),
        fc.uint8Array({ maxLength: 64 }),
        (connectionId, message) => {
          const envelope = { connectionId, message };
          assert.deepEqual(decodeEnvelope(encodeEnvelope(envelope)), envelope);
        },
      ),
      { seed: 3 },
    );
  });

  for (const bad of ['f6', '80', '82f6f6', '82004100', '8141', '81f6', '83f6410000', '82f68100', '9ff64100ff']) {
    test(`${bad} is refused`, () => {
      assert.throws(() => decodeEnvelope(hexToBytes(bad)), isSealwireError);
    });
  }

  test('over the bound are refused before anything is read', () => {
    assert.throws(
      () => decodeEnvelope(encodeEnvelope({ connectionId: null, message: new Uint8Array(17_000) })),
      refused('too-large'),
    );
  });
});
