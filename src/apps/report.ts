import { CommanderError } from 'commander';
import { type ErrorCode, isSealwireError } from '../core/errors.ts';
import { printable } from './console.ts';

/** An error as users see it: never a stack trace. */
export interface Report {
  readonly code: ErrorCode;
  /** One sentence. */
  readonly message: string;
  /** What to do about it, one sentence. */
  readonly hint: string | null;
  readonly exitCode: number;
}

/** The exit codes, a contract with scripts. */
export const EXIT = {
  ok: 0,
  refused: 1,
  usage: 2,
  local: 3,
  network: 4,
  notary: 5,
  keyChanged: 6,
  internal: 70,
} as const;

/** What `--help` says about {@link EXIT}. */
export const EXIT_HELP = `Exit codes:
  0   done
  1   refused: a signature, key, certificate, frame or ledger does not hold
  2   usage: a command, option, argument or address is wrong
  3   local: a home, file, passphrase or ledger is missing, exposed or unreadable, the clock is not set, or a broker
      that was started here has failed
  4   network: the peer cannot be reached, went away, or took too long
  5   notary: an entry was not admitted or not logged
  6   key changed: somebody showed a new key in a name that is trusted; nothing was sent there
  69  this Node.js is older than 24
  70  internal: a fault in sealwire itself; SEALWIRE_DEBUG=1 shows where
  130, 143  ended by Ctrl-C or SIGTERM before there was a session, or by a second one; the first closes cleanly

Errors go to standard error as a sentence and a hint; with --json as one line
{ "error": { "code", "message", "hint" } }. Standard output carries results only.`;

const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  malformed: EXIT.refused,
  'too-large': EXIT.refused,
  unsupported: EXIT.refused,
  'key-invalid': EXIT.refused,
  'key-changed': EXIT.keyChanged,
  'certificate-invalid': EXIT.refused,
  'certificate-expired': EXIT.refused,
  'certificate-not-yet-valid': EXIT.refused,
  'clock-unset': EXIT.local,
  'identity-mismatch': EXIT.refused,
  'identity-unknown': EXIT.refused,
  'passphrase-required': EXIT.local,
  'passphrase-wrong': EXIT.local,
  'handshake-failed': EXIT.refused,
  'handshake-timeout': EXIT.network,
  'sender-unknown': EXIT.refused,
  'wrong-recipient': EXIT.refused,
  'wrong-session': EXIT.refused,
  'wrong-topic': EXIT.refused,
  'signature-invalid': EXIT.refused,
  'body-mismatch': EXIT.refused,
  'mac-invalid': EXIT.refused,
  replayed: EXIT.refused,
  'skipped-too-far': EXIT.refused,
  expired: EXIT.refused,
  gap: EXIT.refused,
  'address-invalid': EXIT.usage,
  'peer-unreachable': EXIT.network,
  'peer-offline': EXIT.network,
  'topic-invalid': EXIT.usage,
  'broker-unreachable': EXIT.network,
  'broker-refused': EXIT.network,
  'client-id-taken': EXIT.network,
  'session-closed': EXIT.network,
  'stream-cut': EXIT.network,
  timeout: EXIT.network,
  overloaded: EXIT.network,
  'outbox-full': EXIT.network,
  'broker-failed': EXIT.local,
  'roster-missing': EXIT.local,
  'roster-invalid': EXIT.refused,
  'roster-forked': EXIT.refused,
  'roster-expired': EXIT.refused,
  'roster-behind': EXIT.refused,
  'channel-unknown': EXIT.usage,
  'not-allowed': EXIT.refused,
  'identity-revoked': EXIT.refused,
  'grant-missing': EXIT.refused,
  'token-invalid': EXIT.refused,
  'enrolment-refused': EXIT.refused,
  'ledger-broken': EXIT.refused,
  'ledger-missing': EXIT.local,
  'head-moved': EXIT.notary,
  'clock-behind': EXIT.notary,
  'checkpoint-mismatch': EXIT.refused,
  'head-disputed': EXIT.refused,
  conflict: EXIT.refused,
  'not-admitted': EXIT.notary,
  'not-logged': EXIT.notary,
  'home-missing': EXIT.local,
  'home-exists': EXIT.local,
  'home-in-use': EXIT.local,
  'file-unreadable': EXIT.local,
  'file-unwritable': EXIT.local,
  'file-exposed': EXIT.local,
  usage: EXIT.usage,
  internal: EXIT.internal,
};

/** Turns whatever was thrown into what the user sees. */
export function reportOf(error: unknown): Report {
  if (isSealwireError(error)) return report(error.code, error.message, error.hint);
  if (error instanceof CommanderError) return usageReport(error);
  if (isFileError(error)) return fileReport(error);
  const output = outputProblem(error);
  if (output) return report('file-unwritable', `The output cannot be written: ${output}`, 'Send it elsewhere.');
  const message = error instanceof Error ? error.message : String(error);
  return report('internal', `A fault inside sealwire: ${firstLine(message)}`, 'Set SEALWIRE_DEBUG=1 to see where.');
}

/** The lines that standard error gets: one JSON line, or a sentence and its hint. */
export function renderReport(found: Report, json: boolean): string {
  const { code, message, hint } = found;
  if (json) return `${JSON.stringify({ error: { code, message, hint } })}\n`;
  const lines = [`sealwire: ${message} [${code}]`];
  if (hint) lines.push(`  ${hint}`);
  return `${lines.map(printable).join('\n')}\n`;
}

function report(code: ErrorCode, message: string, hint?: string): Report {
  return { code, message: sentence(message), hint: hint ?? null, exitCode: EXIT_CODES[code] };
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}

function usageReport(error: CommanderError): Report {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = rest.join(' ').replace(/^\s*\((.*)\)\s*$/, '$1');
  const message = first.charAt(0).toUpperCase() + first.slice(1);
  return report('usage', message, suggestion || 'Add --help to see what the command takes.');
}

const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'is missing',
  EACCES: 'may not be opened by this user',
  EPERM: 'may not be changed by this user',
  EISDIR: 'is a directory',
  ENOTDIR: 'lies below something that is not a directory',
  EROFS: 'lies on a read-only file system',
  ENOSPC: 'cannot be written, the disk is full',
  ELOOP: 'is a loop of links',
  ENAMETOOLONG: 'has a name that is too long',
  ENXIO: 'is not a file that can be opened',
};

/** What the system says of standard output when it cannot be written; a reader that went away is no error. */
const OUTPUT_ERRORS: Readonly<Record<string, string>> = { ENOSPC: 'the disk is full', EIO: 'the device failed' };

type FileError = Error & { readonly code: string; readonly path: string };

function isFileError(error: unknown): error is FileError {
  return error instanceof Error && 'path' in error && 'code' in error && String(error.code) in FILE_ERRORS;
}

function fileReport(error: FileError): Report {
  const hint = 'Check the path, and what this user may do there.';
  return report('file-unreadable', `${error.path} ${FILE_ERRORS[error.code]} (${error.code}).`, hint);
}

function outputProblem(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('syscall' in error) || error.syscall !== 'write') return undefined;
  return 'code' in error ? OUTPUT_ERRORS[String(error.code)] : undefined;
}
