import { type Command, Option } from 'commander';
import { SealwireError } from '../core/errors.ts';
import type { Qos } from '../core/ports.ts';
import { readSmallFile } from '../node/files.ts';
import type { BrokerAccess } from './connect-broker.ts';
import { notEmpty } from './program.ts';

/** What every command at a broker may be told. */
export interface BrokerFlags {
  readonly broker: string;
  readonly qos: '0' | '1' | '2';
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly mqtt?: '3.1.1' | '5';
}

/** Where a broker is unless told. */
const BROKER_URL = 'mqtt://127.0.0.1:1883';

/** Adds the options of {@link BrokerFlags}; `broker` is the default of `--broker`, null for none. */
export function withBrokerFlags(command: Command, broker: string | null = BROKER_URL): Command {
  const url = new Option('--broker <url>', 'where the broker is: mqtt://host:port, mqtts, ws or wss').argParser(
    notEmpty,
  );
  return command
    .addOption(broker === null ? url : url.default(broker))
    .addOption(
      new Option('--qos <level>', 'quality of service to and from the broker: 0 repairs no losses')
        .choices(['0', '1', '2'])
        .default('1'),
    )
    .option('--ca <file>', 'PEM; who vouches for the broker (default: the authorities of this machine)', notEmpty)
    .option('--cert <file>', "PEM; shown to the broker (default: this home's own certificate)", notEmpty)
    .option('--key <file>', 'PEM; the key of --cert', notEmpty)
    .option('--username <name>', 'for brokers that ask for one', notEmpty)
    .option('--password-file <file>', 'a file whose first line is the password', notEmpty)
    .addOption(new Option('--mqtt <version>', 'speak this version only').choices(['3.1.1', '5']));
}

/** What the flags mean for joining a broker; throws `usage`, and `file-unreadable` and others for the files. */
export async function brokerOptions(flags: Omit<BrokerFlags, 'broker'>): Promise<BrokerAccess & { readonly qos: Qos }> {
  const { ca, cert, key, username, passwordFile, mqtt } = flags;
  if ((cert === undefined) !== (key === undefined)) {
    throw new SealwireError('usage', '--cert and --key go together: a certificate, and the key that it is for.', {
      hint: "Leave out both to show this home's own certificate.",
    });
  }
  const tls = {
    ...(ca === undefined ? {} : { ca: await readSmallFile(ca) }),
    ...(cert === undefined ? {} : { cert: await readSmallFile(cert) }),
    ...(key === undefined ? {} : { key: await readSmallFile(key, { secret: true }) }),
  };
  return {
    qos: Number(flags.qos) as Qos,
    tls,
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password: await firstLine(passwordFile) }),
    ...(mqtt === undefined ? {} : { protocolVersion: mqtt === '5' ? 5 : 4 }),
  };
}

async function firstLine(file: string): Promise<string> {
  const [line = ''] = (await readSmallFile(file, { secret: true })).split(/\r?\n/, 1);
  return line;
}
