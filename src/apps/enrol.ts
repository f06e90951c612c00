import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { parseToken } from '../core/enrolment/token.ts';
import { SealwireError } from '../core/errors.ts';
import { systemClock } from '../node/clock.ts';
import { nodeCrypto } from '../node/crypto.ts';
import { readPassphrase } from '../node/passphrase.ts';
import { type BrokerFlags, brokerOptions, withBrokerFlags } from './broker-flags.ts';
import { connectAs } from './connect-broker.ts';
import type { Context } from './context.ts';
import { duration } from './duration.ts';
import { enrolHome, openEnrollingHome } from './enrolling-home.ts';
import { showIdentity } from './identity.ts';
import { printIdentity } from './identity-view.ts';
import { notEmpty } from './program.ts';

interface EnrolFlags extends BrokerFlags {
  readonly name?: string;
  readonly passphraseFile?: string;
  /** Milliseconds. */
  readonly wait: number;
}

const WAIT_MS = 30_000;

const EXAMPLES = `
Examples:
  sealwire enrol sealwire-enrol:AbCd… --name sensor-7 --broker mqtt://broker.example:1883
  sealwire enrol - --name sensor-7 < token.txt

The device makes its own key, which never leaves it, and the token is not sent either. Whoever is cut in between runs it
again with the same home: the token is that key's then, and nobody else's.`;

/** `enrol`: a device gets its certificate and its roster by a token. */
export function registerEnrol(program: Command, context: Context): void {
  const command = program
    .command('enrol')
    .description('join with a token: make a key, and have the authority certify it')
    .argument('<token>', 'as `sealwire up` or `sealwire token` printed it; - reads it from standard input', notEmpty)
    .option('--name <name>', 'what this device is called (default: that of the home)', notEmpty)
    .option('--wait <time>', 'how long to wait for the authority', duration, WAIT_MS)
    .option('--passphrase-file <file>', "protect a new key with this file's first line, or open one with it", notEmpty);
  withBrokerFlags(command)
    .addHelpText('after', EXAMPLES)
    .action((token: string, flags: EnrolFlags) => enrolCommand(context, token, flags));
}

async function enrolCommand(context: Context, text: string, flags: EnrolFlags): Promise<void> {
  const token = parseToken(nodeCrypto, text === '-' ? await firstLine() : text);
  const passphrase = flags.passphraseFile === undefined ? undefined : await readPassphrase(flags.passphraseFile);
  const nowMs = systemClock.now();
  const { qos: _, ...access } = await brokerOptions(flags);
  const enrolling = await openEnrollingHome(context.home, { name: flags.name, passphrase, nowMs });
  const parts = { clock: systemClock, crypto: nodeCrypto };
  await using broker = await context.interruptible(connectAs(enrolling.identity, flags.broker, parts, access));
  const { current } = await context.interruptible(
    enrolHome(enrolling, { token, broker, clock: systemClock, waitMs: flags.wait }),
  );
  const view = await showIdentity(enrolling.home, nowMs);
  const channels = current?.channels.filter(({ writers, readers }) => [...writers, ...readers].includes(view.name));
  const roster = { name: current?.name, version: current?.version, channels: channels?.map(({ name }) => name) };
  if (context.json) return context.console.json({ ...view, roster });
  await printIdentity(view, context);
  await context.console.line(`roster       ${roster.name}, version ${roster.version}`);
  await context.console.line(`channels     ${roster.channels?.join(', ') || 'none yet'}`);
}

async function firstLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line;
  throw new SealwireError('usage', 'There is no token on standard input.');
}
