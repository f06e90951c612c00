import type { Command } from 'commander';
import { SealwireError } from '../../core/errors.ts';
import { formatId, identityId, parseId } from '../../core/identity/id.ts';
import type { RosterMember, SignedRoster } from '../../core/roster/roster.ts';
import { rosterDiff } from '../../core/roster/roster-diff.ts';
import {
  addMember,
  changeChannel,
  memberNamed,
  type RosterContent,
  removeChannel,
  removeMember,
  replaceMember,
  revoke,
} from '../../core/roster/roster-edit.ts';
import { decodeRoster } from '../../core/roster/signed-roster.ts';
import { readCertificates } from '../../node/certificates.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { readSmallFileBytes } from '../../node/files.ts';
import type { LoadedIdentity } from '../../node/home.ts';
import { printable } from '../console.ts';
import type { Context } from '../context.ts';
import { openIdentity } from '../identity.ts';
import { notEmpty, wholeNumber } from '../program.ts';
import { beginRosterAs, editRosterAs, ownRoster, type RosterEdit } from './authority.ts';
import { registerRosterCarrying } from './carrying.ts';
import { type ChannelFlags, channelChange, withChannelFlags } from './channel-flags.ts';
import { printRoster, rosterJson } from './views.ts';

interface AuthorityFlags {
  readonly passphraseFile?: string;
}

/** `roster`: who may write and read what, as its authority signs it. */
export function registerRoster(program: Command, context: Context): void {
  const roster = program.command('roster').description('who may write and read what, signed by an authority');
  registerInit(roster, context);
  registerShow(roster, context);
  registerMembers(roster, context);
  registerChannel(roster, context);
  registerRevoke(roster, context);
  registerHandover(roster, context);
  registerRosterCarrying(roster, context);
}

function withPassphrase(command: Command): Command {
  return command.option('--passphrase-file <file>', 'a file whose first line opens the private key', notEmpty);
}

function registerInit(roster: Command, context: Context): void {
  withPassphrase(
    roster
      .command('init')
      .description('begin a roster; the identity of this home is its authority, and its first member')
      .argument('<name>', 'what the roster is called, for example works', notEmpty),
  ).action(async (name: string, flags: AuthorityFlags) => {
    const identity = await identityOf(context, flags);
    const begun = await beginRosterAs(identity, context.home, name);
    await printRoster(begun, context);
    if (!context.json) {
      context.console.note(
        `\nMembers join with: sealwire roster join FILE --authority ${formatId(begun.signerId)}\n` +
          'The file comes from: sealwire roster publish --out FILE',
      );
    }
  });
}

