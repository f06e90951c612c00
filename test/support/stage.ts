import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Meddle, Middle } from '../../src/apps/middle.ts';
import { type RunningNotary, runNotary } from '../../src/apps/notary.ts';
import type { NotaryBroker } from '../../src/apps/notary-bus.ts';
import { openPeer, type SealwirePeer } from '../../src/apps/open-peer.ts';
import { addPin, EMPTY_TRUST } from '../../src/core/identity/trust.ts';
import { selfSign } from '../../src/node/certificates.ts';
import { createHome, type LoadedIdentity, loadIdentity, openHome, writeTrust } from '../../src/node/home.ts';
import { generateKey } from '../../src/node/key-files.ts';
import type { Listening } from '../../src/roles/listening.ts';
import type { Session } from '../../src/roles/session.ts';
import type { SessionTuning } from '../../src/roles/session-context.ts';
import { EventLog } from './events.ts';

/** One identity with a home on disk. */
export interface Member {
  readonly name: string;
  /** The directory. */
  readonly home: string;
  readonly identity: LoadedIdentity;
}

/** A member's peer at work, and what it tells. */
export interface Actor {
  readonly member: Member;
  readonly peer: SealwirePeer;
  readonly events: EventLog;
}

/** How a stage is set. */
export interface StageOptions {
  /** Who has a home; beside the notary, `sensor` and `operator` unless told. All of them trust each other. */
  readonly names?: readonly string[];
  /** Where there is to be a notary with its ledger on disk. */
  readonly notary?: boolean;
}

/** Real homes, real certificates, and a real notary where one is wanted; gone when it is disposed of. */
export class Stage implements AsyncDisposable {
  readonly directory: string;
  readonly #members: ReadonlyMap<string, Member>;
  readonly #parts = new AsyncDisposableStack();
  #notary: RunningNotary | undefined;

  /** Use {@link Stage.open}. */
  constructor(directory: string, members: readonly Member[]) {
    this.directory = directory;
    this.#members = new Map(members.map((member) => [member.name, member]));
    this.#parts.defer(() => rm(directory, { recursive: true, force: true }));
    this.#parts.defer(() => this.stopNotary());
  }

  static async open({ names = ['sensor', 'operator'], notary = false }: StageOptions = {}): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), 'sealwire-test-'));
    const members = await Promise.all(['notary', ...names].map((name) => makeMember(directory, name)));
    await Promise.all(members.map((member) => trustOnly(member, members)));
    const stage = new Stage(directory, members);
    if (notary) await stage.startNotary();
    return stage;
  }

  /** Everybody, the notary too. */
  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  /** The one of that name. */
  member(name: string): Member {
    const member = this.#members.get(name);
    if (!member) throw new Error(`there is no ${name} on this stage`);
    return member;
  }

  /** The notary, where it runs. */
  get notary(): RunningNotary {
    if (!this.#notary) throw new Error('there is no notary on this stage');
    return this.#notary;
  }

  /** Where the notary keeps its ledger. */
  get ledgerFile(): string {
    return join(this.member('notary').home, 'ledger.db');
  }

  /** Starts the notary over the ledger that there is, at an address of its own each time, and at `broker` beside. */
  async startNotary(broker?: NotaryBroker): Promise<RunningNotary> {
    this.#notary = await runNotary({
      home: this.member('notary').home,
      address: 'tcp://127.0.0.1:0',
      ...(broker ? { broker } : {}),
    });
    return this.#notary;
  }

  /** Stops the notary, where there is one. */
  async stopNotary(): Promise<void> {
    const running = this.#notary;
    this.#notary = undefined;
    await running?.close();
  }

  /** Keeps `part` until the stage is disposed of; what was kept last goes first. */
  keep<Part extends AsyncDisposable>(part: Part): Part {
    return this.#parts.use(part);
  }

  /** Opens a member's peer; with the stage's notary where one runs, or the one at `notaryAddress`, or none for null. */
  async enter(name: string, tuning: Partial<SessionTuning> = {}, notaryAddress?: string | null): Promise<Actor> {
    const member = this.member(name);
    const events = new EventLog();
    const address = notaryAddress === undefined ? this.#notary?.address : (notaryAddress ?? undefined);
    const peer = await openPeer({
      home: member.home,
      tuning,
      onEvent: events.take,
      ...(address === undefined ? {} : { notary: { address, expect: 'notary' } }),
    });
    this.keep(peer);
    return { member, peer, events };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** A home with a key of its own under `directory`, trusting nobody. */
export async function makeMember(directory: string, name: string, folder = name): Promise<Member> {
  const privateKey = generateKey();
  const certificate = await selfSign(privateKey, { name, nowMs: Date.now() });
  const home = await createHome(join(directory, folder), { privateKey, chain: [certificate] });
  return { name, home: home.directory, identity: await loadIdentity(home) };
}

/** From now on `member` trusts `others` by their ids, and nobody else. */
export async function trustOnly(member: Member, others: readonly Member[]): Promise<void> {
  let trust = EMPTY_TRUST;
  for (const { name, identity } of others) {
    if (identity !== member.identity) trust = addPin(trust, { name, id: identity.id });
  }
  await writeTrust(await openHome(member.home), trust);
}

/** A session as both ends have it. */
export interface Meeting {
  /** The end that dialled. */
  readonly near: Session;
  /** The end that listened. */
  readonly far: Session;
}

/** Dials and gives both ends; both have to know each other by then. */
export async function meet(
  from: Actor,
  listening: Listening,
  { address = listening.address, expect }: { readonly address?: string; readonly expect: string },
): Promise<Meeting> {
  const answered = listening[Symbol.asyncIterator]().next();
  const near = await from.peer.dial(address, { expect });
  const { value: far } = await answered;
  if (!far) throw new Error('the listener was closed');
  return { near, far };
}

/** How a conversation is set up. */
export interface ConversationOptions extends StageOptions {
  readonly meddle?: Meddle;
  readonly tuning?: Partial<SessionTuning>;
}

/** A sensor that dialled an operator through a machine in the middle. */
export interface Conversation extends AsyncDisposable, Meeting {
  readonly stage: Stage;
  readonly sensor: Actor;
  readonly operator: Actor;
  readonly listening: Listening;
  readonly middle: Middle;
  /** One more session between the two, over the same middle. */
  again(): Promise<Meeting>;
}

/** Sensor and operator behind a middle, before the first handshake. */
export type Approach = Omit<Conversation, 'near' | 'far'>;

/** Puts sensor and operator on a stage, with a middle in between and no session yet. */
export async function approach({ meddle, tuning, ...options }: ConversationOptions = {}): Promise<Approach> {
  const stage = await Stage.open(options);
  const operator = await stage.enter('operator', tuning);
  const listening = await operator.peer.listen('tcp://127.0.0.1:0');
  const middle = stage.keep(await Middle.start(listening.address, meddle));
  const sensor = await stage.enter('sensor', tuning);
  const again = (): Promise<Meeting> => meet(sensor, listening, { address: middle.address, expect: 'operator' });
  return {
    ...{ stage, sensor, operator, listening, middle, again },
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

/** As {@link approach}, with a session. */
export async function converse(options: ConversationOptions = {}): Promise<Conversation> {
  const parts = await approach(options);
  try {
    return { ...parts, ...(await parts.again()) };
  } catch (error) {
    await parts[Symbol.asyncDispose]();
    throw error;
  }
}
