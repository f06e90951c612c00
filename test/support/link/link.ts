import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { Clock } from '../../../src/core/ports.ts';
import { systemClock } from '../../../src/node/clock.ts';
import { Random } from '../../fuzz/random.ts';
import { ByteFaults, type Step } from './byte-faults.ts';
import { DelayedWay } from './delayed-way.ts';
import { PacketShuffle } from './packet-shuffle.ts';
import { type CutHow, drawn, type LinkPlan, type LinkWay } from './plan.ts';

/** What a plan may bring about. */
export type Fault = 'cut' | 'stall' | 'corrupt' | 'duplicate' | 'reorder';

/** Something that happened on a link. */
export interface LinkEvent {
  /** `open` for a connection that was led on, `flow` for the end of a stall. */
  readonly type: Fault | 'open' | 'flow';
  /** Connections are counted from 0; null where all are meant. */
  readonly connection: number | null;
  readonly way: LinkWay | null;
  /** Bytes that had come before, of that connection and way. */
  readonly at: number;
}

/** So that a far end which reads nothing holds the near one up at last, as a network does; far over what is under way. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;
const WAYS: readonly LinkWay[] = ['out', 'back'];
/** Streams of chance that each way of a connection has: four of its bytes, one of its packets, delay, and life each. */
const STREAMS = 7;
/** The one that belongs to the link. */
const LINK_STREAM = -1;

/**
 * A network between clients and a server: slow, narrow, faulty, as its plan says, or as a test tells it to be. It
 * listens at a free port of loopback and leads each connection to its target.
 */
export class Link implements AsyncDisposable {
  /** Here the target is reached: its own URL with another address. */
  readonly url: string;
  readonly #plan: LinkPlan;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #lines = new Set<Line>();
  readonly #log: LinkEvent[] = [];
  readonly #faults = new Map<Fault, number>();
  #change = Promise.withResolvers<void>();
  #count = 0;
  #isCalm = false;
  #isHeld = false;
  #isDown = false;
  #stopStall: () => void = () => {};
  #stopNextStall: () => void = () => {};
  readonly #stallRandom: Random;

  private constructor(server: Server, target: URL, plan: LinkPlan, clock: Clock) {
    this.#server = server;
    this.#plan = plan;
    this.#clock = clock;
    this.#stallRandom = new Random(plan.seed ?? 1, LINK_STREAM);
    this.#nextStall();
    this.url = `${target.protocol}//127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (near) => this.#lead(near, target));
  }

  /** Leads to `target`: `mqtt://host:port`, or `tcp://`, or any other scheme over TCP. */
  static async open(target: string, plan: LinkPlan = {}, clock: Clock = systemClock): Promise<Link> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Link(server, new URL(target), plan, clock);
  }

  /** Everything that happened so far, in order. */
  get log(): readonly LinkEvent[] {
    return this.#log;
  }

  /** How often that happened. */
  count(type: LinkEvent['type']): number {
    return this.#log.filter((event) => event.type === type).length;
  }

  /** Resolves with the `count`th of that type (1 for the first), whether it was or is to come. */
  async nth(type: LinkEvent['type'], count = 1): Promise<LinkEvent> {
    for (;;) {
      const found = this.#log.filter((event) => event.type === type)[count - 1];
      if (found) return found;
      await this.#change.promise;
    }
  }

