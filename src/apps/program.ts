import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { type Context, type GlobalOptions, processContext } from './context.ts';
import { EXIT, EXIT_HELP, renderReport, reportOf } from './report.ts';

/**
 * A command family: adds its commands with `program.command(…)`, whose actions use `context` and throw
 * `SealwireError`s. To end with another exit code than an error's, an action sets `process.exitCode`.
 */
export type Family = (program: Command, context: Context) => void;

/** Runs one command line of this process to its end: arguments without `node` and the script's name. */
export async function runProgram(args: readonly string[], families: readonly Family[]): Promise<void> {
  const asksJson = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined).includes('--json');
  const fail = (error: unknown): void => {
    if (process.env['SEALWIRE_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    const found = reportOf(error);
    process.stderr.write(renderReport(found, asksJson));
    process.exitCode = found.exitCode;
  };
  process.on('uncaughtException', (error) => {
    fail(error);
    process.exit();
  });
  try {
    await createProgram(families, asksJson).parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) fail(error);
    else if (error.exitCode !== 0) failUsage(error, asksJson, fail);
  }
}

function failUsage(error: CommanderError, json: boolean, fail: (error: unknown) => void): void {
  // The help text has been shown instead of a sentence.
  if (error.code === 'commander.help' && !json) process.exitCode = EXIT.usage;
  else if (error.code === 'commander.help') fail(new CommanderError(2, error.code, 'no command given'));
  else fail(error);
}

function createProgram(families: readonly Family[], json: boolean): Command {
  const program = new Command('sealwire')
    .description('Sealed, signed and provable messages through machines you do not own.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .option(
      '--home <dir>',
      'where the identity and its files live (default: SEALWIRE_HOME, else ~/.sealwire)',
      notEmpty,
    )
    .option('--json', 'results as JSON, one object a line; errors too, on standard error')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      outputError: () => {},
      writeErr: (text) => {
        if (!json) process.stderr.write(text);
      },
    })
    .addHelpText('after', `\n${EXIT_HELP}`);
  const context = processContext(() => program.opts<GlobalOptions>());
  for (const register of families) register(program, context);
  return program;
}

/** For commander's value parsers: an option that must say something. */
export function notEmpty(value: string): string {
  if (value.trim() === '') throw new InvalidArgumentError('It is empty.');
  return value;
}

/** For commander's value parsers: a whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new InvalidArgumentError(`It is not a number from ${min} to ${max}.`);
    return number;
  };
}

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest && 'version' in manifest ? String(manifest.version) : 'unknown';
}
