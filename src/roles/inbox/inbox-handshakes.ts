import { equalBytes } from '../../core/bytes.ts';
import { SealwireError } from '../../core/errors.ts';
import { CONNECTION_ID_BYTES } from '../../core/handshake/connection-id.ts';
import { decodeEnvelope, type Envelope } from '../../core/handshake/envelope.ts';
import type { Expected } from '../authenticating.ts';
import { type HandshakeParty, handshakeOptions } from '../handshake-steps.ts';
import { Answering, type AnsweringListener } from './answering.ts';
import { Beginnings } from './beginnings.ts';
import type { InboxContext } from './inbox-context.ts';
import { INBOX_TUNING, type InboxTuning } from './inbox-tuning.ts';
import { Initiating } from './initiating.ts';
import type { Initiated } from './initiation.ts';
import { Overlaps } from './overlaps.ts';

/** What {@link InboxHandshakes} are made of. */
export interface InboxHandshakesOptions extends AnsweringListener {
  readonly party: HandshakeParty;
  /**
   * Publishes a unit, which then belongs to the carrier, to the handshake inbox of `to` (id, 32 bytes). What it loses
   * is sent again; where it rejects there is no use in that.
   */
  send(to: Uint8Array, unit: Uint8Array): Promise<void>;
  readonly tuning?: Partial<InboxTuning>;
  /**
   * Somebody else began a handshake and has proven who it is; message_4 leaves right after. The session is there for
   * this side from now on. `overlapped` says that an {@link InboxHandshakes.initiate} with the same peer was under way
   * at some time since its message_1 came. Sessions of own initiations are not told here. Must not throw.
   */
  onSession: AnsweringListener['onSession'];
  /** Somebody did not get a session, and why; `from` is who it said it was (32 bytes). Must not throw. */
  onRefused: AnsweringListener['onRefused'];
}

/**
 * EDHOC over inboxes, where units come lost, doubled, late, altered and forged, both sides of it. A door: the work is
 * done behind it. The initiating side sends again until it is answered; the answering side answers again when asked
 * again. What is not genuine is dropped without a trace.
 */
export class InboxHandshakes {
  readonly #ownId: Uint8Array;
  readonly #initiating: Initiating;
  readonly #answering: Answering;
  #isStopped = false;

  constructor(options: InboxHandshakesOptions) {
    const { party } = options;
    const tuning = { ...INBOX_TUNING, ...options.tuning };
    const context: InboxContext = {
      party,
      options: handshakeOptions(party),
      tuning,
      beginnings: new Beginnings(party.clock, tuning),
      overlaps: new Overlaps(),
      send: async (to, unit) => options.send(to, unit),
    };
    this.#ownId = party.identity.id;
    this.#initiating = new Initiating(context);
    this.#answering = new Answering(context, options);
  }

  /** How many handshakes others have begun and not finished. */
  get halfOpen(): number {
    return this.#answering.halfOpen;
  }

  /**
   * A session with the peer whose inbox is that of `peerId` (32 bytes) and who is `expected`, once both sides have
   * confirmed it. Each call is a handshake of its own. `overlapped` says that one in the other direction was under way
   * at some time; anybody can feign that.
   *
   * Rejects within the party's `timeoutMs`: `peer-offline` where nothing came, `handshake-timeout` where the peer has
   * answered but not confirmed; else with what was wrong with what came last, which anybody may have sent:
   * `handshake-failed`, `identity-mismatch`, `identity-unknown`, `certificate-…`, `signature-invalid`, `unsupported`.
   * Rejects at once with `usage` for one's own id, `malformed` for no id, `session-closed` once stopped, and with
   * whatever `send` or the own signer rejects with.
   */
  async initiate(peerId: Uint8Array, expected: Expected): Promise<Initiated> {
    if (this.#isStopped) throw stopped();
    return await this.#initiating.initiate(peerId, expected);
  }

  /**
   * Takes a unit that came to the own handshake inbox; `from` (32 bytes) is the sender that its topic claims, nothing
   * more than where answers go. Resolves once the unit is judged; it need not be waited for. Never rejects for what is
   * in the unit.
   */
  async take(from: Uint8Array, unit: Uint8Array): Promise<void> {
    if (this.#isStopped || equalBytes(from, this.#ownId)) return;
    const envelope = readEnvelope(unit);
    if (!envelope) return;
    const { connectionId, message } = envelope;
    if (connectionId === null) await this.#answering.begin(from, message);
    else if (connectionId.length === CONNECTION_ID_BYTES) {
      const isOurs = await this.#initiating.take(from, connectionId, message);
      if (!isOurs) await this.#answering.take(connectionId, message);
    }
  }

  /** Forgets every handshake; own initiations end with `session-closed`. */
  stop(): void {
    this.#isStopped = true;
    this.#initiating.stop(stopped());
    this.#answering.stop();
  }
}

function readEnvelope(unit: Uint8Array): Envelope | undefined {
  try {
    return decodeEnvelope(unit);
  } catch {
    return undefined;
  }
}

function stopped(): SealwireError {
  return new SealwireError('session-closed', 'Handshakes over the inbox were stopped.');
}
