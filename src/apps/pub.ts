import { type Command, Option } from 'commander';
import { SealwireError } from '../core/errors.ts';
import { FRAME_BYTES_MAX } from '../core/limits.ts';
import { checkTopic } from '../core/topic.ts';
import { readSmallFileBytes } from '../node/files.ts';
import type { Sent, StoredUntil } from '../roles/send-queue.ts';
import { type BusFlags, joinAsCommand, openAsCommand, withBusFlags } from './bus-flags.ts';
import type { Context } from './context.ts';
import { duration } from './duration.ts';
import { sendLines } from './lines.ts';
import { contentTypeOf } from './message-output.ts';
import type { PublishOptions } from './open-bus.ts';
import { notEmpty } from './program.ts';

interface PublishFlags extends BusFlags {
  readonly to?: string;
  readonly retain?: boolean;
  readonly line?: boolean;
  readonly file?: string;
  readonly until?: StoredUntil;
  /** Milliseconds; true without a time: for good. */
  readonly wait?: number | true;
}

const EXAMPLES = `
Examples:
  sealwire pub plant/line1/temperature '22.5 °C' --to operator
  sealwire pub plant/line1/log --line --to operator --wait < lines.txt
  sealwire pub plant/line1/temperature '22.5 °C' --retain
  sealwire pub plant/line1/recipe --file recipe.pdf --to mixer --notary notary --until logged
  sealwire pub plant/line1/recipe --file recipe.pdf --to mixer --until queued

A reader that does not answer ends it with [peer-offline], exit code 4, unless --wait says otherwise. What is queued is
kept in this home and sent whenever a command of it is at the broker, until its reader has confirmed it.`;

/** `pub`: publishes sealed messages on a topic, through any MQTT broker. */
export function registerPub(program: Command, context: Context): void {
  const command = program
    .command('pub')
    .description('seal a message for one reader, or for all readers of a channel, and publish it on a topic')
    .argument('<topic>', 'an application topic, for example plant/line1/temperature', notEmpty)
    .argument('[message]', 'what to send; or use --line or --file')
    .option(
      '--to <name>',
      'one reader, by the name it is trusted under; else all readers of the topic’s channel',
      notEmpty,
    )
    .option('--retain', 'have the broker keep it for readers that subscribe later (in a channel)')
    .option('--line', 'send each line of standard input as a message')
    .option('--file <file>', 'send what this file holds as one message', notEmpty)
    .addOption(
      new Option('--until <stage>', 'how far to wait for each message (default: delivered, at --qos 0 sent)').choices([
        'queued',
        'sent',
        'delivered',
        'logged',
      ]),
    )
    .option('--wait [time]', 'ask a reader that does not answer again, for so long or for good', duration);
  withBusFlags(command)
    .addHelpText('after', EXAMPLES)
    .action((topic: string, message: string | undefined, flags: PublishFlags) =>
      publish(context, topic, message, flags),
    );
}

async function publish(
  context: Context,
  topic: string,
  message: string | undefined,
  flags: PublishFlags,
): Promise<void> {
  checkTopic(topic);
  const options = publishOptions(flags);
  const payload = await onePayload(message, flags);
  await using peer = await context.interruptible(openAsCommand(context, flags));
  if (flags.to === undefined && peer.rosterName === null) throw noReaders(topic);
  await using bus = await context.interruptible(joinAsCommand(peer, flags));
  const send = async (bytes: Uint8Array): Promise<void> => {
    const sent = await bus.publish(topic, bytes, { ...options, contentType: contentTypeOf(bytes) });
    if (context.json) await context.console.json(sentJson(topic, options, sent));
  };
  // What is under way may still arrive; what has found no reader yet is given up.
  const end = (): void => void bus.close();
  context.signal.addEventListener('abort', end, { once: true });
  if (context.signal.aborted) end();
  try {
    await (payload ? send(payload) : sendLines(context, send));
  } catch (error) {
    if (!context.signal.aborted) throw error;
    await bus.close();
    await context.interruptible(Promise.reject(error));
  }
}

function noReaders(topic: string): SealwireError {
  return new SealwireError(
    'roster-missing',
    `Without a roster nobody says who the readers of a topic are, such as of ${topic}.`,
    {
      hint: 'Name one with --to, or take the roster that says it: sealwire roster join.',
    },
  );
}

function publishOptions({
  to,
  retain,
  until,
  wait,
  qos,
  notary,
}: PublishFlags): PublishOptions & { readonly until: StoredUntil } {
  if (until === 'logged' && notary === undefined) {
    throw new SealwireError('usage', 'Without a notary nothing is logged: --until logged needs --notary.', {
      hint: 'Name the notary that listens in at this broker, as it is trusted here.',
    });
  }
  if (until === 'queued' && (to === undefined || qos === '0')) {
    throw new SealwireError('usage', 'Only what is for one reader, at --qos 1 or 2, is kept for later.', {
      hint: 'Name the reader with --to.',
    });
  }
  if (retain && to !== undefined) {
    throw new SealwireError('usage', 'What one reader alone can open is not kept for others.', {
      hint: 'Leave out --to for the topic’s channel, or --retain.',
    });
  }
  return {
    ...(to === undefined ? {} : { to }),
    ...(retain ? { retain } : {}),
    // What quality of service 0 loses nobody can wait for.
    until: until ?? (qos === '0' ? 'sent' : 'delivered'),
    ...(wait === undefined ? {} : { waitMs: wait === true ? Number.POSITIVE_INFINITY : wait }),
  };
}

function sentJson(
  topic: string,
  { to, until }: { readonly to?: string; readonly until: StoredUntil },
  { n, seq, logged }: Sent,
): Record<string, unknown> {
  return { event: until, topic, to: to ?? null, n, seq, entry: logged?.index ?? null };
}

/** The one message that the command line names; undefined for lines. */
async function onePayload(message: string | undefined, { line, file }: PublishFlags): Promise<Uint8Array | undefined> {
  const given = [message !== undefined, line === true, file !== undefined].filter(Boolean).length;
  if (given !== 1) {
    throw new SealwireError(
      'usage',
      given === 0 ? 'There is nothing to send.' : 'There is more than one thing to send.',
      { hint: 'Give a message, or --line for the lines of standard input, or --file.' },
    );
  }
  if (message !== undefined) return new TextEncoder().encode(message);
  return file === undefined ? undefined : readSmallFileBytes(file, { bytesMax: FRAME_BYTES_MAX });
}
