import { compareBytes } from '../core/bytes.ts';
import type { Crypto } from '../core/crypto/port.ts';
import { SealwireError } from '../core/errors.ts';
import type { Credential } from '../core/handshake/credential.ts';
import { decodeEnvelope, encodeEnvelope } from '../core/handshake/envelope.ts';
import { decodeErrorMessage, encodeErrorMessage, REFUSAL } from '../core/handshake/error-message.ts';
import type { Established } from '../core/handshake/established.ts';
import { type InitiatorStart, startInitiator, type WaitingForMessage2 } from '../core/handshake/initiator.ts';
import { type HandshakeOptions, presentChain } from '../core/handshake/own.ts';
import type { PeerClaim } from '../core/handshake/peer.ts';
import { type Message2Draft, receiveMessage1 } from '../core/handshake/responder.ts';
import { deriveSessionSecrets } from '../core/handshake/session-keys.ts';
import { suite2, suite5 } from '../core/handshake/suites.ts';
import type { ValidIdentity } from '../core/identity/path.ts';
import type { Clock, Connection, Signer, VerifierFactory } from '../core/ports.ts';
import type { Authenticating, Expected } from './authenticating.ts';
import type { SessionStart } from './session.ts';

/** Oneself, as handshakes present and prove it. */
export interface OwnIdentity {
  readonly name: string;
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** DER, leaf first. */
  readonly certificates: readonly Uint8Array[];
  readonly signer: Signer;
}

/** What every handshake of one peer shares. */
export interface HandshakeParty {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly identity: OwnIdentity;
  readonly verifierOf: VerifierFactory;
  readonly authenticating: Authenticating;
  readonly timeoutMs: number;
}

/** Runs one side of EDHOC over a connection; closes the connection and throws where it comes to no session. */
export async function initiate(
  party: HandshakeParty,
  connection: Connection,
  units: AsyncIterator<Uint8Array>,
  expected: Expected,
): Promise<SessionStart> {
  return await guarded(party, connection, units, async (wire) => {
    const options = handshakeOptions(party);
    let start = startInitiator(options);
    await wire.send(null, start.message1);
    let message2 = await wire.receive(start.state.connectionId);
    // A suite that the Responder lacks is the only refusal that there is an answer to.
    for (let other = otherSuite(start.state, message2); other; other = otherSuite(start.state, message2)) {
      start = other;
      await wire.send(null, start.message1);
      message2 = await wire.receive(start.state.connectionId);
    }
    const claim = start.state.receive(wire.genuine(message2));
    wire.peerConnectionId = claim.peerConnectionId;
    const { peer, next: draft } = await prove(party, claim, expected);
    const waiting = draft.finish(await party.identity.signer.sign(draft.toBeSigned));
    await wire.send(claim.peerConnectionId, waiting.message3);
    const established = waiting.receive(wire.genuine(await wire.receive(start.state.connectionId)));
    return toStart(party, established, peer, 'initiator');
  });
}

/** The other side of {@link initiate}: answers whoever is trusted. */
export async function respond(
  party: HandshakeParty,
  connection: Connection,
  units: AsyncIterator<Uint8Array>,
): Promise<SessionStart> {
  return await guarded(party, connection, units, async (wire) => {
    const draft = await agreeOnSuite(party, wire);
    const waiting = draft.finish(await party.identity.signer.sign(draft.toBeSigned));
    wire.peerConnectionId = waiting.peerConnectionId;
    await wire.send(waiting.peerConnectionId, waiting.message2);
    const claim = waiting.receive(wire.genuine(await wire.receive(waiting.connectionId)));
    const { peer, next: finished } = await prove(party, claim, null);
    await wire.send(waiting.peerConnectionId, finished.message4);
    return toStart(party, finished.established, peer, 'responder');
  });
}

function handshakeOptions({ crypto, identity }: HandshakeParty): HandshakeOptions {
  return {
    crypto,
    suites: [suite5(crypto), suite2(crypto)],
    own: presentChain(identity.signer.publicKey, identity.certificates),
  };
}

function otherSuite(state: WaitingForMessage2, message: Uint8Array): InitiatorStart | null {
  const error = decodeErrorMessage(message);
  return error?.kind === 'wrong-suite' ? state.retry(error.suites) : null;
}

