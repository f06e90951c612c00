import assert from 'node:assert/strict';
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { describe, test } from 'node:test';
import { concatBytes, hexToBytes } from '../../src/core/bytes.ts';
import { decodeCbor } from '../../src/core/cbor.ts';
import { nobleCrypto } from '../../src/core/crypto/noble.ts';
import { type ErrorCode, isSealwireError, SealwireError } from '../../src/core/errors.ts';
import { credentialFromIdCred } from '../../src/core/handshake/credential.ts';
import { startInitiator } from '../../src/core/handshake/initiator.ts';
import { decodeMessage1 } from '../../src/core/handshake/message-1.ts';
import { decodeMessage2, decodePlaintext2 } from '../../src/core/handshake/message-2.ts';
import { receiveMessage1 } from '../../src/core/handshake/responder.ts';
import { checkEphemeralBytes, type Suite, suite2 } from '../../src/core/handshake/suites.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { fixedCrypto, type Party, runHandshake } from '../support/handshake.ts';
import { sharedVectors } from '../support/shared.ts';

interface Item {
  readonly section: string;
  readonly name: string;
  readonly hex: string;
}
interface Invalid {
  readonly title: string;
  readonly kind: string;
  readonly hex: string;
}
interface Traces {
  readonly traces: Readonly<Record<string, readonly Item[]>>;
  readonly invalid: readonly Invalid[];
}

const file = sharedVectors<Traces>('edhoc/rfc9529_traces.json');

const TRACE = 'trace1_method0_suite0_x5t';
const PREFIX = {
  x25519Private: hexToBytes('302e020100300506032b656e04220420'),
  x25519Public: hexToBytes('302a300506032b656e032100'),
  ed25519Private: hexToBytes('302e020100300506032b657004220420'),
  ed25519Public: hexToBytes('302a300506032b6570032100'),
};

function privateKey(prefix: Uint8Array, raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.from(concatBytes(prefix, raw)), format: 'der', type: 'pkcs8' });
}

function publicKey(prefix: Uint8Array, raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(concatBytes(prefix, raw)), format: 'der', type: 'spki' });
}

/** Suite 0, which is not shipped: X25519, EdDSA, AES-CCM-16-64-128. */
function suite0(): Suite {
  return {
    ...suite2(nodeCrypto),
    id: 0,
    ecdh: {
      publicBytes: 32,
      generate() {
        const pair = generateKeyPairSync('x25519');
        const secret = pair.privateKey.export({ format: 'der', type: 'pkcs8' });
        const open = pair.publicKey.export({ format: 'der', type: 'spki' });
        return { privateKey: new Uint8Array(secret.subarray(-32)), publicX: new Uint8Array(open.subarray(-32)) };
      },
      agree(secret, peer) {
        try {
          const keys = {
            privateKey: privateKey(PREFIX.x25519Private, secret),
            publicKey: publicKey(PREFIX.x25519Public, peer),
          };
          return new Uint8Array(diffieHellman(keys));
        } catch (cause) {
          throw new SealwireError('key-invalid', 'Not a usable X25519 key.', { cause });
        }
      },
    },
  };
}

/** Looks values up in a trace by the beginning of their names. */
function reader(items: readonly Item[]): (name: string) => Uint8Array {
  return (name) => {
    const found = items.find((item) => item.name.startsWith(name));
    assert.ok(found, name);
    return hexToBytes(found.hex);
  };
}

function partyOf(value: (name: string) => Uint8Array, side: 'I' | 'R'): Party {
  const ephemeral = side === 'I' ? 'X' : 'Y';
  const other = side === 'I' ? 'R' : 'I';
  const crypto = fixedCrypto(nodeCrypto, {
    random: value(`C_${side} (Raw`),
    privateKey: value(`${ephemeral} (Raw`),
    publicX: value(`G_${ephemeral} (Raw`),
  });
  const idCred = decodeCbor(value(`ID_CRED_${side} (CBOR`));
  assert.ok(idCred instanceof Map);
  const base = suite0();
  return {
    crypto,
    suites: [{ ...base, ecdh: { ...base.ecdh, generate: () => crypto.generateEphemeral() } }],
    own: {
      publicKey: value(`PK_${side} (Raw`),
      certificate: value(`CRED_${side} (Raw`),
      credential: credentialFromIdCred(idCred),
    },
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey(PREFIX.ed25519Private, value(`SK_${side} (Raw`)))),
    verify: (key, bytes, signature) => verify(null, bytes, publicKey(PREFIX.ed25519Public, key), signature),
    find: () => ({
      publicKey: value(`PK_${other} (Raw`),
      certificate: value(`CRED_${other} (Raw`),
      accepted: true,
    }),
  };
}

test('RFC 9529, section 2 (method 0, suite 0, x5t) byte for byte', { skip: file.skip }, () => {
  if (file.skip !== false) return;
  const value = reader(file.data.traces[TRACE] ?? []);
  const run = runHandshake(partyOf(value, 'I'), partyOf(value, 'R'));
  assert.deepEqual(run.message1, value('message_1 (CBOR'));
  assert.deepEqual(run.toBeSigned2, value('Message to be signed 2'));
  assert.deepEqual(run.message2, value('message_2 (CBOR'));
  assert.deepEqual(run.toBeSigned3, value('Message to be signed 3'));
  assert.deepEqual(run.message3, value('message_3 (CBOR'));
  assert.deepEqual(run.message4, value('message_4 (CBOR'));
  for (const { exporter } of [run.initiator, run.responder]) {
    assert.deepEqual(exporter(0, new Uint8Array(0), 16), value('OSCORE Master Secret (Raw'));
    assert.deepEqual(exporter(1, new Uint8Array(0), 8), value('OSCORE Master Salt (Raw'));
  }
});

