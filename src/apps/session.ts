import type { Command } from 'commander';
import { formatId } from '../core/identity/id.ts';
import { readPassphrase } from '../node/passphrase.ts';
import type { Session } from '../roles/session.ts';
import { printable } from './console.ts';
import type { Context } from './context.ts';
import { countEvent } from './event-exit.ts';
import { eventSentence } from './event-sentence.ts';
import { sendLines } from './lines.ts';
import { messageJson, messageText, TEXT_TYPE } from './message-output.ts';
import { openPeer, type SealwirePeer } from './open-peer.ts';
import { notEmpty } from './program.ts';

interface SessionFlags {
  readonly notary?: string;
  readonly notaryName: string;
  readonly passphraseFile?: string;
}

/** `listen` and `connect`: lines of text between two terminals or scripts. */
export function registerSession(program: Command, context: Context): void {
  withSessionFlags(program.command('listen').description('answer trusted peers; lines in, lines out'))
    .argument('<address>', 'where to listen: tcp://host:port or tls://host:port; port 0 picks a free one', notEmpty)
    .action((address: string, flags: SessionFlags) => listen(context, address, flags));
  withSessionFlags(
    program.command('connect').description('open a session; standard input lines go out, received lines come in'),
  )
    .argument('<address>', 'where the peer listens: tcp://host:port or tls://host:port', notEmpty)
    .requiredOption('--expect <name>', 'whom to expect there, by the name it is trusted under', notEmpty)
    .action((address: string, flags: SessionFlags & { readonly expect: string }) => connect(context, address, flags));
}

function withSessionFlags(command: Command): Command {
  return command
    .option('--notary <address>', 'log every message with the notary that listens there', notEmpty)
    .option('--notary-name <name>', 'the name under which the notary is trusted', notEmpty, 'notary')
    .option('--passphrase-file <file>', 'a file whose first line opens the private key', notEmpty);
}

async function open(context: Context, flags: SessionFlags): Promise<SealwirePeer> {
  const passphrase = flags.passphraseFile === undefined ? undefined : await readPassphrase(flags.passphraseFile);
  return openPeer({
    home: context.home,
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(flags.notary === undefined ? {} : { notary: { address: flags.notary, expect: flags.notaryName } }),
    onEvent: (event) => {
      countEvent(event, 'reader');
      const sentence = eventSentence(event);
      if (sentence) context.console.note(printable(sentence));
    },
  });
}

async function listen(context: Context, address: string, flags: SessionFlags): Promise<void> {
  await using peer = await context.interruptible(open(context, flags));
  const listening = await peer.listen(address);
  if (context.json) await context.console.json({ event: 'listening', address: listening.address });
  else context.console.note(`${peer.name} listens at ${listening.address}; Ctrl-C ends it.`);
  const sessions = new Set<Session>();
  const closing = Promise.withResolvers<void>();
  const end = (): void => {
    // Closing lets every loop below come to its end by itself.
    peer.close().then(closing.resolve, closing.reject);
  };
  context.signal.addEventListener('abort', end, { once: true });
  if (context.signal.aborted) end();
  const send = (payload: Uint8Array): Promise<unknown> =>
    Promise.all([...sessions].map((session) => sendOrTell(context, session, payload)));
  sendLines(context, send).catch((error: unknown) => context.console.note(`No more lines are sent: ${reason(error)}`));
  const printing: Promise<void>[] = [];
  for await (const session of listening) {
    sessions.add(session);
    void session.over.then(() => sessions.delete(session));
    printing.push(printSession(context, session, `${session.peer.name}: `));
  }
  await closing.promise;
  await Promise.all(printing);
}

async function connect(
  context: Context,
  address: string,
  flags: SessionFlags & { readonly expect: string },
): Promise<void> {
  await using peer = await context.interruptible(open(context, flags));
  const session = await context.interruptible(peer.dial(address, { expect: flags.expect }));
  const end = (): void => void session.close().catch(() => {});
  context.signal.addEventListener('abort', end, { once: true });
  if (context.signal.aborted) end();
  const printing = printMessages(context, session, '');
  if (!context.json) context.console.note(greeting(session));
  await sendLines(context, (payload) => session.send(payload, { contentType: TEXT_TYPE }), session.over);
  // The end of input ends the session, whatever ends first.
  const closed = session.close();
  await Promise.all([printing, closed]);
  if (!context.json)
    context.console.note(printable(`${session.peer.name} has confirmed everything; the session is over.`));
}

function greeting({ peer, remote }: Session): string {
  return `In session with ${printable(peer.name)} (${formatId(peer.id)}) at ${remote}.`;
}

/** One of many sessions that does not take a line must not end the others. */
async function sendOrTell({ console }: Context, session: Session, payload: Uint8Array): Promise<void> {
  try {
    await session.send(payload, { contentType: TEXT_TYPE });
  } catch (error) {
    console.note(printable(`A line was not sent to ${session.peer.name}: ${reason(error)}`));
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Prints one of many sessions to its end; a bad end is told, not thrown, for the others go on. */
async function printSession(context: Context, session: Session, prefix: string): Promise<void> {
  context.console.note(greeting(session));
  try {
    await printMessages(context, session, prefix);
    context.console.note(`${printable(session.peer.name)} ended the session.`);
  } catch (error) {
    context.console.note(printable(`The session with ${session.peer.name} broke: ${reason(error)}`));
  }
}

async function printMessages(context: Context, session: Session, prefix: string): Promise<void> {
  for await (const message of session) {
    if (context.json) await context.console.json(messageJson(session.peer, message));
    else await context.console.line(printable(prefix + messageText(message)));
  }
}
