import { resolve } from 'node:path';
import type { Command } from 'commander';
import { openLedgerReader } from '../node/sqlite-ledger.ts';
import type { Context } from './context.ts';
import { checkRemembered, printHead, showHead } from './ledger-head.ts';
import { showEntries } from './ledger-show.ts';
import { type VerifyFlags, verifyCommand } from './ledger-verify.ts';
import { ledgerFileOf } from './notary.ts';
import { notEmpty, wholeNumber } from './program.ts';

const FILE = "the ledger's file (default: ledger.db in the home)";

/** `ledger verify`, `ledger show` and `ledger head`. */
export function registerLedger(program: Command, context: Context): void {
  const ledger = program.command('ledger').description('read and verify a ledger');
  const fileOf = (file: string | undefined): string =>
    file === undefined ? ledgerFileOf(context.home) : resolve(file);
  ledger
    .command('verify')
    .description('find out whether a ledger holds, and name the first thing in it that does not')
    .argument('[file]', FILE, notEmpty)
    .option('--full', 'every hash, every signature, and what the labels say (the default)')
    .option('--fast', "every hash and the blocks' signatures")
    .option('--incremental', 'as --full, but only what came after the checkpoint that the last verification remembered')
    .option('--notary <name-or-id>', 'whose ledger it has to be: a trusted name, or SHA256:…', notEmpty)
    .action((file: string | undefined, flags: VerifyFlags) => verifyCommand(context, fileOf(file), flags));
  ledger
    .command('show')
    .description('list entries: time, sender, topic, HMAC, and who confirmed them')
    .argument('[file]', FILE, notEmpty)
    .option('--from <index>', 'the first entry', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option('--limit <count>', 'how many entries at most', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .action(async (file: string | undefined, flags: { from?: number; limit?: number }) => {
      await using reader = openLedgerReader(fileOf(file));
      await showEntries(context, reader, flags);
    });
  ledger
    .command('head')
    .description('show the newest block, and prove that what this home remembers is still its beginning')
    .argument('[file]', FILE, notEmpty)
    .action(async (file: string | undefined) => {
      const path = fileOf(file);
      await using reader = openLedgerReader(path);
      const view = await showHead(reader, path);
      await printHead(context, view, await checkRemembered(reader, view, context.home));
    });
}
