import type { Command } from 'commander';
import { SealwireError } from '../../core/errors.ts';
import { parseId } from '../../core/identity/id.ts';
import { ROSTER_BYTES_MAX } from '../../core/limits.ts';
import type { BrokerConnection } from '../../core/ports.ts';
import { decodeRoster } from '../../core/roster/signed-roster.ts';
import { systemClock } from '../../node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../../node/crypto.ts';
import { readSmallFileBytes } from '../../node/files.ts';
import { openHome } from '../../node/home.ts';
import { RosterFiles, readRosterTrust, writeRosterTrust } from '../../node/roster-files.ts';
import { followRoster, publishRoster } from '../../roles/bus/roster-feed.ts';
import { RosterKeeper } from '../../roles/roster-keeper.ts';
import { type BrokerFlags, brokerOptions, withBrokerFlags } from '../broker-flags.ts';
import { connectAs } from '../connect-broker.ts';
import { printable } from '../console.ts';
import type { Context } from '../context.ts';
import { openIdentity } from '../identity.ts';
import { notEmpty } from '../program.ts';
import { type AuthorityFlags, joinRoster, ownRoster, readRosterFile, rosterFile } from './authority.ts';
import { writePublicFile } from './public-file.ts';
import { printRoster } from './views.ts';

type MaybeBrokerFlags = Omit<BrokerFlags, 'broker'> & { readonly broker?: string } & AuthorityFlags;

/** Versions of a roster file are read up to so many bytes together. */
const FILE_BYTES_MAX: number = 512 * ROSTER_BYTES_MAX;

/** `roster publish` and `roster join`: how a roster comes to its members. */
export function registerRosterCarrying(roster: Command, context: Context): void {
  withBrokerFlags(
    roster
      .command('publish')
      .description('have a broker keep the roster for its members, or write it to a file')
      .option('--out <file>', 'a file with every version', notEmpty)
      .option('--passphrase-file <file>', 'a file whose first line opens the private key', notEmpty),
    null,
  ).action((flags: MaybeBrokerFlags & { readonly out?: string }) => publish(context, flags));
  withBrokerFlags(
    roster
      .command('join')
      .description('go by a roster: its authority’s word decides whom this home writes to and reads')
      .argument('[file]', 'as `roster publish --out` wrote it; or name a --broker', notEmpty)
      .requiredOption('--authority <id>', 'SHA256:…, compared with whoever runs the authority', notEmpty)
      .option('--name <name>', 'of the roster, where a broker has it', notEmpty)
      .option('--passphrase-file <file>', 'a file whose first line opens the private key', notEmpty),
    null,
  ).action((file: string | undefined, flags: JoinFlags) => join(context, file, flags));
}

interface JoinFlags extends MaybeBrokerFlags {
  readonly authority: string;
  readonly name?: string;
}

async function publish(context: Context, flags: MaybeBrokerFlags & { readonly out?: string }): Promise<void> {
  const { keeper, now } = await ownRoster(context.home);
  if (flags.out === undefined && flags.broker === undefined) {
    throw new SealwireError('usage', 'Name where the roster is to go.', { hint: '--broker URL, or --out FILE.' });
  }
  if (flags.out !== undefined) await writePublicFile(flags.out, rosterFile(keeper));
  if (flags.broker !== undefined) {
    await using broker = await connect(context, flags.broker, flags);
    await publishRoster(broker, keeper);
  }
  const { name, version } = now;
  const at = flags.broker ?? flags.out ?? '';
  if (context.json) await context.console.json({ event: 'published', name, version, at });
  else context.console.note(`Version ${version} of the roster ${name} is at ${at}.`);
}

async function join(context: Context, file: string | undefined, flags: JoinFlags): Promise<void> {
  const home = await openHome(context.home);
  const authorityId = parseId(flags.authority);
  if (await readRosterTrust(home)) {
    throw new SealwireError('usage', 'This home goes by a roster already.', {
      hint: 'Newer versions come by themselves, through the broker.',
    });
  }
  const keeper =
    file === undefined
      ? await joinAtBroker(context, flags, authorityId)
      : await joinRoster(home, ...(await readFile(file, authorityId)));
  if (!keeper.current)
    throw new SealwireError('roster-missing', `There is no roster in ${file ?? flags.broker ?? ''}.`);
  await printRoster(keeper.current, context);
}

async function readFile(
  file: string,
  authorityId: Uint8Array,
): Promise<[trust: { readonly name: string; readonly authorityId: Uint8Array }, versions: Uint8Array[]]> {
  const versions = readRosterFile(await readSmallFileBytes(file, { bytesMax: FILE_BYTES_MAX }));
  const [first] = versions;
  if (!first) throw new SealwireError('malformed', `${file} holds no roster.`);
  return [{ name: decodeRoster(nodeCrypto, first).name, authorityId }, versions];
}

async function joinAtBroker(context: Context, flags: JoinFlags, authorityId: Uint8Array): Promise<RosterKeeper> {
  const { broker: url, name } = flags;
  if (url === undefined || name === undefined) {
    throw new SealwireError('usage', 'A roster comes from a file, or from a --broker by its --name.');
  }
  const home = await openHome(context.home);
  const store = new RosterFiles(home);
  const keeper = await RosterKeeper.open({ name, authorityId, store, crypto: nodeCrypto, verifierOf: nodeVerifier });
  await using broker = await connect(context, url, flags);
  const tell = (error: SealwireError): void => context.console.note(printable(`${error.message} [${error.code}]`));
  await context.interruptible(followRoster(broker, keeper, systemClock, tell));
  if (keeper.current) await writeRosterTrust(home, { name, authorityId });
  return keeper;
}

async function connect(context: Context, url: string, flags: MaybeBrokerFlags): Promise<BrokerConnection> {
  const { passphraseFile } = flags;
  const identity = await openIdentity(context.home, { nowMs: Date.now(), passphraseFile });
  const { qos: _, ...access } = await brokerOptions(flags);
  return context.interruptible(connectAs(identity, url, { clock: systemClock, crypto: nodeCrypto }, access));
}
