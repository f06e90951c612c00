import type { Command } from 'commander';
import { SealwireError } from '../core/errors.ts';
import { formatId } from '../core/identity/id.ts';
import { startBroker } from '../node/broker.ts';
import { diedError } from '../node/child-server.ts';
import { systemClock } from '../node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { readSmallFile } from '../node/files.ts';
import { readPassphrase } from '../node/passphrase.ts';
import type { RunningBroker } from '../node/running-broker.ts';
import { SqliteTokens } from '../node/sqlite-tokens.ts';
import { EnrolmentDesk } from '../roles/enrolment/desk.ts';
import { type AuthorityHome, FIRST_CHANNEL, openAuthorityHome, tokensFile } from './authority-home.ts';
import { tlsFiles } from './broker.ts';
import { type BrokerAccess, connectAs } from './connect-broker.ts';
import { printable } from './console.ts';
import { aborted, type Context } from './context.ts';
import { duration } from './duration.ts';
import { HomeAuthority } from './enrolment-authority.ts';
import { runNotary } from './notary.ts';
import { notEmpty, wholeNumber } from './program.ts';
import { ownRoster } from './roster/authority.ts';
import { Seldom } from './seldom.ts';
import { collectNames, issueToken, printToken, TOKEN_LIFE_MS, tokenPattern } from './token.ts';

interface UpFlags {
  readonly listen?: readonly string[];
  readonly notary: string;
  readonly name: string;
  readonly token?: readonly string[];
  readonly expires: number;
  readonly days: number;
  readonly embedded?: boolean;
  readonly insecure?: boolean;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly passphraseFile?: string;
}

const DEFAULT_ADDRESS = 'mqtt://127.0.0.1:1883';
const DEFAULT_NAME = 'home';
/** A device that is there once in that time renews by itself. */
const DEVICE_DAYS = 365;

const EXAMPLES = `
Examples:
  sealwire up --token sensor-7 --token operator
  sealwire --home /srv/sealwire up --listen mqtts://0.0.0.0:8883 --cert broker.crt --key broker.key --insecure

On its first run it makes an authority, its roster and a notary in the home; later runs go on with them. Each token is
printed once. --insecure lets everybody connect; without a token nobody gets in, and nobody reads what is not theirs.`;

/** `up`: a broker, a notary and an authority in one process. */
export function registerUp(program: Command, context: Context): void {
  program
    .command('up')
    .description('run all that devices need in one process: a broker, a notary, and an authority that enrols them')
    .option(
      '--token <name>',
      'print a token for this device; may be repeated, sensor-* lets it choose',
      collectPatterns,
    )
    .option('--expires <time>', 'how long these tokens can be used, like 30m, 1h or 7d', duration, TOKEN_LIFE_MS)
    .option('--name <name>', 'what authority and roster are called, on the first run', notEmpty, DEFAULT_NAME)
    .option('--days <days>', 'how long certificates of devices are valid', wholeNumber(1, 3650), DEVICE_DAYS)
    .option(
      '--listen <address>',
      `where clients reach the broker: mqtt, mqtts, ws or wss://host:port; may be repeated (default: ${DEFAULT_ADDRESS})`,
      collectNames,
    )
    .option('--notary <address>', 'where peers reach the notary beside the broker', notEmpty, 'tcp://127.0.0.1:0')
    .option('--embedded', 'the broker that is built in, even where Mosquitto is installed')
    .option('--cert <file>', "the broker's certificate for mqtts and wss (PEM)", notEmpty)
    .option('--key <file>', 'the private key of that certificate (PEM)', notEmpty)
    .option('--ca <file>', 'let in only clients with a certificate from this file, or issued by one in it', notEmpty)
    .option('--insecure', 'listen beyond this machine although anyone who gets there may connect')
    .option('--passphrase-file <file>', "protect the keys with this file's first line, and open them by it", notEmpty)
    .addHelpText('after', EXAMPLES)
    .action((flags: UpFlags) => upCommand(context, flags));
}

