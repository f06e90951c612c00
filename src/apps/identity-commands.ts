import type { Command } from 'commander';
import { shellWord } from '../core/identity/id.ts';
import { openHome } from '../node/home.ts';
import type { Context } from './context.ts';
import {
  type IdentityView,
  type InitOptions,
  initHome,
  showIdentity,
  type TrustView,
  trustAdd,
  trustList,
  trustRemove,
} from './identity.ts';
import { registerKeeping } from './identity-keeping-commands.ts';
import { printIdentity } from './identity-view.ts';
import { notEmpty, wholeNumber } from './program.ts';
import { trustVerify } from './trust-verify.ts';

/** `init`, `id` and `trust`. */
export function registerIdentity(program: Command, context: Context): void {
  registerInit(program, context);
  const id = program
    .command('id')
    .description("show this home's identity: name, id, certificate; or keep, restore and replace it")
    .action(async () => {
      const view = await showIdentity(await openHome(context.home), Date.now());
      await (context.json ? context.console.json(view) : printIdentity(view, context));
    });
  registerKeeping(id, context);
  const trust = program
    .command('trust')
    .description('whom this home trusts: pinned identities and authorities')
    .option('--verify <name>', 'show the safety number with an identity, and note that it was compared', notEmpty)
    .option('--yes', 'with --verify: it was compared, ask nothing')
    .action(async (flags: { verify?: string; yes?: boolean }) => {
      if (flags.verify === undefined) trust.help({ error: true });
      else await trustVerify(context, flags.verify, flags.yes === true);
    });
  registerTrust(trust, context);
}

type InitFlags = Omit<InitOptions, 'directory' | 'name' | 'nowMs' | 'validDays'> & { readonly days?: number };

function registerInit(program: Command, context: Context): void {
  program
    .command('init')
    .description('make a home with a new identity: a P-256 key and its certificate')
    .argument('<name>', 'what the identity is called, for example plant-sensor-7', notEmpty)
    .option('--ca', 'make an authority, which issues certificates to others')
    .option(
      '--issuer <home>',
      'have the certificate issued by the authority in this home, and trust that authority',
      notEmpty,
    )
    .option('--issuer-passphrase-file <file>', "the passphrase of the authority's key", notEmpty)
    .option('--import-key <file>', 'use this P-256 private key, as openssl writes it (PEM)', notEmpty)
    .option('--import-cert <file>', 'use this certificate for it (PEM, followed by those of its issuers)', notEmpty)
    .option(
      '--passphrase-file <file>',
      "protect the key with this file's first line; also opens an imported key",
      notEmpty,
    )
    .option('--days <days>', 'how long the certificate is valid (default: 3650)', wholeNumber(1, 36_500))
    .action(async (name: string, flags: InitFlags) => {
      const { days, ...rest } = flags;
      const options = { ...rest, ...(days === undefined ? {} : { validDays: days }) };
      const view = await initHome({ ...options, directory: context.home, name, nowMs: Date.now() });
      if (context.json) return context.console.json(view);
      await printIdentity(view, context);
      context.console.note(`\nTell those you talk to, by a way you both trust:\n  ${trustCommand(view)}`);
    });
}

function registerTrust(trust: Command, context: Context): void {
  trust
    .command('add')
    .description('trust an identity by its id, or whomever a certificate file is for')
    .argument('<name>', 'what to call it here', notEmpty)
    .argument('<id-or-file>', 'SHA256:… as `sealwire id` prints it, or a certificate file', notEmpty)
    .option('--authority', 'trust all to whom this certificate issues certificates')
    .action(async (name: string, subject: string, flags: { authority?: boolean }) => {
      await printTrust([await trustAdd(await openHome(context.home), name, subject, flags)], context);
    });
  trust
    .command('list')
    .description('show who is trusted')
    .action(async () => {
      const views = await trustList(await openHome(context.home));
      if (views.length === 0 && !context.json) {
        context.console.note('Nobody is trusted yet: sealwire trust add NAME SHA256:…');
      }
      await printTrust(views, context);
    });
  trust
    .command('remove')
    .description('no longer trust what stands under a name')
    .argument('<name>', 'as `trust list` shows it', notEmpty)
    .action(async (name: string) => {
      await trustRemove(await openHome(context.home), name);
      await (context.json
        ? context.console.json({ removed: name })
        : context.console.line(`${name} is trusted no longer.`));
    });
}

async function printTrust(views: readonly TrustView[], { console, json }: Context): Promise<void> {
  const width = Math.max(0, ...views.map(({ name }) => name.length));
  for (const view of views) {
    if (json) await console.json(view);
    else {
      const verified =
        view.verifiedAt === null ? '' : `, ${console.paint('good', 'verified')} ${view.verifiedAt.slice(0, 10)}`;
      await console.line(`${console.paint('name', view.name.padEnd(width))}  ${view.id}  ${view.kind}${verified}`);
    }
  }
}

function trustCommand({ name, id, certificate, certificateFile }: IdentityView): string {
  return `sealwire trust add ${shellWord(name)} ${certificate.ca ? `${shellWord(certificateFile)}` : id}`;
}
