import { createInterface } from 'node:readline';
import { SealwireError } from '../core/errors.ts';
import { formatId, shellWord } from '../core/identity/id.ts';
import { safetyNumber } from '../core/identity/safety-number.ts';
import { markVerified, pinByName } from '../core/identity/trust.ts';
import { nodeCrypto } from '../node/crypto.ts';
import { openHome, readIdentity, readTrust, writeTrust } from '../node/home.ts';
import { printable } from './console.ts';
import type { Context } from './context.ts';
import { isoDate } from './identity.ts';

/** Digit groups in one line, so that people keep their place while reading. */
const GROUPS_A_LINE = 4;

/** `trust --verify NAME`: shows the safety number, and notes that it was compared if the user or `yes` says so. */
export async function trustVerify(context: Context, name: string, yes: boolean): Promise<void> {
  const home = await openHome(context.home);
  const [own, trust] = [await readIdentity(home), await readTrust(home)];
  const pin = pinByName(trust, name);
  if (!pin) {
    throw new SealwireError('identity-unknown', `No identity is trusted under the name ${JSON.stringify(name)}.`, {
      hint: '`sealwire trust list` shows the names; authorities have no safety number.',
    });
  }
  const number = safetyNumber(nodeCrypto, own.id, pin.id);
  if (!context.json) await showNumber(context, name, number);
  const compared = yes || (!context.json && (await isSame(context, name)));
  if (compared) await writeTrust(home, markVerified(await readTrust(home), name, Math.floor(Date.now() / 1000)));
  const { verifiedAtS } = pinByName(await readTrust(home), name) ?? pin;
  const verifiedAt = verifiedAtS === undefined ? null : isoDate(verifiedAtS * 1000);
  if (context.json) await context.console.json({ name, id: formatId(pin.id), safetyNumber: number, verifiedAt });
  else if (compared) await context.console.line(printable(`${name} is verified.`));
  else context.console.note(`Nothing was noted. Once compared: sealwire trust --verify ${shellWord(name)} --yes`);
}

async function showNumber({ console }: Context, name: string, number: string): Promise<void> {
  console.note(`The safety number of this identity and ${printable(name)}:\n`);
  const groups = number.split(' ');
  for (let i = 0; i < groups.length; i += GROUPS_A_LINE) {
    await console.line(`  ${groups.slice(i, i + GROUPS_A_LINE).join(' ')}`);
  }
  console.note(`\n${printable(name)} sees the same by \`sealwire trust --verify\` with your name.`);
}

/** Asks on standard input; false where nobody answers. Throws `key-changed` where the numbers differ. */
async function isSame(context: Context, name: string): Promise<boolean> {
  context.console.note('Compare it face to face or on the phone. Is it the same? [yes/no]');
  const lines = createInterface({ input: process.stdin });
  const close = (): void => lines.close();
  context.signal.addEventListener('abort', close, { once: true });
  if (context.signal.aborted) close();
  for await (const line of lines) {
    const answer = line.trim().toLowerCase();
    lines.close();
    if (answer === 'no' || answer === 'n') throw differs(name);
    return answer === 'yes' || answer === 'y';
  }
  return false;
}

function differs(name: string): SealwireError {
  return new SealwireError('key-changed', `The two of you do not see the same keys: ${name} is not who is trusted.`, {
    hint: `Somebody may stand between you. Until you know: sealwire trust remove ${shellWord(name)}`,
  });
}
