import type { Crypto } from '../core/crypto/port.ts';
import type { Anchor } from '../core/identity/path.ts';
import { TreeHasher } from '../core/ledger/merkle.ts';
import { TUNING } from '../core/limits.ts';
import type { Clock, Connection, Eventually, VerifierFactory } from '../core/ports.ts';
import { Authenticating, type Expected } from './authenticating.ts';
import type { ControlHandler } from './control.ts';
import type { HandshakeParty, OwnIdentity } from './handshake-steps.ts';
import { initiate, respond } from './handshaking.ts';
import type { LabelSink } from './label-sink.ts';
import { Session, type SessionStart } from './session.ts';
import { SESSION_TUNING, type SessionTuning, type StoredIntake } from './session-context.ts';
import type { SessionEvent } from './session-events.ts';

/** What a peer is made of. */
export interface PeerOptions {
  readonly identity: OwnIdentity;
  /** Whom it trusts; asked anew for each handshake. */
  readonly anchors: () => Eventually<readonly Anchor[]>;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly verifierOf: VerifierFactory;
  /** Where the labels of its sessions are logged; null for none. */
  readonly sink?: LabelSink | null;
  readonly tuning?: Partial<SessionTuning>;
  readonly handshakeTimeoutMs?: number;
  /** Told what happens beside messages, with the session it happens in. */
  readonly onEvent?: (event: SessionEvent, session: { readonly peerName: string; readonly peerId: Uint8Array }) => void;
}

/** What a session goes by beside what its peer asks for. */
export interface BeginOptions {
  /** What its carrier asks for. */
  readonly tuning?: Partial<SessionTuning>;
  /** Takes what is not for the application; where there is none, it is taken in and forgotten. */
  readonly control?: ControlHandler | null;
  /** Where messages of the peer's outbox go. */
  readonly intake?: StoredIntake;
}

/** One identity that opens sessions with others. A door: the work is done behind it. */
export class Peer {
  readonly identity: OwnIdentity;
  readonly #options: PeerOptions;
  /** What its handshakes share, over whatever they run. */
  readonly party: HandshakeParty;

  constructor(options: PeerOptions) {
    const { identity, crypto, clock, verifierOf, handshakeTimeoutMs = TUNING.handshakeTimeoutMs } = options;
    this.identity = identity;
    this.#options = options;
    const authenticating = new Authenticating(options);
    this.party = { crypto, clock, identity, verifierOf, authenticating, timeoutMs: handshakeTimeoutMs };
  }

  /**
   * Opens a session over a connection that this side made, with whom it expects there. Rejects with
   * `identity-mismatch`, `identity-unknown`, `certificate-…`, `handshake-failed` or `handshake-timeout`, and then has
   * closed the connection.
   */
  async open(connection: Connection, expected: Expected): Promise<Session> {
    const units = connection.receive();
    return this.begin(connection, units, await initiate(this.party, connection, units, expected));
  }

  /** Answers a handshake on a connection that somebody else made; rejects as {@link open} does. */
  async answer(connection: Connection): Promise<Session> {
    const units = connection.receive();
    return this.begin(connection, units, await respond(this.party, connection, units));
  }

  /** Begins the session that a handshake gave, over what carries it. */
  begin(
    connection: Connection,
    units: AsyncIterableIterator<Uint8Array>,
    start: SessionStart,
    { tuning = {}, control = null, intake }: BeginOptions = {},
  ): Session {
    const { crypto, clock, identity, verifierOf, sink = null, onEvent } = this.#options;
    const about = { peerName: start.peer.name, peerId: start.peer.id };
    return new Session(
      {
        crypto,
        hasher: new TreeHasher(crypto),
        clock,
        connection,
        units,
        ownId: identity.id,
        signer: identity.signer,
        peerId: start.peer.id,
        verifier: verifierOf(start.peer.publicKey),
        sink,
        tuning: { ...SESSION_TUNING, ...tuning, ...this.#options.tuning },
        control,
        intake,
        onEvent: (event) => onEvent?.(event, about),
      },
      start,
    );
  }
}
