import { compareBytes } from '../bytes.ts';
import { SealwireError } from '../errors.ts';
import { CONNECTION_ID_BYTES } from './connection-id.ts';
import { credentialFromIdCred, credentialToIdCred } from './credential.ts';
import { NO_EAD } from './ead.ts';
import { open, seal } from './encrypt0.ts';
import { encodeErrorMessage } from './error-message.ts';
import { type Established, makeExporter } from './established.ts';
import { cipher2, extractPrk, nextTranscript, transcript2 } from './key-schedule.ts';
import { decodeMessage1, METHOD_SIGN_SIGN, type Message1 } from './message-1.ts';
import { encodeMessage2, encodePlaintext2 } from './message-2.ts';
import { decodeMessage3, decodePlaintext3 } from './message-3.ts';
import { encodeMessage4 } from './message-4.ts';
import { once } from './once.ts';
import { checkOwnSignature, type HandshakeOptions } from './own.ts';
import { acceptPeer, checkVerdict, type Peer, type PeerClaim } from './peer.ts';
import { initiatorToBeSigned, type ProofInput, responderToBeSigned } from './proof.ts';
import { checkEphemeralBytes, type Suite } from './suites.ts';

/**
 * The side that answers. In order, and in no other:
 * `receiveMessage1` → sign → `finish(signature)` → send message2 → `receive(message_3)` → `identify` →
 * `finish(valid)` → {@link Finished}: store the session, then send message4.
 * A message that fails throws and changes nothing: the state still takes the genuine one.
 */
export type Message1Answer =
  | { readonly kind: 'draft'; readonly draft: Message2Draft }
  | {
      /** Another suite is wanted: an error message is all that there is to send. */
      readonly kind: 'wrong-suite';
      readonly errorMessage: Uint8Array;
      /** C_I. */
      readonly peerConnectionId: Uint8Array;
    };

/** message_1 was read; now we sign. */
export interface Message2Draft {
  readonly toBeSigned: Uint8Array;
  /** Builds message_2 with our signature, once; a second time throws `internal`. */
  finish(signature: Uint8Array): WaitingForMessage3;
}

/** message_2 is out. */
export interface WaitingForMessage3 {
  /** To be sent, and sent again verbatim for a duplicate of message_1. */
  readonly message2: Uint8Array;
  /** C_R: by it the Initiator's messages are told apart. */
  readonly connectionId: Uint8Array;
  /** C_I. */
  readonly peerConnectionId: Uint8Array;
  /**
   * Takes message_3; throws `malformed`, `too-large`, `unsupported` or `handshake-failed`. After one claim was
   * finished it throws `internal`.
   */
  receive(message3: Uint8Array): PeerClaim<Finished>;
}

/** The Initiator is proven and accepted. */
export interface Finished {
  /** To be sent once the session is stored, and again verbatim for a duplicate of message_3. */
  readonly message4: Uint8Array;
  readonly established: Established;
}

/** What the steps of one run share. */
interface Run {
  readonly options: HandshakeOptions;
  readonly suite: Suite;
  readonly connectionId: Uint8Array;
  readonly peerConnectionId: Uint8Array;
  readonly prk: Uint8Array;
}

/**
 * Answers message_1. Throws `malformed`, `too-large`, `unsupported` (method, critical EAD), `key-invalid` (no point on
 * the curve) or `handshake-failed`.
 */
export function receiveMessage1(options: HandshakeOptions, message1: Uint8Array): Message1Answer {
  const fields = decodeMessage1(message1);
  if (fields.method !== METHOD_SIGN_SIGN) {
    throw new SealwireError('unsupported', `The peer wants EDHOC method ${fields.method}; only method 0 is spoken.`);
  }
  const suite = agreedSuite(options, fields);
  if (suite) return { kind: 'draft', draft: draftMessage2(options, suite, fields, message1) };
  const suites = options.suites.map(({ id }) => id);
  const errorMessage = encodeErrorMessage({ kind: 'wrong-suite', suites });
  return { kind: 'wrong-suite', errorMessage, peerConnectionId: fields.connectionId };
}

/**
 * The selected suite, where it is the first of the Initiator's that we have too. Anything else is a wrong guess, or
 * somebody who steers the two to a weaker suite (RFC 9528, section 6.3).
 */
function agreedSuite(options: HandshakeOptions, { suites }: Message1): Suite | undefined {
  const first = suites.find((id) => options.suites.some((suite) => suite.id === id));
  return first === suites.at(-1) ? options.suites.find(({ id }) => id === first) : undefined;
}

function draftMessage2(options: HandshakeOptions, suite: Suite, fields: Message1, message1: Uint8Array): Message2Draft {
  const { crypto, own } = options;
  checkEphemeralBytes(suite, 'G_X', fields.publicX);
  const { privateKey, publicX: publicY } = suite.ecdh.generate();
  if (compareBytes(publicY, fields.publicX) === 0) {
    throw new SealwireError('handshake-failed', 'The peer sent our own ephemeral key back to us.');
  }
  const transcript = transcript2(crypto, publicY, message1);
  const prk = extractPrk(crypto, transcript, suite.ecdh.agree(privateKey, fields.publicX));
  const connectionId = crypto.random(CONNECTION_ID_BYTES);
  const idCred = credentialToIdCred(own.credential);
  const proof: ProofInput = { prk, transcript, idCred, certificate: own.certificate, ead: NO_EAD };
  const message2Once = once('message_2');
  return {
    toBeSigned: responderToBeSigned(crypto, connectionId, proof),
    finish(signature) {
      checkOwnSignature(suite, signature);
      message2Once.use();
      const plaintext = encodePlaintext2(connectionId, idCred, signature);
      const message2 = encodeMessage2({ publicY, ciphertext: cipher2(crypto, prk, transcript, plaintext) });
      const transcript3 = nextTranscript(crypto, transcript, plaintext, own.certificate);
      const run: Run = { options, suite, connectionId, peerConnectionId: fields.connectionId, prk };
      return waitForMessage3(run, transcript3, message2);
    },
  };
}

function waitForMessage3(run: Run, transcript: Uint8Array, message2: Uint8Array): WaitingForMessage3 {
  const { options, suite, prk } = run;
  const { crypto } = options;
  const message4Once = once('message_4');
  return {
    message2,
    connectionId: run.connectionId,
    peerConnectionId: run.peerConnectionId,
    receive(message3) {
      message4Once.check();
      const plaintext = open(crypto, suite, { prk, transcript, message: 3 }, decodeMessage3(message3));
      const fields = decodePlaintext3(plaintext, suite.signatureBytes);
      const credential = credentialFromIdCred(fields.idCred);
      return {
        credential,
        identify(finding) {
          const peer = acceptPeer(options, credential, finding);
          const proof: ProofInput = { prk, transcript, certificate: peer.certificate, ...fields };
          return {
            publicKey: peer.publicKey,
            toBeVerified: initiatorToBeSigned(crypto, proof),
            signature: fields.signature,
            finish(valid) {
              checkVerdict(valid);
              message4Once.use();
              return finish(run, nextTranscript(crypto, transcript, plaintext, peer.certificate), peer);
            },
          };
        },
      };
    },
  };
}

function finish(run: Run, transcript: Uint8Array, peer: Peer): Finished {
  const { options, suite, prk } = run;
  return {
    message4: encodeMessage4(seal(options.crypto, suite, { prk, transcript, message: 4 }, NO_EAD)),
    established: {
      suite: suite.id,
      initiatorConnectionId: run.peerConnectionId,
      responderConnectionId: run.connectionId,
      peer,
      exporter: makeExporter(options, prk, transcript),
    },
  };
}
