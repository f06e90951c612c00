import type { PeerEvent } from './open-peer.ts';
import { EXIT } from './report.ts';

/** Work goes on after an event; in the end the exit code still tells a script what it has to know. */
export function countEvent(event: PeerEvent, role: 'reader' | 'writer'): void {
  if (event.type === 'not-logged') process.exitCode ??= EXIT.notary;
  const isChangedKey = event.type === 'handshake-refused' && event.error.code === 'key-changed';
  // A stranger who calls himself so must not turn what was delivered into a failure.
  if (isChangedKey && role === 'reader') process.exitCode = EXIT.keyChanged;
}