async function agreeOnSuite(party: HandshakeParty, wire: HandshakeWire): Promise<Message2Draft> {
  const options = handshakeOptions(party);
  for (let tries = 0; tries <= options.suites.length; tries++) {
    const answer = receiveMessage1(options, await wire.receive(null));
    if (answer.kind === 'draft') return answer.draft;
    await wire.send(answer.peerConnectionId, answer.errorMessage);
  }
  throw new SealwireError('unsupported', 'The peer keeps asking for cipher suites that are not spoken here.');
}

/** Certificates first, then whom we expect, then the proof that the peer holds the key. */
async function prove<Next>(
  party: HandshakeParty,
  claim: PeerClaim<Next>,
  expected: Expected,
): Promise<{ readonly peer: ValidIdentity; readonly next: Next }> {
  const peer = await party.authenticating.judge(chainOf(claim.credential), expected);
  const check = claim.identify({ publicKey: peer.publicKey, accepted: true });
  const valid = await party.verifierOf(check.publicKey).verify(check.toBeVerified, check.signature);
  return { peer, next: check.finish(valid) };
}

function chainOf(credential: Credential): readonly Uint8Array[] {
  if (credential.type === 'x5chain') return credential.certificates;
  throw new SealwireError('identity-unknown', 'The peer refers to its certificate without presenting it.', {
    hint: 'Let the peer present its certificate (x5chain).',
  });
}

function toStart(
  { identity }: HandshakeParty,
  { exporter }: Established,
  peer: ValidIdentity,
  role: 'initiator' | 'responder',
): SessionStart {
  const isInitiator = role === 'initiator';
  const secrets = deriveSessionSecrets(exporter, {
    rosterName: '',
    initiatorId: isInitiator ? identity.id : peer.id,
    responderId: isInitiator ? peer.id : identity.id,
  });
  const initiator = { ...secrets.initiator, seq: 0 };
  const responder = { ...secrets.responder, seq: 0 };
  return {
    sessionId: secrets.sessionId,
    peer,
    sending: isInitiator ? initiator : responder,
    receiving: isInitiator ? responder : initiator,
  };
}

/** Envelopes over a connection, as long as a handshake may take. */
class HandshakeWire {
  /** Once it is known, a failure can be told to the peer. */
  peerConnectionId: Uint8Array | null = null;
  readonly #connection: Connection;
  readonly #units: AsyncIterator<Uint8Array>;

  constructor(connection: Connection, units: AsyncIterator<Uint8Array>) {
    this.#connection = connection;
    this.#units = units;
  }

  send(connectionId: Uint8Array | null, message: Uint8Array): Promise<void> {
    return this.#connection.send(encodeEnvelope({ connectionId, message }));
  }

  async receive(own: Uint8Array | null): Promise<Uint8Array> {
    const next = await this.#units.next();
    if (next.done) throw new SealwireError('handshake-failed', 'The peer closed the connection during the handshake.');
    const { connectionId, message } = decodeEnvelope(next.value);
    const isOurs = own === null || connectionId === null ? own === connectionId : compareBytes(own, connectionId) === 0;
    if (!isOurs) throw new SealwireError('handshake-failed', 'A handshake message names another handshake.');
    return message;
  }

  /** The message itself; throws `handshake-failed` where the peer says that it gave up. */
  genuine(message: Uint8Array): Uint8Array {
    if (decodeErrorMessage(message)) {
      throw new SealwireError('handshake-failed', 'The peer refused the handshake.', {
        hint: 'The peer knows why; often it does not trust this identity: `sealwire trust add` there.',
      });
    }
    return message;
  }
}

async function guarded(
  party: HandshakeParty,
  connection: Connection,
  units: AsyncIterator<Uint8Array>,
  run: (wire: HandshakeWire) => Promise<SessionStart>,
): Promise<SessionStart> {
  const wire = new HandshakeWire(connection, units);
  let timedOut = false;
  const cancel = party.clock.after(party.timeoutMs, () => {
    timedOut = true;
    void connection.close();
  });
  try {
    return await run(wire);
  } catch (error) {
    // Whatever went wrong, the peer is told no more than that it did.
    await wire.send(wire.peerConnectionId, encodeErrorMessage(REFUSAL)).catch(() => {});
    await connection.close();
    if (!timedOut) throw error;
    throw new SealwireError('handshake-timeout', `The handshake took longer than ${party.timeoutMs} ms.`, {
      hint: 'The peer may be unreachable, or somebody holds its messages back.',
      cause: error,
    });
  } finally {
    cancel();
  }
}
