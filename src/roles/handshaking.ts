import { compareBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { decodeEnvelope, encodeEnvelope } from '../core/handshake/envelope.ts';
import { decodeErrorMessage, encodeErrorMessage, REFUSAL } from '../core/handshake/error-message.ts';
import { type InitiatorStart, startInitiator, type WaitingForMessage2 } from '../core/handshake/initiator.ts';
import { type Message2Draft, receiveMessage1 } from '../core/handshake/responder.ts';
import type { Connection } from '../core/ports.ts';
import type { Expected } from './authenticating.ts';
import { type HandshakeParty, handshakeOptions, prove, refusedByPeer, toStart } from './handshake-steps.ts';
import type { SessionStart } from './session.ts';

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
    if (decodeErrorMessage(message)) throw refusedByPeer();
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
