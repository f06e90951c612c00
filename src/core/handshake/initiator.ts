import { compareBytes } from '../bytes.ts';
import type { EphemeralKeyPair } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { CONNECTION_ID_BYTES } from './connection-id.ts';
import { credentialFromIdCred, credentialToIdCred } from './credential.ts';
import { NO_EAD } from './ead.ts';
import { open, seal } from './encrypt0.ts';
import { type Established, makeExporter } from './established.ts';
import { cipher2, extractPrk, nextTranscript, transcript2 } from './key-schedule.ts';
import { encodeMessage1, METHOD_SIGN_SIGN } from './message-1.ts';
import { decodeMessage2, decodePlaintext2, type Plaintext2 } from './message-2.ts';
import { encodeMessage3, encodePlaintext3 } from './message-3.ts';
import { checkPlaintext4, decodeMessage4 } from './message-4.ts';
import { type Once, once } from './once.ts';
import { checkOwnSignature, type HandshakeOptions } from './own.ts';
import { acceptPeer, checkVerdict, type Peer, type PeerClaim } from './peer.ts';
import { initiatorToBeSigned, type ProofInput, responderToBeSigned } from './proof.ts';
import type { Suite } from './suites.ts';

/**
 * The side that begins. In order, and in no other:
 * `startInitiator` → send message1 → `receive(message_2)` → `identify` → `finish(valid)` → sign → `finish(signature)`
 * → send message3 → `receive(message_4)` → {@link Established}.
 * A message that fails throws and changes nothing: the state still takes the genuine one.
 */
export interface InitiatorStart {
  /** To be sent, and sent again verbatim. */
  readonly message1: Uint8Array;
  readonly state: WaitingForMessage2;
}

/** message_1 is out. */
export interface WaitingForMessage2 {
  /** C_I: by it the Responder's messages are told apart. */
  readonly connectionId: Uint8Array;
  /**
   * Takes message_2; throws `malformed`, `too-large`, `unsupported`, `key-invalid` or `handshake-failed`.
   * The claim leads to message_3 once: not after it was made from this or another claim of the same state.
   */
  receive(message2: Uint8Array): ResponderClaim;
  /**
   * Begins anew with a suite that the Responder says it has (error message of kind `wrong-suite`), keeping every
   * suite preferred over it in message_1, so that the Responder sees a downgrade. Nobody vouches for `suites`.
   * Throws `unsupported` where none is in common or the one in common was tried.
   */
  retry(suites: readonly number[]): InitiatorStart;
}

/** message_2 was read: the Responder says who it is. */
export interface ResponderClaim extends PeerClaim<Message3Draft> {
  /** C_R, by which the Responder tells our messages apart. */
  readonly peerConnectionId: Uint8Array;
}

/** The Responder is who it says and whom we expect; now we sign. */
export interface Message3Draft {
  readonly toBeSigned: Uint8Array;
  /** Seals message_3 with our signature, once; a second time throws `internal`. */
  finish(signature: Uint8Array): WaitingForMessage4;
}

/** message_3 is out. */
export interface WaitingForMessage4 {
  /** To be sent, and sent again verbatim. */
  readonly message3: Uint8Array;
  /** C_R. */
  readonly peerConnectionId: Uint8Array;
  /** Takes message_4, which proves that the Responder has the keys; throws `malformed` or `handshake-failed`. */
  receive(message4: Uint8Array): Established;
}

/** What the steps of one run share. */
interface Run {
  readonly options: HandshakeOptions;
  readonly suite: Suite;
  readonly ephemeral: EphemeralKeyPair;
  readonly connectionId: Uint8Array;
  readonly message1: Uint8Array;
  readonly message3Once: Once;
}

/** Begins a handshake with the most preferred suite. */
export function startInitiator(options: HandshakeOptions): InitiatorStart {
  return start(options, 0, []);
}

