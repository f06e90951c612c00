/**
 * Every way in which something can be refused. The words are a contract: scripts read them from `--json` output
 * and exit codes hang on them. Append; never rename.
 */
export type ErrorCode =
  // what was received does not have its form
  | 'malformed'
  | 'too-large'
  | 'unsupported'
  // keys, certificates, trust
  | 'key-invalid'
  | 'key-changed'
  | 'certificate-invalid'
  | 'certificate-expired'
  | 'certificate-not-yet-valid'
  | 'clock-unset'
  | 'identity-mismatch'
  | 'identity-unknown'
  | 'passphrase-required'
  | 'passphrase-wrong'
  // handshake
  | 'handshake-failed'
  | 'handshake-timeout'
  // frames
  | 'sender-unknown'
  | 'wrong-recipient'
  | 'wrong-session'
  | 'wrong-topic'
  | 'signature-invalid'
  | 'body-mismatch'
  | 'mac-invalid'
  | 'replayed'
  | 'skipped-too-far'
  | 'expired'
  | 'gap'
  // sessions and transports
  | 'address-invalid'
  | 'peer-unreachable'
  | 'peer-offline'
  | 'topic-invalid'
  | 'broker-unreachable'
  | 'broker-refused'
  | 'client-id-taken'
  | 'session-closed'
  | 'stream-cut'
  | 'timeout'
  | 'outbox-full'
  | 'overloaded'
  // a broker that is run here
  | 'broker-failed'
  // roster and channels
  | 'roster-missing'
  | 'roster-invalid'
  | 'roster-forked'
  | 'roster-expired'
  | 'roster-behind'
  | 'channel-unknown'
  | 'not-allowed'
  | 'identity-revoked'
  | 'grant-missing'
  // enrolment
  | 'token-invalid'
  | 'enrolment-refused'
  // ledger
  | 'ledger-broken'
  | 'ledger-missing'
  | 'head-moved'
  | 'clock-behind'
  | 'checkpoint-mismatch'
  | 'head-disputed'
  | 'conflict'
  | 'not-admitted'
  | 'not-logged'
  // home and files
  | 'home-missing'
  | 'home-exists'
  | 'home-in-use'
  | 'file-unreadable'
  | 'file-unwritable'
  | 'file-exposed'
  | 'usage'
  | 'internal';

/** What {@link SealwireError} takes beside its code and sentence. */
export interface ErrorDetails {
  /** What to do about it, one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The one error class: a stable `code`, one clear sentence as `message`, and a `hint` where there is one. */
export class SealwireError extends Error {
  override readonly name = 'SealwireError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, sentence: string, details: ErrorDetails = {}) {
    super(sentence, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }
}

/** True for a {@link SealwireError}, and of that code where one is given. */
export function isSealwireError(error: unknown, code?: ErrorCode): error is SealwireError {
  return error instanceof SealwireError && (code === undefined || error.code === code);
}
