import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { SealwireError } from '../core/errors.ts';
import { checkFilter, checkTopic } from '../core/topic.ts';
import { readPassphrase } from '../node/passphrase.ts';
import type { BusMessage } from '../roles/bus/bus.ts';
import type { SendUntil } from '../roles/send-queue.ts';
import { type BrokerFlags, brokerOptions, withBrokerFlags } from './broker-flags.ts';
import { printable } from './console.ts';
import type { Context } from './context.ts';
import { duration } from './duration.ts';
import { eventSentence } from './event-sentence.ts';
import { sendLines } from './lines.ts';
import { messageJson, TEXT_TYPE, textOf } from './message-output.ts';
import type { SealwireBus } from './open-bus.ts';
import { openPeer, type SealwirePeer } from './open-peer.ts';
import { notEmpty, wholeNumber } from './program.ts';
import { EXIT } from './report.ts';

interface BusFlags extends BrokerFlags {
  readonly notary?: string;
  readonly passphraseFile?: string;
}

interface PublishFlags extends BusFlags {
  readonly to: string;
  readonly line?: boolean;
  readonly file?: string;
  readonly until?: SendUntil;
  /** Milliseconds; true without a time: for good. */
  readonly wait?: number | true;
}

interface SubscribeFlags extends BusFlags {
  readonly count?: number;
}

/** `pub` and `sub`: messages on topics, through any MQTT broker. */
export function registerBus(program: Command, context: Context): void {
  withBusFlags(program.command('pub').description('seal a message for one reader and publish it on a topic'))
    .argument('<topic>', 'an application topic, for example plant/line1/temperature', notEmpty)
    .argument('[message]', 'what to send; or use --line or --file')
    .requiredOption('--to <name>', 'the reader, by the name it is trusted under', notEmpty)
    .option('--line', 'send each line of standard input as a message')
    .option('--file <file>', 'send what this file holds as one message', notEmpty)
    .addOption(
      new Option('--until <stage>', 'wait until each message is sent, delivered or logged').choices([
        'sent',
        'delivered',
        'logged',
      ]),
    )
    .option('--wait [time]', 'a reader that does not answer is waited for, so long or for good', duration)
    .addHelpText(
      'after',
      '\nA reader that does not answer ends it with [peer-offline], exit code 4, unless --wait says otherwise.',
    )
    .action((topic: string, message: string | undefined, flags: PublishFlags) =>
      publish(context, topic, message, flags),
    );
  withBusFlags(program.command('sub').description('print the messages that trusted peers seal for this one'))
    .argument('<filters...>', 'topic filters, for example plant/+/temperature or plant/#')
    .option('--count <messages>', 'end after so many', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .action((filters: string[], flags: SubscribeFlags) => subscribe(context, filters, flags));
}

function withBusFlags(command: Command): Command {
  return withBrokerFlags(command)
    .option('--notary <name>', 'log with the notary at the same broker, by the name it is trusted under', notEmpty)
    .option('--passphrase-file <file>', 'a file whose first line opens the private key', notEmpty);
}

async function open(context: Context, flags: BusFlags): Promise<SealwirePeer> {
  const passphrase = flags.passphraseFile === undefined ? undefined : await readPassphrase(flags.passphraseFile);
  return openPeer({
    home: context.home,
    ...(passphrase === undefined ? {} : { passphrase }),
    onEvent: (event) => {
      if (event.type === 'not-logged') process.exitCode = EXIT.notary;
      const sentence = eventSentence(event);
      if (sentence) context.console.note(printable(sentence));
    },
  });
}

async function join(peer: SealwirePeer, flags: BusFlags): Promise<SealwireBus> {
  const options = await brokerOptions(flags);
  return peer.join(flags.broker, { ...options, ...(flags.notary === undefined ? {} : { notary: flags.notary }) });
}

async function publish(
  context: Context,
  topic: string,
  message: string | undefined,
  flags: PublishFlags,
): Promise<void> {
  checkTopic(topic);
  const payload = await onePayload(message, flags);
  await using peer = await context.interruptible(open(context, flags));
  await using bus = await context.interruptible(join(peer, flags));
  const { to, wait, qos } = flags;
  const options = {
    to,
    contentType: TEXT_TYPE,
    // What quality of service 0 loses nobody can wait for.
    until: flags.until ?? (qos === '0' ? 'sent' : 'delivered'),
    ...(wait === undefined ? {} : { waitMs: wait === true ? Number.POSITIVE_INFINITY : wait }),
  } as const;
  if (payload) {
    const { n, logged } = await context.interruptible(bus.publish(topic, payload, options));
    if (context.json) await context.console.json({ event: options.until, topic, to, n, entry: logged?.index ?? null });
    return;
  }
  await publishLines(context, (line) => bus.publish(topic, line, options));
}

/** Lines leave as fast as they are read, so that they may share frames; each is waited for in the end. */
async function publishLines(context: Context, send: (line: Uint8Array) => Promise<unknown>): Promise<void> {
  const underWay = new Set<Promise<unknown>>();
  let failure: unknown;
  await sendLines(context, async (line) => {
    if (failure !== undefined) throw failure;
    const sending = send(line)
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => underWay.delete(sending));
    underWay.add(sending);
    if (underWay.size >= LINES_UNDER_WAY_MAX) await Promise.race(underWay);
  });
  await Promise.all(underWay);
  if (failure !== undefined) throw failure;
}

const LINES_UNDER_WAY_MAX = 1024;

/** The one message that the command line names; undefined for lines. */
async function onePayload(message: string | undefined, { line, file }: PublishFlags): Promise<Uint8Array | undefined> {
  const given = [message !== undefined, line === true, file !== undefined].filter(Boolean).length;
  if (given !== 1) {
    throw new SealwireError(
      'usage',
      given === 0 ? 'There is nothing to send.' : 'There is more than one thing to send.',
      {
        hint: 'Give a message, or --line for the lines of standard input, or --file.',
      },
    );
  }
  if (message !== undefined) return new TextEncoder().encode(message);
  return file === undefined ? undefined : readFile(file);
}

async function subscribe(context: Context, filters: readonly string[], flags: SubscribeFlags): Promise<void> {
  for (const filter of filters) checkFilter(filter);
  await using peer = await context.interruptible(open(context, flags));
  const bus = await context.interruptible(join(peer, flags));
  for (const filter of filters) await context.interruptible(bus.subscribe(filter));
  if (context.json) await context.console.json({ event: 'subscribed', broker: bus.remote, filters });
  else
    context.console.note(printable(`${peer.name} listens to ${filters.join(' ')} at ${bus.remote}; Ctrl-C ends it.`));
  const end = (): void => void bus.close();
  context.signal.addEventListener('abort', end, { once: true });
  if (context.signal.aborted) end();
  let left = flags.count ?? Number.POSITIVE_INFINITY;
  for await (const message of bus) {
    if (await print(context, bus, message)) left -= 1;
    if (left === 0) break;
  }
  await bus.close();
}

/** A message on another topic than those asked for was sealed for this peer all the same: it is told, not printed. */
async function print(context: Context, bus: SealwireBus, message: BusMessage): Promise<boolean> {
  const { topic, from, senderId } = message;
  if (topic === null || !bus.isSubscribed(topic)) {
    context.console.note(printable(`${from} sent a message on ${topic ?? 'no topic'}, which is not subscribed to.`));
    return false;
  }
  if (context.json) await context.console.json(messageJson({ name: from, id: senderId }, message));
  else await context.console.line(printable(`${topic} ${from}: ${textOf(message)}`));
  return true;
}
