import type { Command } from 'commander';
import { SealwireError } from '../core/errors.ts';
import { startBroker } from '../node/broker.ts';
import type { BrokerTlsFiles } from '../node/broker-tls.ts';
import { diedError } from '../node/child-server.ts';
import type { BrokerKind } from '../node/running-broker.ts';
import { printable } from './console.ts';
import { aborted, type Context } from './context.ts';
import { notEmpty } from './program.ts';

interface BrokerFlags {
  readonly listen?: readonly string[];
  readonly embedded?: boolean;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly insecure?: boolean;
  readonly log?: boolean;
}

const NAMES: Readonly<Record<BrokerKind, string>> = {
  mosquitto: 'Mosquitto',
  aedes: 'The embedded broker (aedes, MQTT 3.1.1)',
};
const DEFAULT_ADDRESS = 'mqtt://127.0.0.1:1883';

const EXAMPLES = `
Examples:
  sealwire broker
  sealwire broker --listen mqtt://127.0.0.1:0 --listen ws://127.0.0.1:8080 --json
  sealwire broker --listen mqtts://0.0.0.0:8883 --cert identity.crt --key identity.key --ca clients.crt

Everything that it keeps is in memory. A broker is never trusted with content: it sees sizes, times and topics.`;

/** `broker`: a broker to try things with, or for a small site. */
export function registerBroker(program: Command, context: Context): void {
  program
    .command('broker')
    .description('run an MQTT broker: Mosquitto where it is installed, else one that is built in')
    .option(
      '--listen <address>',
      `where clients reach it: mqtt, mqtts, ws or wss://host:port; may be repeated (default: ${DEFAULT_ADDRESS})`,
      (value: string, before: readonly string[] = []) => [...before, notEmpty(value)],
    )
    .option('--embedded', 'the one that is built in, even where Mosquitto is installed')
    .option('--cert <file>', "the broker's certificate for mqtts and wss (PEM)", notEmpty)
    .option('--key <file>', 'the private key of that certificate (PEM)', notEmpty)
    .option('--ca <file>', 'let in only clients with a certificate from this file, or issued by one in it', notEmpty)
    .option('--insecure', 'listen beyond this machine although anyone who gets there may read and write everything')
    .option('--log', 'show what the broker itself says')
    .addHelpText('after', EXAMPLES)
    .action((flags: BrokerFlags) => brokerCommand(context, flags));
}

async function brokerCommand(context: Context, flags: BrokerFlags): Promise<void> {
  const { listen = [DEFAULT_ADDRESS], embedded = false, insecure = false } = flags;
  const tls = tlsFiles(flags);
  await using broker = await startBroker({
    listen,
    embedded,
    insecure,
    ...(tls ? { tls } : {}),
    ...(flags.log ? { onLog: (line) => context.console.note(printable(line)) } : {}),
  });
  const { kind, addresses } = broker;
  if (context.json) await context.console.json({ event: 'listening', kind, addresses });
  else context.console.note(`${NAMES[kind]} listens at ${addresses.join(' and ')}; Ctrl-C ends it.`);
  const exit = await Promise.race([aborted(context.signal), broker.exited]);
  if (exit) throw diedError(NAMES[kind], exit);
}

/** The files that the flags of a broker name for TLS; throws `usage` where one of a pair is missing. */
export function tlsFiles({ cert, key, ca }: Pick<BrokerFlags, 'cert' | 'key' | 'ca'>): BrokerTlsFiles | undefined {
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new SealwireError('usage', 'TLS needs --cert and --key, both of the broker.', {
      hint: 'A home has both: identity.crt and identity.key.',
    });
  }
  return { certificateFile: cert, keyFile: key, ...(ca === undefined ? {} : { clientsFile: ca }) };
}
