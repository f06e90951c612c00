import { p256 } from '@noble/curves/nist.js';
import { bytesToHex, utf8ToBytes } from '../../src/core/bytes.ts';
import { nobleCrypto, nobleVerifier } from '../../src/core/crypto/noble.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import type { Credential } from '../../src/core/handshake/credential.ts';
import type { Established } from '../../src/core/handshake/established.ts';
import {
  type InitiatorStart,
  type Message3Draft,
  startInitiator,
  type WaitingForMessage2,
  type WaitingForMessage4,
} from '../../src/core/handshake/initiator.ts';
import { type HandshakeOptions, presentChain } from '../../src/core/handshake/own.ts';
import type { PeerClaim, PeerFinding } from '../../src/core/handshake/peer.ts';
import { type Finished, receiveMessage1, type WaitingForMessage3 } from '../../src/core/handshake/responder.ts';
import { suite2, suite5 } from '../../src/core/handshake/suites.ts';
import type { VerifierFactory } from '../../src/core/ports.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';

/** One side of a handshake with everything it decides at hand. */
export interface Party extends HandshakeOptions {
  /** Signs with the own key, at once. */
  sign(toBeSigned: Uint8Array): Uint8Array;
  verify(publicKey: Uint8Array, toBeVerified: Uint8Array, signature: Uint8Array): boolean;
  /** What this side makes of a credential. */
  find(credential: Credential): PeerFinding;
}

/** Everything that went over the wire and what came of it. */
export interface HandshakeRun {
  readonly message1: Uint8Array;
  readonly message2: Uint8Array;
  readonly message3: Uint8Array;
  readonly message4: Uint8Array;
  /** The signatures' inputs. */
  readonly toBeSigned2: Uint8Array;
  readonly toBeSigned3: Uint8Array;
  readonly initiator: Established;
  readonly responder: Established;
}

/** Stands on the wire: may alter message number `n`. */
export type Wire = (n: 1 | 2 | 3 | 4, message: Uint8Array) => Uint8Array;

/** Knows the certificates given, by the public keys they hold, and expects any one of them. */
export function directory(
  entries: readonly { readonly certificate: Uint8Array; readonly publicKey: Uint8Array }[],
): (credential: Credential) => PeerFinding {
  const byCertificate = new Map(entries.map((entry) => [bytesToHex(entry.certificate), entry.publicKey]));
  return (credential) => {
    const [first] = credential.type === 'x5chain' ? credential.certificates : [];
    const publicKey = first && byCertificate.get(bytesToHex(first));
    return publicKey ? { publicKey, accepted: true } : { publicKey: new Uint8Array(65), accepted: false };
  };
}

/** Judges and verifies a claim as `party` does. */
export function settle<Next>(party: Party, claim: PeerClaim<Next>): Next {
  const check = claim.identify(party.find(claim.credential));
  return check.finish(party.verify(check.publicKey, check.toBeVerified, check.signature));
}

/** The Responder up to message_2; throws where it wants another suite. */
export function answer(party: Party, message1: Uint8Array): WaitingForMessage3 & { readonly toBeSigned: Uint8Array } {
  const result = receiveMessage1(party, message1);
  if (result.kind !== 'draft') throw new Error('the Responder wants another suite');
  const { toBeSigned } = result.draft;
  return { toBeSigned, ...result.draft.finish(party.sign(toBeSigned)) };
}

/** The Initiator from message_2 to message_3. */
export function proceed(
  party: Party,
  state: WaitingForMessage2,
  message2: Uint8Array,
): WaitingForMessage4 & { readonly toBeSigned: Uint8Array } {
  const draft: Message3Draft = settle(party, state.receive(message2));
  return { toBeSigned: draft.toBeSigned, ...draft.finish(party.sign(draft.toBeSigned)) };
}

/** The Responder from message_3 to message_4. */
export function conclude(party: Party, state: WaitingForMessage3, message3: Uint8Array): Finished {
  return settle(party, state.receive(message3));
}

/** What a whole handshake may do differently. */
export interface RunOptions {
  readonly wire?: Wire;
  /** How the Initiator begins, where not with its first choice of suite. */
  readonly start?: (initiator: Party) => InitiatorStart;
}

/** A whole handshake; throws at the first refusal. */
export function runHandshake(initiator: Party, responder: Party, options: RunOptions = {}): HandshakeRun {
  const { wire = (_n, message) => message, start = startInitiator } = options;
  const started = start(initiator);
  const second = answer(responder, wire(1, started.message1));
  const third = proceed(initiator, started.state, wire(2, second.message2));
  const finished = conclude(responder, second, wire(3, third.message3));
  return {
    message1: started.message1,
    message2: second.message2,
    message3: third.message3,
    message4: finished.message4,
    toBeSigned2: second.toBeSigned,
    toBeSigned3: third.toBeSigned,
    initiator: third.receive(wire(4, finished.message4)),
    responder: finished.established,
  };
}

/** The same primitives with the next random bytes and ephemeral keys fixed. */
export function fixedCrypto(
  crypto: Crypto,
  fixed: { readonly random: Uint8Array; readonly privateKey: Uint8Array; readonly publicX: Uint8Array },
): Crypto {
  return {
    ...crypto,
    random: () => fixed.random,
    generateEphemeral: () => ({ privateKey: fixed.privateKey, publicX: fixed.publicX }),
  };
}

/** A pair of implementations of the primitives and of verifying. */
export interface Implementation {
  readonly name: string;
  readonly crypto: Crypto;
  readonly verifier: VerifierFactory;
}

/** The two that are held equal. */
export const IMPLEMENTATIONS: readonly Implementation[] = [
  { name: 'node', crypto: nodeCrypto, verifier: nodeVerifier },
  { name: 'noble', crypto: nobleCrypto, verifier: nobleVerifier },
];

/** Somebody with a fixed P-256 key; core never looks into a certificate, so any bytes do. */
export interface Person {
  readonly name: string;
  readonly secret: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly certificate: Uint8Array;
}

/** A person whose key and certificate follow from `number`. */
export function person(name: string, number: number): Person {
  const secret = new Uint8Array(32).fill(number);
  const publicKey = p256.getPublicKey(secret, false);
  return { name, secret, publicKey, certificate: utf8ToBytes(`certificate of ${name}, number ${number}`) };
}

/** `self` with suites 5 and 2 (5 only without AES-CCM), expecting `peer` and knowing `others` too. */
export function partyOf(
  implementation: Implementation,
  self: Person,
  peer: Person,
  others: readonly Person[] = [],
): Party {
  const { crypto, verifier } = implementation;
  const find = directory([peer, ...others]);
  return {
    crypto,
    suites: implementation.name === 'node' ? [suite5(crypto), suite2(crypto)] : [suite5(crypto)],
    own: presentChain(self.publicKey, [self.certificate]),
    sign: (toBeSigned) => p256.sign(toBeSigned, self.secret),
    verify: (publicKey, toBeVerified, signature) => verifier(publicKey).verify(toBeVerified, signature) === true,
    find(credential) {
      const finding = find(credential);
      return { ...finding, accepted: finding.accepted && bytesToHex(finding.publicKey) === bytesToHex(peer.publicKey) };
    },
  };
}