const own = { publicKey: new Uint8Array(65), certificate: new Uint8Array(1) };
const options = {
  crypto: nodeCrypto,
  suites: [suite2(nodeCrypto)],
  own: { ...own, credential: { type: 'x5chain', certificates: [own.certificate] } },
} as const;
const suite24 = { ...suite2(nodeCrypto), id: 24, ecdh: { ...suite2(nodeCrypto).ecdh, publicBytes: 48 } };

/** The same message_1 with METHOD 0, the only one that our Responder reads on for. */
function withMethod0(message: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(0), message.subarray(1));
}

function refusedByResponder(message: Uint8Array, suites: readonly Suite[] = options.suites): void {
  receiveMessage1({ ...options, suites }, message);
}

interface Refusal {
  readonly code: ErrorCode;
  readonly why: RegExp;
  run(message: Uint8Array): void;
}

/** What in our implementation refuses each invalid message, at the lowest step that can see it. */
const refusals: Readonly<Record<string, Refusal>> = {
  'Surplus array encoding of message': { code: 'malformed', why: /METHOD is not an integer/, run: decodeMessage1 },
  'Surplus bstr encoding of connection identifier': {
    code: 'malformed',
    why: /C_I is a byte string where an integer stands for it/,
    run: decodeMessage1,
  },
  'Surplus array encoding of ciphersuite': { code: 'malformed', why: /SUITES_I is an array of 1/, run: decodeMessage1 },
  'Text string encoding of ephemeral key': { code: 'malformed', why: /G_X is not a byte string/, run: decodeMessage1 },
  'Wrong number of CBOR sequence elements': {
    code: 'malformed',
    why: /message_2 is not exactly one byte string/,
    run: (message) => decodeMessage2(message, suite2(nodeCrypto)),
  },
  'Surplus map encoding of ID_CRED field': {
    code: 'malformed',
    why: /ID_CRED is a map where its kid stands for it/,
    run: (plaintext) => decodePlaintext2(plaintext, 8),
  },
  'Surplus bstr encoding of ID_CRED field': {
    code: 'malformed',
    why: /ID_CRED is a byte string where an integer stands for it/,
    run: (plaintext) => decodePlaintext2(plaintext, 8),
  },
  'Error in length of ephemeral key': {
    code: 'malformed',
    why: /G_X has 32 bytes, in suite 24 it has 48/,
    run(message) {
      checkEphemeralBytes(suite24, 'G_X', decodeMessage1(message).publicX);
    },
  },
  'Error in elliptic curve representation': {
    code: 'key-invalid',
    why: /not a point on P-256/,
    run: (message) => refusedByResponder(withMethod0(message)),
  },
  'Error in elliptic curve point': {
    code: 'key-invalid',
    why: /not a point on P-256/,
    run: (message) => refusedByResponder(withMethod0(message)),
  },
  'Curve point of low order': {
    code: 'key-invalid',
    why: /X25519/,
    run: (message) => refusedByResponder(withMethod0(message), [suite0()]),
  },
  'Error in length of MAC': {
    code: 'malformed',
    why: /Signature_or_MAC has 4 bytes, not 8/,
    run: (plaintext) => decodePlaintext2(plaintext, suite2(nodeCrypto).macBytes),
  },
  'Error in elliptic curve encoding': {
    code: 'malformed',
    why: /G_X has 31 bytes, in suite 2 it has 32/,
    run: (message) => refusedByResponder(withMethod0(message)),
  },
  'Unnecessary long encoding': { code: 'malformed', why: /Not strict CBOR/, run: decodeMessage1 },
  'Indefinite-length array encoding': { code: 'malformed', why: /Not strict CBOR/, run: decodeMessage1 },
};

describe('RFC 9529, section 4: invalid messages', { skip: file.skip }, () => {
  if (file.skip !== false) return;
  const { invalid } = file.data;
  assert.equal(invalid.length, 15);
  for (const { title, kind, hex } of invalid) {
    test(`${title} is refused`, () => {
      const refusal = refusals[title];
      assert.ok(refusal);
      const message = hexToBytes(hex);
      assert.throws(
        () => refusal.run(message),
        (error) => isSealwireError(error, refusal.code) && refusal.why.test(error.message),
      );
      if (kind === 'message_1') {
        assert.throws(() => refusedByResponder(message), isSealwireError);
        assertNotAnswered(withMethod0(message));
      }
      if (kind === 'message_2') {
        const { state } = startInitiator(options);
        assert.throws(() => state.receive(message), isSealwireError);
      }
    });
  }
});

/** Neither implementation of the primitives lets the Responder answer with message_2. */
function assertNotAnswered(message: Uint8Array): void {
  for (const crypto of [nodeCrypto, nobleCrypto]) {
    const attempt = (): string => receiveMessage1({ ...options, crypto, suites: [suite2(crypto)] }, message).kind;
    try {
      assert.equal(attempt(), 'wrong-suite');
    } catch (error) {
      assert.ok(isSealwireError(error), String(error));
    }
  }
}