function collectPatterns(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, tokenPattern(value)];
}

async function upCommand(context: Context, flags: UpFlags): Promise<void> {
  const { listen = [DEFAULT_ADDRESS], embedded = false, insecure = false, name } = flags;
  const passphrase = flags.passphraseFile === undefined ? undefined : await readPassphrase(flags.passphraseFile);
  const opening = passphrase === undefined ? {} : { passphrase };
  const own = await openAuthorityHome({ directory: context.home, name, nowMs: systemClock.now(), ...opening });
  const tls = tlsFiles(flags);
  await using broker = await startBroker({ listen, embedded, insecure, ...(tls ? { tls } : {}) });
  const access = {
    url: urlOf(broker),
    ...(flags.cert === undefined ? {} : { tls: { ca: await readSmallFile(flags.cert) } }),
  };
  const trouble = new Seldom(
    () => systemClock.elapsed(),
    (sentence) => context.console.note(sentence),
  );
  const tell = (error: SealwireError, who: string): void =>
    trouble.say(printable(`${who}: ${error.message} [${error.code}]`), error.code);
  await using notary = await runNotary({
    home: context.home,
    ...opening,
    address: flags.notary,
    broker: access,
    events: { onTrouble: tell },
  });
  await using _ = await openDesk(context, own, { ...access, validDays: flags.days, onRefused: tell });
  await announce(context, own, broker, notary.address);
  for (const pattern of flags.token ?? []) {
    const request = { pattern, channels: [FIRST_CHANNEL], lifeMs: flags.expires, nowMs: systemClock.now() };
    await printToken(context, await issueToken(context.home, request));
  }
  const died = broker.exited.then((exit) => diedError('The broker', exit));
  const failure = await Promise.race([aborted(context.signal), died, notary.notary.failed]);
  if (failure !== undefined) throw failure;
}

interface DeskFlags extends BrokerAccess {
  readonly url: string;
  readonly validDays: number;
  readonly onRefused: (error: SealwireError, who: string) => void;
}

async function openDesk(
  context: Context,
  own: AuthorityHome,
  { url, validDays, onRefused, ...access }: DeskFlags,
): Promise<AsyncDisposable> {
  await using opening = new AsyncDisposableStack();
  const shared = { crypto: nodeCrypto, clock: systemClock };
  const broker = opening.use(await connectAs(own.notary, url, shared, access));
  const authority = new HomeAuthority(own, { clock: systemClock, broker, validDays });
  await authority.publish();
  const tokens = opening.use(new SqliteTokens(tokensFile(context.home)));
  opening.use(
    await EnrolmentDesk.open({
      ...shared,
      verifierOf: nodeVerifier,
      broker,
      tokens,
      authority,
      onEnrolled: ({ name, id }, how) => {
        const word = how === 'token' ? 'enrolled' : 'has a new certificate';
        context.console.note(printable(`${name} (${formatId(id)}) ${word}.`));
      },
      onRefused: (error) => onRefused(error, 'Enrolment'),
    }),
  );
  return opening.move();
}

function urlOf({ urls, addresses }: RunningBroker): string {
  const url = urls.mqtt ?? addresses[0];
  if (url === undefined) throw new SealwireError('internal', 'The broker listens nowhere.');
  return url;
}

async function announce(context: Context, own: AuthorityHome, broker: RunningBroker, notary: string): Promise<void> {
  const { authority, directory } = own;
  const { now } = await ownRoster(directory);
  const id = formatId(authority.id);
  const { addresses } = broker;
  const roster = { name: now.name, version: now.version };
  if (context.json) {
    await context.console.json({ event: 'listening', addresses, notary, authority: id, roster });
    return;
  }
  context.console.note(`Broker, notary and authority are up at ${addresses.join(' and ')}; Ctrl-C ends them.`);
  context.console.note(
    printable(`The authority is ${authority.name} (${id}); its roster is at version ${roster.version}.`),
  );
}
