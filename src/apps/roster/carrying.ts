import type { Command } from 'commander';
import { SealwireError } from '../../core/errors.ts';
import { parseId } from '../../core/identity/id.ts';
import { ROSTER_BYTES_MAX } from '../../core/limits.ts';
import type { BrokerConnection } from '../../core/ports.ts';
import { checkRosterName } from '../../core/roster/roster-check.ts';
import type { RosterTrust } from '../../core/roster/succession.ts';
import { systemClock } from '../../node/clock.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { readSmallFileBytes } from '../../node/files.ts';
import { openHome } from '../../node/home.ts';
import { followRoster, publishRoster } from '../../roles/bus/roster-feed.ts';
import type { RosterKeeper } from '../../roles/roster-keeper.ts';
import { type BrokerFlags, brokerOptions, withBrokerFlags } from '../broker-flags.ts';
import { connectAs } from '../connect-broker.ts';
import { printable } from '../console.ts';
import type { Context } from '../context.ts';
import { openIdentity } from '../identity.ts';
import { notEmpty } from '../program.ts';
import { ownRoster } from './authority.ts';
import { writePublicFile } from './public-file.ts';
import { checkWithoutRoster, joinRosterFile, judgeRoster, keepRoster, rosterFile } from './taking.ts';
import { printRoster } from './views.ts';

type MaybeBrokerFlags = Omit<BrokerFlags, 'broker'> & { readonly broker?: string; readonly passphraseFile?: string };

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
  const { out, broker: url } = flags;
  if (out === undefined && url === undefined) {
    throw new SealwireError('usage', 'Name where the roster is to go.', { hint: '--broker URL, or --out FILE.' });
  }
  const { keeper, now } = await ownRoster(context.home);
  if (out !== undefined) await writePublicFile(out, rosterFile(keeper));
  if (url !== undefined) {
    await using broker = await connect(context, url, flags);
    await publishRoster(broker, keeper);
  }
  const { name, version } = now;
  const at = [out, url].filter((place) => place !== undefined);
  if (context.json) await context.console.json({ event: 'published', name, version, at });
  else context.console.note(printable(`Version ${version} of the roster ${name} is at ${at.join(' and at ')}.`));
}

async function join(context: Context, file: string | undefined, flags: JoinFlags): Promise<void> {
  const { broker, name } = flags;
  if ((file === undefined) === (broker === undefined) || (broker === undefined) !== (name === undefined)) {
    throw new SealwireError('usage', 'A roster comes from a file, or from a --broker by its --name.', {
      hint: 'sealwire roster join FILE --authority SHA256:…, or --broker URL --name NAME in the place of FILE.',
    });
  }
  const authorityId = parseId(flags.authority);
  const keeper =
    file === undefined
      ? await joinAtBroker(context, flags, broker ?? '', { name: name ?? '', authorityId })
      : await joinRosterFile(
          await openHome(context.home),
          authorityId,
          await readSmallFileBytes(file, { bytesMax: FILE_BYTES_MAX }),
        );
  if (keeper.current) await printRoster(keeper.current, context);
}

/** Throws `roster-missing` where the broker has none of that name, and what is wrong with the one that it shows. */
async function joinAtBroker(
  context: Context,
  flags: JoinFlags,
  url: string,
  trust: RosterTrust,
): Promise<RosterKeeper> {
  const home = await openHome(context.home);
  await checkWithoutRoster(home);
  checkRosterName(trust.name);
  const keeper = await judgeRoster(trust);
  await using broker = await connect(context, url, flags);
  let refused: SealwireError | undefined;
  const following = followRoster(broker, keeper, systemClock, (error) => {
    refused ??= error;
  });
  await context.interruptible(following);
  if (keeper.failure) throw keeper.failure;
  if (!keeper.current) {
    const sentence = `The broker ${broker.remote} shows no roster ${trust.name}.`;
    const hint = 'Have whoever holds it put it there: sealwire roster publish --broker URL.';
    throw refused ?? new SealwireError('roster-missing', sentence, { hint });
  }
  // Anybody at the broker can show something else beside it.
  if (refused) context.console.note(printable(`${refused.message} [${refused.code}]`));
  await keepRoster(home, trust, keeper);
  return keeper;
}

async function connect(context: Context, url: string, flags: MaybeBrokerFlags): Promise<BrokerConnection> {
  const { passphraseFile } = flags;
  const identity = await openIdentity(context.home, { nowMs: Date.now(), passphraseFile });
  const { qos: _, ...access } = await brokerOptions(flags);
  return context.interruptible(connectAs(identity, url, { clock: systemClock, crypto: nodeCrypto }, access));
}
