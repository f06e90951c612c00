import { formatId, identityId } from '../../core/identity/id.ts';
import type { SignedRoster } from '../../core/roster/roster.ts';
import { channelText, memberText } from '../../core/roster/roster-diff.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { printable } from '../console.ts';
import type { Context } from '../context.ts';

/** A roster as `--json` prints it. */
export function rosterJson(roster: SignedRoster): Record<string, unknown> {
  const { name, version, hash, authorityKey, issuedAtS, expiresAtS, members, channels, revocations } = roster;
  return {
    name,
    version,
    hash: Buffer.from(hash).toString('hex'),
    authority: formatId(identityId(nodeCrypto, authorityKey)),
    issuedAt: isoTime(issuedAtS),
    expiresAt: expiresAtS === null ? null : isoTime(expiresAtS),
    members: members.map((member) =>
      member.type === 'pin'
        ? { name: member.name, id: formatId(member.id) }
        : {
            name: member.name,
            pattern: member.pattern,
            certificate: Buffer.from(member.certificate).toString('base64'),
          },
    ),
    channels,
    revocations: revocations.map(({ id, timeS, sinceIndex }) => ({
      id: formatId(id),
      time: isoTime(timeS),
      sinceIndex,
    })),
  };
}

/** Prints a roster, for people or as JSON. */
export async function printRoster(roster: SignedRoster, { console, json }: Context): Promise<void> {
  if (json) return console.json(rosterJson(roster));
  const { name, version, authorityKey, issuedAtS, expiresAtS, members, channels, revocations } = roster;
  const until = expiresAtS === null ? '' : `, until ${isoTime(expiresAtS)}`;
  await console.line(
    `roster ${console.paint('name', printable(name))} version ${version}, ${isoTime(issuedAtS)}${until}`,
  );
  await console.line(`authority ${formatId(identityId(nodeCrypto, authorityKey))}`);
  for (const member of members) await console.line(printable(memberText(member)));
  for (const channel of channels) await console.line(printable(channelText(channel)));
  for (const { id, timeS, sinceIndex } of revocations) {
    const since = sinceIndex === null ? '' : `, from entry ${sinceIndex} on`;
    await console.line(`revoked ${formatId(id)} ${isoTime(timeS)}${since}`);
  }
}

function isoTime(timeS: number): string {
  const date = new Date(timeS * 1000);
  return Number.isNaN(date.getTime()) ? `${timeS} s` : `${date.toISOString().slice(0, 19)}Z`;
}
