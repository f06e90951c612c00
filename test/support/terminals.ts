import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { formatId } from '../../src/core/identity/id.ts';
import { noMosquitto } from './brokers.ts';
import { type Ended, type RunOptions, runSealwire } from './child.ts';
import { RunningCommand } from './running.ts';
import { type Member, makeMember, trustOnly } from './stage.ts';

/** A kind of broker, and how `sealwire broker` is told to be one. */
export const BROKERS = [
  { kind: 'Mosquitto', flags: [], skip: noMosquitto },
  { kind: 'aedes', flags: ['--embedded'], skip: false },
] as const;

/** Homes of some people who trust each other, and the commands that they type; all of it is gone after the test. */
export class Terminals {
  readonly directory: string;
  readonly #members: Map<string, Member>;
  readonly #parts: AsyncDisposableStack;

  /** Use {@link Terminals.open}. */
  constructor(directory: string, members: readonly Member[], parts: AsyncDisposableStack) {
    this.directory = directory;
    this.#members = new Map(members.map((member) => [member.name, member]));
    this.#parts = parts;
  }

  static async open(context: TestContext, ...names: readonly string[]): Promise<Terminals> {
    const terminals = await Terminals.strangers(context, ...names);
    const members = [...terminals.#members.values()];
    await Promise.all(members.map((member) => trustOnly(member, members)));
    return terminals;
  }

  /** As {@link Terminals.open}, but nobody trusts anybody. */
  static async strangers(context: TestContext, ...names: readonly string[]): Promise<Terminals> {
    const directory = await mkdtemp(join(tmpdir(), 'sealwire-test-'));
    const parts = new AsyncDisposableStack();
    context.after(() => parts.disposeAsync());
    parts.defer(() => rm(directory, { recursive: true, force: true }));
    const members = await Promise.all(names.map((name) => makeMember(directory, name)));
    return new Terminals(directory, members, parts);
  }

  /** Somebody's id, `SHA256:…`. */
  id(name: string): string {
    return formatId(this.#member(name).identity.id);
  }

  /** One more home, at `false-NAME`, with another key for the name: it trusts everybody, and nobody knows of it. */
  async pretender(name: string): Promise<string> {
    const folder = `false-${name}`;
    const member = await makeMember(this.directory, name, folder);
    await trustOnly(
      member,
      [...this.#members.values()].filter((other) => other.name !== name),
    );
    this.#members.set(folder, member);
    return folder;
  }

  /** Somebody's home. */
  home(name: string): string {
    return this.#member(name).home;
  }

  /** Runs a command of `name` to its end. */
  run(name: string, args: readonly string[], options?: RunOptions): Promise<Ended> {
    return runSealwire(['--home', this.home(name), ...args], options);
  }

  /** Starts a command of `name`. */
  start(name: string, ...args: readonly string[]): RunningCommand {
    return this.#parts.use(new RunningCommand(['--home', this.home(name), ...args]));
  }

  /** Starts `sealwire broker` with these flags; gives the place where it listens, `mqtt://` on loopback unless told. */
  async broker(flags: readonly string[], listen = 'mqtt://127.0.0.1:0'): Promise<string> {
    const broker = this.#parts.use(new RunningCommand(['--json', 'broker', '--listen', listen, ...flags]));
    const [url = ''] = (await broker.json())['addresses'] as string[];
    return url;
  }

  /** Starts `sealwire sub --json` and waits until it listens. */
  async subscriber(name: string, ...args: readonly string[]): Promise<RunningCommand> {
    const command = this.start(name, '--json', 'sub', ...args);
    const { event } = await command.json();
    if (event !== 'subscribed') throw new Error(`${name} does not listen: ${command.stderr}`);
    return command;
  }

  /** Runs a command of `name` with `--json` to its good end; gives its lines. */
  async lines(name: string, ...args: readonly string[]): Promise<Record<string, unknown>[]> {
    const { code, stdout, stderr } = await this.run(name, ['--json', ...args]);
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }

  /** Runs a command of `name` with `--json` that has to fail; gives the error. */
  async error(name: string, ...args: readonly string[]): Promise<TerminalError> {
    const ended = await this.run(name, ['--json', ...args]);
    if (ended.code === 0) throw new Error(`${args.join(' ')} was done: ${ended.stdout}`);
    return errorOf(ended);
  }

  /** Starts `sealwire notary` at a broker, and waits until it listens. */
  async notary(url: string, ...args: readonly string[]): Promise<RunningCommand> {
    const command = this.start('notary', '--json', 'notary', '--listen', 'tcp://127.0.0.1:0', '--broker', url, ...args);
    await command.json();
    return command;
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (!member) throw new Error(`${name} has no home here`);
    return member;
  }
}

/** An error as `--json` tells it, and the exit code. */
export interface TerminalError {
  readonly exit: number | null;
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

/** What the last line of standard error says. */
export function errorOf({ code: exit, stderr }: Ended): TerminalError {
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return { exit, ...JSON.parse(last).error };
}
