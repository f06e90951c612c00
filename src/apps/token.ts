import { type Command, InvalidArgumentError } from 'commander';
import { formatToken, makeToken, tokenKeys } from '../core/enrolment/token.ts';
import { SealwireError } from '../core/errors.ts';
import { checkClock } from '../core/identity/path.ts';
import { nodeCrypto } from '../node/crypto.ts';
import { openHome, readCertificate } from '../node/home.ts';
import { SqliteTokens } from '../node/sqlite-tokens.ts';
import { authorityDirectory, FIRST_CHANNEL, tokensFile } from './authority-home.ts';
import { printable } from './console.ts';
import type { Context } from './context.ts';
import { duration } from './duration.ts';
import { isoDate } from './identity.ts';
import { notEmpty } from './program.ts';
import { qrLines } from './qr.ts';
import { ownRoster } from './roster/authority.ts';

/** How long a token can be used unless told. */
export const TOKEN_LIFE_MS: number = 60 * 60_000;

/** What a token is made for. */
export interface TokenRequest {
  /** The device's name; `*` stands for any run of characters. */
  readonly pattern: string;
  readonly channels: readonly string[];
  readonly lifeMs: number;
  readonly nowMs: number;
}

/** A token as commands show it, once. */
export interface TokenView {
  readonly name: string;
  readonly token: string;
  readonly expires: string;
  readonly channels: readonly string[];
}

/**
 * Makes a token for the authority in the home at `directory`; a desk that runs there knows it at once. Throws
 * `home-missing`, `clock-unset`, `channel-unknown`, `overloaded`.
 */
export async function issueToken(directory: string, request: TokenRequest): Promise<TokenView> {
  const { pattern, channels, lifeMs, nowMs } = request;
  checkClock(nowMs);
  const { id } = await readCertificate(await openAuthority(directory));
  await checkChannels(directory, channels);
  const token = makeToken(nodeCrypto, id);
  const expiresAtS = Math.floor((nowMs + lifeMs) / 1000);
  using tokens = new SqliteTokens(tokensFile(directory));
  tokens.add({ ...tokenKeys(nodeCrypto, token), pattern, channels, expiresAtS });
  return { name: pattern, token: formatToken(nodeCrypto, token), expires: isoDate(expiresAtS * 1000), channels };
}

/** Prints a token for people and cameras, or for scripts. */
export async function printToken({ console, json }: Context, view: TokenView): Promise<void> {
  if (json) return console.json({ event: 'token', ...view });
  console.note(`\nA token for ${printable(view.name)}, to be used once before ${view.expires}:`);
  await console.line(view.token);
  if (console.isTerminal) for (const line of qrLines(view.token)) await console.line(line);
}

/** For commander: collects names of channels. */
export function collectNames(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, notEmpty(value)];
}

/** `token`: lets one more device in. */
export function registerToken(program: Command, context: Context): void {
  program
    .command('token')
    .description('make a token by which one device can enrol with the authority that `sealwire up` made here')
    .argument('<name>', "the device's name; sensor-* lets it choose", tokenPattern)
    .option('--expires <time>', 'how long it can be used, like 30m, 1h or 7d', duration, TOKEN_LIFE_MS)
    .option(
      '--channel <name>',
      `where it may write and read; may be repeated (default: ${FIRST_CHANNEL})`,
      collectNames,
    )
    .action(async (pattern: string, flags: { readonly expires: number; readonly channel?: readonly string[] }) => {
      const { expires: lifeMs, channel: channels = [FIRST_CHANNEL] } = flags;
      await printToken(context, await issueToken(context.home, { pattern, channels, lifeMs, nowMs: Date.now() }));
    });
}

/** For commander: a name, or a pattern of names. */
export function tokenPattern(value: string): string {
  if (notEmpty(value).length <= 64) return value;
  throw new InvalidArgumentError('It is longer than 64 characters.');
}

async function openAuthority(directory: string): ReturnType<typeof openHome> {
  try {
    return await openHome(authorityDirectory(directory));
  } catch (cause) {
    if (!(cause instanceof SealwireError) || cause.code !== 'home-missing') throw cause;
    throw new SealwireError('home-missing', `There is no authority in ${directory}.`, {
      hint: '`sealwire up` makes one; or name its home with --home or SEALWIRE_HOME.',
      cause,
    });
  }
}

async function checkChannels(directory: string, channels: readonly string[]): Promise<void> {
  const { now } = await ownRoster(authorityDirectory(directory));
  const known = now.channels.map(({ name }) => name);
  const unknown = channels.find((channel) => !known.includes(channel));
  if (unknown === undefined) return;
  throw new SealwireError('channel-unknown', `The roster has no channel ${JSON.stringify(unknown)}.`, {
    hint: `It has: ${known.join(', ') || 'none'}.`,
  });
}