function start(options: HandshakeOptions, selected: number, tried: readonly number[]): InitiatorStart {
  const { crypto, suites } = options;
  const suite = suites[selected];
  if (!suite) throw new SealwireError('internal', 'A handshake needs at least one cipher suite.');
  const ephemeral = suite.ecdh.generate();
  const connectionId = crypto.random(CONNECTION_ID_BYTES);
  const message1 = encodeMessage1({
    method: METHOD_SIGN_SIGN,
    suites: suites.slice(0, selected + 1).map(({ id }) => id),
    publicX: ephemeral.publicX,
    connectionId,
  });
  const run: Run = { options, suite, ephemeral, connectionId, message1, message3Once: once('message_3') };
  const state: WaitingForMessage2 = {
    connectionId,
    receive: (message2) => receiveMessage2(run, message2),
    retry: (offered) => retry(options, [...tried, suite.id], offered),
  };
  return { message1, state };
}

function retry(options: HandshakeOptions, tried: readonly number[], offered: readonly number[]): InitiatorStart {
  const selected = options.suites.findIndex(({ id }) => offered.includes(id));
  const id = options.suites[selected]?.id;
  if (id === undefined || tried.includes(id)) {
    throw new SealwireError(
      'unsupported',
      `The peer offers cipher suites ${offered.join(', ')}; ours are ${options.suites.map((suite) => suite.id).join(', ')}.`,
      { hint: 'Give both sides a cipher suite in common.' },
    );
  }
  return start(options, selected, tried);
}

function receiveMessage2(run: Run, message2: Uint8Array): ResponderClaim {
  const { suite, ephemeral, options } = run;
  const { crypto } = options;
  run.message3Once.check();
  const { publicY, ciphertext } = decodeMessage2(message2, suite);
  if (compareBytes(publicY, ephemeral.publicX) === 0) {
    throw new SealwireError('handshake-failed', 'The peer sent our own ephemeral key back to us.');
  }
  const transcript = transcript2(crypto, publicY, run.message1);
  const prk = extractPrk(crypto, transcript, suite.ecdh.agree(ephemeral.privateKey, publicY));
  const plaintext = cipher2(crypto, prk, transcript, ciphertext);
  const fields = decodePlaintext2(plaintext, suite.signatureBytes);
  const credential = credentialFromIdCred(fields.idCred);
  return {
    credential,
    peerConnectionId: fields.connectionId,
    identify(finding) {
      const peer = acceptPeer(options, credential, finding);
      const proof: ProofInput = { prk, transcript, certificate: peer.certificate, ...fields };
      return {
        publicKey: peer.publicKey,
        toBeVerified: responderToBeSigned(crypto, fields.connectionId, proof),
        signature: fields.signature,
        finish(valid) {
          checkVerdict(valid);
          const transcript3 = nextTranscript(crypto, transcript, plaintext, peer.certificate);
          return draftMessage3(run, { prk, transcript: transcript3, peer, fields });
        },
      };
    },
  };
}

/** What is known once the Responder is proven. */
interface Proven {
  readonly prk: Uint8Array;
  /** TH_3. */
  readonly transcript: Uint8Array;
  readonly peer: Peer;
  readonly fields: Plaintext2;
}

function draftMessage3(run: Run, proven: Proven): Message3Draft {
  const { options, suite } = run;
  const { crypto, own } = options;
  const { prk, transcript } = proven;
  const idCred = credentialToIdCred(own.credential);
  const proof: ProofInput = { prk, transcript, idCred, certificate: own.certificate, ead: NO_EAD };
  return {
    toBeSigned: initiatorToBeSigned(crypto, proof),
    finish(signature) {
      checkOwnSignature(suite, signature);
      run.message3Once.use();
      const plaintext = encodePlaintext3(idCred, signature);
      const ciphertext = seal(crypto, suite, { prk, transcript, message: 3 }, plaintext);
      const transcript4 = nextTranscript(crypto, transcript, plaintext, own.certificate);
      return waitForMessage4(run, { ...proven, transcript: transcript4 }, encodeMessage3(ciphertext));
    },
  };
}

function waitForMessage4(
  run: Run,
  { prk, transcript, peer, fields }: Proven,
  message3: Uint8Array,
): WaitingForMessage4 {
  const { options, suite } = run;
  return {
    message3,
    peerConnectionId: fields.connectionId,
    receive(message4) {
      const ciphertext = decodeMessage4(message4);
      checkPlaintext4(open(options.crypto, suite, { prk, transcript, message: 4 }, ciphertext));
      return {
        suite: suite.id,
        initiatorConnectionId: run.connectionId,
        responderConnectionId: fields.connectionId,
        peer,
        exporter: makeExporter(options, prk, transcript),
      };
    },
  };
}
