import type { Command } from 'commander';
import { checkFilter } from '../core/topic.ts';
import type { BusMessage } from '../roles/bus/bus.ts';
import { type BusFlags, joinAsCommand, openAsCommand, withBusFlags } from './bus-flags.ts';
import { printable } from './console.ts';
import type { Context } from './context.ts';
import { duration } from './duration.ts';
import { messageJson, messageText } from './message-output.ts';
import type { SealwireBus } from './open-bus.ts';
import { notEmpty, wholeNumber } from './program.ts';

interface SubscribeFlags extends BusFlags {
  readonly count?: number;
  /** Milliseconds. */
  readonly keep?: number;
  readonly clientId?: string;
}

const EXAMPLES = `
Examples:
  sealwire sub 'plant/+/temperature' 'plant/#' --broker mqtts://broker.example:8883
  sealwire sub 'plant/#' --keep 24h
  sealwire sub '#' --count 1 --json`;

/** `sub`: reads what is published on topics, through any MQTT broker. */
export function registerSub(program: Command, context: Context): void {
  const command = program
    .command('sub')
    .description('print the messages that trusted peers seal for this one')
    .argument('<filters...>', 'topic filters, for example plant/+/temperature or plant/#')
    .option('--keep <time>', 'have the broker keep for so long what comes while this command is not running', duration)
    .option(
      '--client-id <id>',
      'with --keep: which of several readers of this identity, each in a home of its own, it is',
      notEmpty,
    )
    .option('--count <messages>', 'end after so many', wholeNumber(1, Number.MAX_SAFE_INTEGER));
  withBusFlags(command)
    .addHelpText('after', EXAMPLES)
    .action((filters: string[], flags: SubscribeFlags) => subscribe(context, filters, flags));
}

async function subscribe(context: Context, filters: readonly string[], flags: SubscribeFlags): Promise<void> {
  for (const filter of filters) checkFilter(filter);
  await using peer = await context.interruptible(openAsCommand(context, flags, 'reader'));
  const { keep, clientId } = flags;
  const kept = keep === undefined ? {} : { keepSessionS: Math.ceil(keep / 1000) };
  const named = clientId === undefined ? {} : { clientId };
  await using bus = await context.interruptible(joinAsCommand(peer, flags, { filters, ...kept, ...named }));
  if (context.json) await context.console.json({ event: 'subscribed', broker: bus.remote, filters });
  else
    context.console.note(printable(`${peer.name} listens to ${filters.join(' ')} at ${bus.remote}; Ctrl-C ends it.`));
  const end = (): void => void bus.close();
  context.signal.addEventListener('abort', end, { once: true });
  if (context.signal.aborted) end();
  let left = flags.count ?? Number.POSITIVE_INFINITY;
  for await (const message of bus) {
    // What was not printed yet comes again: asking for the next one acknowledges it.
    if (await print(context, bus, message)) left -= 1;
    if (left === 0) break;
  }
}

/** A message on another topic than those asked for was sealed for this peer all the same: it is told, not printed. */
async function print(context: Context, bus: SealwireBus, message: BusMessage): Promise<boolean> {
  const { topic, from, senderId } = message;
  if (topic === null || !bus.isSubscribed(topic)) {
    context.console.note(printable(`${from} sent a message on ${topic ?? 'no topic'}, which is not subscribed to.`));
    return false;
  }
  if (context.json) await context.console.json(messageJson({ name: from, id: senderId }, message));
  else await context.console.line(printable(`${topic} ${from}: ${messageText(message)}`));
  return true;
}
