import type { Command } from 'commander';
import { shellWord } from '../core/identity/id.ts';
import { printable } from './console.ts';
import type { Context } from './context.ts';
import {
  type ExportOptions,
  exportHome,
  type ImportOptions,
  importHome,
  type Replaced,
  type ReplaceOptions,
  replaceKey,
} from './identity-keeping.ts';
import { printIdentity } from './identity-view.ts';
import { notEmpty } from './program.ts';

const WHAT_IT_HOLDS = `
It holds the private key, the certificates, the list of trust and the roster. It holds no ratchets, sessions or tokens: brought back
from an old state those would be used twice. A restored home begins with new ones.`;

const WHEN_LOST = `
When a device is lost or its key may be known to others: restore a backup elsewhere if there is one, run this there, and
tell everybody who trusts the name. It keeps the list of trust, and the old certificate for reference.`;

/** `id export`, `id import` and `id replace`. */
export function registerKeeping(id: Command, context: Context): void {
  const nowMs = (): number => Date.now();
  id.command('export')
    .description('write what lasts of this home into one file, sealed by a passphrase')
    .argument('<file>', 'a new file; none is overwritten', notEmpty)
    .requiredOption('--backup-passphrase-file <file>', 'its first line seals the backup', notEmpty)
    .option('--passphrase-file <file>', "a file whose first line opens this home's private key", notEmpty)
    .addHelpText('after', WHAT_IT_HOLDS)
    .action(async (file: string, flags: Omit<ExportOptions, 'file'>) => {
      await exportHome(context.home, { ...flags, file });
      if (context.json) await context.console.json({ exported: file });
      else await context.console.line(`Written to ${printable(file)}; its passphrase opens it, keep the two apart.`);
    });
  id.command('import')
    .description('make a new home of such a file')
    .argument('<file>', 'as `id export` wrote it', notEmpty)
    .requiredOption('--backup-passphrase-file <file>', 'its first line opens the backup', notEmpty)
    .option('--passphrase-file <file>', "protect the restored key with this file's first line", notEmpty)
    .action(async (file: string, flags: Omit<ImportOptions, 'file' | 'nowMs'>) => {
      const view = await importHome(context.home, { ...flags, file, nowMs: nowMs() });
      if (context.json) return context.console.json(view);
      await printIdentity(view, context);
      context.console.note('\nUse it in one place only: end what still runs with the home that this was made of.');
    });
  id.command('replace')
    .description('make another key for the same name, when a device is lost or the key may be known')
    .option('--issuer <home>', 'have the new certificate issued by the authority in this home', notEmpty)
    .option('--issuer-passphrase-file <file>', "the passphrase of the authority's key", notEmpty)
    .option('--passphrase-file <file>', "protect the new key with this file's first line", notEmpty)
    .addHelpText('after', WHEN_LOST)
    .action(async (flags: Omit<ReplaceOptions, 'nowMs'>) => {
      const replaced = await replaceKey(context.home, { ...flags, nowMs: nowMs() });
      await (context.json ? context.console.json(replaced) : printReplaced(replaced, context));
    });
}

async function printReplaced({ before, now }: Replaced, context: Context): Promise<void> {
  await printIdentity(now, context);
  await context.console.line(`before       ${before.id}`);
  await context.console.line(`kept         ${printable(before.certificateFile)}`);
  const name = shellWord(now.name);
  context.console.note(`
Whoever runs the roster puts the new key in the place of the old one, which counts no more then:
  sealwire roster add ${name} ${now.id} --replace
Whoever pinned the name by hand does the same:
  sealwire trust remove ${name} && sealwire trust add ${name} ${now.id}`);
}
