import { SealwireError } from '../../core/errors.ts';
import { formatId } from '../../core/identity/id.ts';
import { refusedByPeer } from '../handshake-steps.ts';

/**
 * What was heard while a handshake waited for its answer. Anybody could have said any of it, so none of it ends the
 * handshake; but where no genuine answer comes, it is the best guess at the reason.
 */
export class Hearsay {
  #isProven = false;
  #doubt: SealwireError | undefined;
  #refusal: SealwireError | undefined;
  #noise: unknown;

  /** Something came that is no message of this handshake. */
  noise(cause: unknown): void {
    this.#noise = cause;
  }

  /** Somebody answered in due form who is not the peer, or whom we cannot believe. */
  doubt(error: SealwireError): void {
    this.#doubt = error;
  }

  /** An error message came: the peer, or somebody in its name, refuses; `error` says more where there is more. */
  refusal(error: SealwireError = refusedByPeer()): void {
    this.#refusal = error;
  }

  /** The peer itself has answered: what was heard before was somebody else's. */
  proven(): void {
    this.#isProven = true;
    this.#doubt = undefined;
    this.#refusal = undefined;
  }

  /** What the handshake with `peerId` ends with after `timeoutMs` without a session. */
  verdict(peerId: Uint8Array, timeoutMs: number): SealwireError {
    const reason = this.#doubt ?? this.#refusal;
    if (reason) return reason;
    const peer = formatId(peerId);
    if (this.#isProven) {
      const sentence = `${peer} answered, but did not confirm the handshake within ${timeoutMs} ms.`;
      const hint = 'It may have gone away, or somebody holds messages back. Try again.';
      return new SealwireError('handshake-timeout', sentence, { hint });
    }
    if (this.#noise !== undefined) {
      const sentence = `What came within ${timeoutMs} ms as the answer of ${peer} was not its answer.`;
      const hint = 'Somebody alters or forges messages on the way; try again.';
      return new SealwireError('handshake-failed', sentence, { hint, cause: this.#noise });
    }
    const hint = 'Is `sealwire sub` running there, and at the same broker?';
    return new SealwireError('peer-offline', `${peer} did not answer within ${timeoutMs} ms.`, { hint });
  }
}