function registerShow(roster: Command, context: Context): void {
  roster
    .command('show')
    .description('print the roster that this home goes by')
    .argument('[version]', 'an earlier version, by its number', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .action(async (version: number | undefined) => {
      await printRoster(await versionOf(context.home, version), context);
    });
  roster
    .command('diff')
    .description('print what changed between two versions')
    .argument('<before>', 'the number of a version', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .argument('[after]', 'the number of a later one (default: the newest)', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .action(async (before: number, after: number | undefined) => {
      const differences = rosterDiff(await versionOf(context.home, before), await versionOf(context.home, after));
      for (const difference of differences) {
        const { sign, what } = difference;
        await (context.json ? context.console.json(difference) : context.console.line(printable(`${sign} ${what}`)));
      }
    });
}

interface AddFlags extends AuthorityFlags {
  readonly ca?: string;
  readonly pattern?: string;
  readonly replace?: boolean;
}

function registerMembers(roster: Command, context: Context): void {
  withPassphrase(
    roster
      .command('add')
      .description('add a member: an identity, or all whose certificates an authority issued')
      .argument('<name>', 'what channels call it', notEmpty)
      .argument('[id-or-file]', 'SHA256:… as `sealwire id` prints it, or a certificate file', notEmpty)
      .option('--ca <file>', 'the certificate of an authority, for all to whom it issued one', notEmpty)
      .option('--pattern <pattern>', 'of their names, with * for any characters (default: *)', notEmpty)
      .option('--replace', 'put this key in the place of the one that the member had, which counts no more'),
  ).action(async (name: string, subject: string | undefined, flags: AddFlags) => {
    const edit = await additionOf(name, subject, flags);
    await change(context, flags, edit);
  });
  withPassphrase(
    roster
      .command('remove')
      .description('remove a member: what follows is sealed with keys that it does not get')
      .argument('<name>', 'as `roster show` prints it', notEmpty),
  ).action(async (name: string, flags: AuthorityFlags) => {
    await change(context, flags, (before) => removeMember(before, name));
  });
}

async function additionOf(
  name: string,
  subject: string | undefined,
  { ca, pattern, replace }: AddFlags,
): Promise<RosterEdit> {
  if ((ca === undefined) === (subject === undefined) || (pattern !== undefined && ca === undefined)) {
    throw new SealwireError('usage', 'A member is named by its id or certificate, or by --ca and --pattern.', {
      hint: 'sealwire roster add boiler SHA256:…, or: sealwire roster add sensors --ca ca.pem --pattern "sensor-*"',
    });
  }
  if (ca !== undefined) {
    const member: RosterMember = { type: 'issued', name, pattern: pattern ?? '*', certificate: await firstIn(ca) };
    return (before) => addMember(before, member);
  }
  const id = await idIn(subject ?? '');
  if (replace) return (before, timeS) => replaceMember(before, name, id, timeS);
  return (before) => addMember(before, { type: 'pin', name, id });
}

function registerChannel(roster: Command, context: Context): void {
  withPassphrase(
    withChannelFlags(
      roster
        .command('channel')
        .description('add a channel, or change what is given of one')
        .argument('<name>', 'what the channel is called', notEmpty),
    ),
  ).action(async (name: string, flags: ChannelFlags & AuthorityFlags) => {
    const edit: RosterEdit = (before) =>
      flags.remove ? removeChannel(before, name) : changeChannel(before, name, channelChange(flags));
    await change(context, flags, edit);
  });
}

function registerRevoke(roster: Command, context: Context): void {
  withPassphrase(
    roster
      .command('revoke')
      .description('say that a key counts no more')
      .argument('<name-or-id>', 'a member, or SHA256:…', notEmpty)
      .option(
        '--since <index>',
        'nor do its entries in the ledger from this one on',
        wholeNumber(0, Number.MAX_SAFE_INTEGER),
      ),
  ).action(async (subject: string, flags: AuthorityFlags & { readonly since?: number }) => {
    const edit: RosterEdit = (before, timeS) => {
      const id = subject.startsWith('SHA256:') ? parseId(subject) : pinnedId(before, subject);
      return revoke(before, id, timeS, flags.since ?? null);
    };
    await change(context, flags, edit);
  });
}

function registerHandover(roster: Command, context: Context): void {
  withPassphrase(
    roster
      .command('handover')
      .description('name another authority: whoever has this key signs what follows')
      .argument('<file>', 'the certificate of the new authority', notEmpty),
  ).action(async (file: string, flags: AuthorityFlags) => {
    const [certificate] = readCertificates(await readSmallFileBytes(file), file);
    if (!certificate) throw new SealwireError('malformed', `${file} holds no certificate.`);
    const authorityKey = certificate.publicKey;
    await change(context, flags, (before) => ({ ...before, authorityKey }));
  });
}

function identityOf({ home }: Context, { passphraseFile }: AuthorityFlags): Promise<LoadedIdentity> {
  return openIdentity(home, { nowMs: Date.now(), passphraseFile });
}

async function change(context: Context, flags: AuthorityFlags, edit: RosterEdit): Promise<void> {
  await printChange(await editRosterAs(await identityOf(context, flags), context.home, edit), context);
}

async function printChange(now: SignedRoster, context: Context): Promise<void> {
  if (context.json) return context.console.json(rosterJson(now));
  const { keeper } = await ownRoster(context.home);
  const bytes = keeper.bytesOf(now.version - 1);
  const differences = bytes ? rosterDiff(decodeRoster(nodeCrypto, bytes), now) : [];
  for (const { sign, what } of differences) await context.console.line(printable(`${sign} ${what}`));
  context.console.note(
    `The roster ${printable(now.name)} is at version ${now.version}; sealwire roster publish gives it out.`,
  );
}

async function versionOf(home: string, version: number | undefined): Promise<SignedRoster> {
  const { keeper, now } = await ownRoster(home);
  if (version === undefined) return now;
  const bytes = keeper.bytesOf(version);
  if (bytes) return decodeRoster(nodeCrypto, bytes);
  throw new SealwireError('usage', `The roster ${now.name} has no version ${version}; the newest is ${now.version}.`);
}

function pinnedId(roster: RosterContent, name: string): Uint8Array {
  const member = memberNamed(roster, name);
  if (member.type === 'pin') return member.id;
  throw new SealwireError('usage', `${name} stands for a group: name the one key by its id.`);
}

async function idIn(subject: string): Promise<Uint8Array> {
  if (subject.startsWith('SHA256:')) return parseId(subject);
  const [certificate] = readCertificates(await readSmallFileBytes(subject), subject);
  if (!certificate) throw new SealwireError('malformed', `${subject} holds no certificate.`);
  return identityId(nodeCrypto, certificate.publicKey);
}

async function firstIn(file: string): Promise<Uint8Array> {
  const [certificate] = readCertificates(await readSmallFileBytes(file), file);
  if (!certificate?.isCa) {
    throw new SealwireError('certificate-invalid', `The certificate in ${file} is not an authority's.`);
  }
  return certificate.der;
}
