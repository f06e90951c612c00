import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { idToTopic, parseId } from '../../src/core/identity/id.ts';
import { parseListener, probeListeners } from '../../src/node/broker-listener.ts';
import { ChildServer } from '../../src/node/child-server.ts';
import { findMosquitto } from '../../src/node/mosquitto.ts';
import { type Ended, ROOT, runSealwire } from './child.ts';

/** Somebody with a home, as seen by a broker. */
export interface Guest {
  readonly name: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** The id as it stands in topics. */
  readonly id: string;
}

/** What became of a message that somebody wanted to publish. */
export type Verdict = 'taken' | 'denied' | 'refused';

/** A place with homes, and the broker that `examples/mosquitto/setup.sh` sets up for some of them. */
export class MosquittoExample implements AsyncDisposable {
  readonly directory: string;
  readonly port: number;
  #server: ChildServer | undefined;
  #listeners = 0;

  /** Use {@link MosquittoExample.open}. */
  constructor(directory: string, port: number) {
    this.directory = directory;
    this.port = port;
  }

  static async open(): Promise<MosquittoExample> {
    const directory = await mkdtemp(join(tmpdir(), 'sealwire-test-'));
    // Started by root, Mosquitto goes on as a user who must get there.
    await chmod(directory, 0o755);
    const [listener] = await probeListeners([parseListener('mqtt://127.0.0.1:0')]);
    return new MosquittoExample(directory, listener?.port ?? 0);
  }

  /** Where setup.sh puts the broker's files. */
  get out(): string {
    return join(this.directory, 'out');
  }

  /** Makes a home with `sealwire init`; `folder` where two have one name. */
  async init(name: string, flags: readonly string[] = [], folder: string = name): Promise<Guest> {
    const home = join(this.directory, folder);
    const made = await runSealwire(['--home', home, '--json', 'init', name, ...flags]);
    if (made.code !== 0) throw new Error(made.stderr);
    const id = idToTopic(parseId(JSON.parse(made.stdout).id));
    return { name, certificateFile: join(home, 'identity.crt'), keyFile: join(home, 'identity.key'), id };
  }

  /** Runs setup.sh as README does, for `localhost` on loopback. */
  setup(args: readonly string[]): Promise<Ended> {
    const where = ['--out', this.out, '--host', 'localhost', '--bind', '127.0.0.1', '--port', String(this.port)];
    return run(join(ROOT, 'examples/mosquitto/setup.sh'), [...where, ...args], {
      SEALWIRE: `${process.execPath} ${ROOT}bin/sealwire.js`,
    });
  }

  /** Starts Mosquitto with the configuration as setup.sh left it. */
  async start(): Promise<void> {
    this.#server = await ChildServer.start({
      name: 'Mosquitto',
      program: findMosquitto() ?? 'mosquitto',
      args: ['-c', join(this.out, 'mosquitto.conf')],
      isReady: (line) => line.endsWith(' running'),
    });
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Publishes with `mosquitto_pub` in MQTT 5, which tells a client what was denied. */
  async publish(guest: Guest, topic: string, text: string, flags: readonly string[] = []): Promise<Verdict> {
    const args = ['-V', '5', '-q', '1', '-t', topic, '-m', text, ...this.#credentials(guest), ...flags];
    const { code, stderr } = await run('mosquitto_pub', args);
    if (code !== 0) return 'refused';
    return stderr.includes('Not authorized') ? 'denied' : 'taken';
  }

  /** Subscribes for a guest with `mosquitto_sub`, and gives what reads the next `count` messages, each `topic text`. */
  async subscribe(guest: Guest, ...filters: readonly string[]): Promise<(count: number) => Promise<string[]>> {
    this.#listeners += 1;
    // A session that waits at the broker, so that nothing hangs on who is faster.
    const session = ['-i', `listener-${this.#listeners}`, '-c', '-V', '5', '-x', '600', '-q', '1'];
    const args = [...session, ...filters.flatMap((filter) => ['-t', filter]), ...this.#credentials(guest)];
    const opened = await run('mosquitto_sub', [...args, '-E']);
    if (opened.code !== 0) throw new Error(opened.stderr);
    return async (count) => {
      const heard = await run('mosquitto_sub', [...args, '-v', '-C', String(count), '-W', '30']);
      if (heard.code !== 0) throw new Error(`${heard.stderr} after: ${heard.stdout}`);
      return heard.stdout.trim().split('\n');
    };
  }

  /** A client of another make, connected; rejects where it is not let in. */
  async connect(guest: Guest, options: IClientOptions = {}): Promise<MqttClient> {
    const [ca, cert, key] = await Promise.all(
      [join(this.out, 'broker.crt'), guest.certificateFile, guest.keyFile].map((file) => readFile(file)),
    );
    if (!ca || !cert || !key) throw new Error('all three were read');
    const url = `mqtts://localhost:${this.port}`;
    return connectAsync(url, { ca, cert, key, reconnectPeriod: 0, ...options }, false);
  }

  #credentials({ certificateFile, keyFile }: Guest): string[] {
    const ca = join(this.out, 'broker.crt');
    return ['-h', 'localhost', '-p', String(this.port), '--cafile', ca, '--cert', certificateFile, '--key', keyFile];
  }
}

/** Runs any program to its end. */
export async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve({ code, ...said }));
  });
}