  /** Breaks every connection; what is on its way is lost. New ones are led on. */
  cut(how: CutHow = 'reset'): void {
    for (const line of this.#lines) this.#cutLine(line, how, null);
  }

  /** Nothing moves from now on, also on new connections, until {@link flow} or for `forMs`. */
  stall(forMs?: number): void {
    this.#stall(forMs, { connection: null, way: null, at: 0 });
  }

  /** Ends a stall; all that was held goes on. */
  flow(): void {
    this.#stopStall();
    this.#stopStall = () => {};
    if (!this.#isHeld) return;
    this.#isHeld = false;
    for (const line of this.#lines) for (const { delayed } of line.ways) delayed.flow();
    this.#tell({ type: 'flow', connection: null, way: null, at: 0 });
  }

  /** From now on new connections are reset at once, until {@link up}; those that are there live on. */
  down(): void {
    this.#isDown = true;
  }

  /** Takes connections again. */
  up(): void {
    this.#isDown = false;
  }

  /** From now on the plan brings about no faults, until {@link rage}; delay and narrowness stay. */
  calm(): void {
    this.#isCalm = true;
    this.#stopNextStall();
    for (const line of this.#lines) line.stopLife();
    this.flow();
  }

  /** The plan brings about its faults again; what comes after a time, after so much time from now. */
  rage(): void {
    this.#isCalm = false;
    this.#nextStall();
    for (const line of this.#lines) this.#limitLife(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopStall();
    this.#stopNextStall();
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const line of this.#lines) line.break('reset');
    await closed;
  }

  #lead(near: Socket, { hostname: host, port }: URL): void {
    if (this.#isDown) {
      near.on('error', () => {});
      near.resetAndDestroy();
      return;
    }
    const far = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
    const line = new Line(near, far, this.#count++, () => this.#lines.delete(line));
    for (const way of WAYS) this.#addWay(line, way);
    this.#lines.add(line);
    this.#limitLife(line);
    this.#tell({ type: 'open', connection: line.number, way: null, at: 0 });
  }

  #randomOf(line: Line, way: LinkWay, kind: number): Random {
    const { seed = 1 } = this.#plan;
    return new Random(seed, (line.number * WAYS.length + WAYS.indexOf(way)) * STREAMS + kind);
  }

  #limitLife(line: Line): void {
    const { afterMs, how = 'reset' } = this.#plan.cut ?? {};
    line.stopLife();
    if (afterMs === undefined || this.#isCalm) return;
    line.stopLife = this.#clock.after(drawn(this.#randomOf(line, 'out', 6), afterMs), () => {
      if (this.#allows('cut', { connection: line.number, way: null, at: 0 })) this.#cutLine(line, how, null);
    });
  }

  #nextStall(): void {
    const { afterMs, forMs } = this.#plan.stall ?? {};
    this.#stopNextStall();
    if (afterMs === undefined || forMs === undefined || this.#isCalm) return;
    this.#stopNextStall = this.#clock.after(drawn(this.#stallRandom, afterMs), () => {
      const where = { connection: null, way: null, at: 0 };
      if (this.#allows('stall', where)) this.#stall(drawn(this.#stallRandom, forMs), where);
      this.#nextStall();
    });
  }

  #addWay(line: Line, way: LinkWay): void {
    const { only } = this.#plan;
    const plan = only === undefined || only === way ? this.#plan : {};
    const randomOf = (kind: number): Random => this.#randomOf(line, way, kind);
    const [from, to] = way === 'out' ? [line.near, line.far] : [line.far, line.near];
    const isFull = (): boolean => delayed.bytes + to.writableLength > HELD_BYTES_MAX;
    const goOn = (): void => {
      if (from.isPaused() && !isFull()) from.resume();
    };
    const write = (chunk: Uint8Array): void => {
      if (!to.destroyed) to.write(chunk);
      goOn();
    };
    const jitter = randomOf(5);
    const chance = (): number => jitter.below(2 ** 32) / 2 ** 32;
    const delayed = new DelayedWay(this.#clock, this.#plan, { write, end: () => to.end() }, chance);
    if (this.#isHeld) delayed.hold();
    const allows = (fault: Fault, at: number): boolean => this.#allows(fault, { connection: line.number, way, at });
    const faults = new ByteFaults(plan, randomOf, allows);
    const shuffle = new PacketShuffle(plan, randomOf(4), this.#clock, { pass: (bytes) => delayed.put(bytes), allows });
    const isShuffled = plan.duplicateOneIn !== undefined || plan.reorderOneIn !== undefined;
    line.ways.push({ delayed, shuffle });
    // Faults happen where bytes come out: what came before has arrived, what is behind has not.
    let isCut = false;
    const happen = (step: Exclude<Step, { type: 'pass' }>): void => {
      if (step.type === 'cut') this.#cutLine(line, step.how, way, step.at);
      else this.#stall(step.forMs, { connection: line.number, way, at: step.at });
    };
    from.on('data', (chunk: Buffer) => {
      if (isCut) return;
      for (const step of faults.take(chunk)) {
        if (step.type !== 'pass') delayed.mark(() => happen(step));
        else if (isShuffled) shuffle.take(step.bytes);
        else delayed.put(step.bytes);
        isCut = step.type === 'cut';
      }
      if (isFull()) from.pause();
    });
    to.on('drain', goOn);
    from.on('end', () => {
      shuffle.flush();
      delayed.end();
    });
  }

  /** Faults that last or end something are told by whoever brings them about. */
  #allows(fault: Fault, where: Omit<LinkEvent, 'type'>): boolean {
    const { faultsMax = Number.POSITIVE_INFINITY } = this.#plan;
    const before = this.#faults.get(fault) ?? 0;
    if (this.#isCalm || before >= faultsMax) return false;
    this.#faults.set(fault, before + 1);
    if (fault !== 'cut' && fault !== 'stall') this.#tell({ type: fault, ...where });
    return true;
  }

  #cutLine(line: Line, how: CutHow, way: LinkWay | null, at = 0): void {
    if (!line.break(how)) return;
    this.#tell({ type: 'cut', connection: line.number, way, at });
  }

  #stall(forMs: number | undefined, where: Omit<LinkEvent, 'type'>): void {
    this.#stopStall();
    this.#stopStall = forMs === undefined ? () => {} : this.#clock.after(forMs, () => this.flow());
    this.#isHeld = true;
    for (const line of this.#lines) for (const { delayed } of line.ways) delayed.hold();
    this.#tell({ type: 'stall', ...where });
  }

  #tell(event: LinkEvent): void {
    this.#log.push(event);
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

/** One connection that is led on. */
class Line {
  readonly near: Socket;
  readonly far: Socket;
  readonly number: number;
  readonly ways: { readonly delayed: DelayedWay; readonly shuffle: PacketShuffle }[] = [];
  /** Forgets the time at which it is to be cut. */
  stopLife: () => void = () => {};
  #isBroken = false;

  constructor(near: Socket, far: Socket, number: number, onClosed: () => void) {
    this.near = near;
    this.far = far;
    this.number = number;
    const closed = Promise.all([near, far].map((socket) => new Promise((resolve) => socket.on('close', resolve))));
    void closed.then(() => {
      this.stopLife();
      onClosed();
    });
    // What has ended in order may still have something on its way to the other side.
    for (const socket of [near, far]) socket.on('error', () => this.break('reset'));
  }

  /** What is on its way is lost. False where it was broken before. */
  break(how: CutHow): boolean {
    if (this.#isBroken) return false;
    this.#isBroken = true;
    this.stopLife();
    for (const { delayed, shuffle } of this.ways) {
      shuffle.cut();
      delayed.cut();
    }
    for (const socket of [this.near, this.far]) {
      socket.removeAllListeners('data');
      if (how === 'reset') socket.resetAndDestroy();
      else socket.destroySoon();
    }
    return true;
  }
}

/** A {@link Link} that is gone after the test. */
export async function linkTo(context: TestContext, target: string, plan: LinkPlan = {}): Promise<Link> {
  const link = await Link.open(target, plan);
  context.after(() => link[Symbol.asyncDispose]());
  return link;
}
