import type { Label } from '../../src/core/frame/label.ts';
import { receiveFrame } from '../../src/core/frame/open.ts';
import type { Anchor } from '../../src/core/identity/path.ts';
import type { Connection, Signer } from '../../src/core/ports.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';
import type { LabelSink } from '../../src/roles/label-sink.ts';
import { Peer, type PeerOptions } from '../../src/roles/peer.ts';
import type { Session } from '../../src/roles/session.ts';
import type { SessionTuning } from '../../src/roles/session-context.ts';
import type { SessionEvent } from '../../src/roles/session-events.ts';
import { NOW_MS } from './identities.ts';
import { member } from './ledger.ts';
import { type ManualClock, manualClock } from './manual-clock.ts';
import { between, type Middle, type Tamper, type Way } from './memory-middle.ts';
import { turn } from './turns.ts';

const numbers = new Map([
  ['alice', 61],
  ['bob', 62],
  ['carol', 63],
  ['notary', 64],
]);

/** The identity of that name (`alice`, `bob`, `carol` or `notary`), the same each time. */
export async function identityOf(name: string): Promise<OwnIdentity> {
  const number = numbers.get(name);
  if (number === undefined) throw new Error(`nobody is called ${name}`);
  const { id, signer, certificates } = await member(name, number);
  return { name, id, signer, certificates };
}

/** Trust in these names. */
export async function pinsOf(names: readonly string[]): Promise<Anchor[]> {
  return Promise.all(names.map(async (name) => ({ name, id: (await identityOf(name)).id })));
}

/** How {@link peerOf} differs from a peer that trusts everybody and logs nothing. */
export interface PeerMore {
  readonly trusts?: readonly string[];
  readonly signer?: (own: Signer) => Signer;
  readonly options?: Partial<PeerOptions>;
}

/** A peer on a clock that stands still. */
export async function peerOf(name: string, clock: ManualClock, more: PeerMore = {}): Promise<Peer> {
  const own = await identityOf(name);
  const anchors = await pinsOf(more.trusts ?? [...numbers.keys()].filter((other) => other !== name));
  return new Peer({
    identity: { ...own, signer: more.signer?.(own.signer) ?? own.signer },
    anchors: () => anchors,
    crypto: nodeCrypto,
    clock,
    verifierOf: nodeVerifier,
    ...more.options,
  });
}

/** What happens to a frame on its way: what {@link Tamper} gives, for the frames of a session only. */
export type FrameTamper = (label: Label, unit: Uint8Array, way: Way, middle: Middle) => readonly Uint8Array[];

/** How a pair is set up. */
export interface PairOptions {
  readonly tuning?: Partial<SessionTuning>;
  readonly tamper?: FrameTamper;
  /** Where Alice's labels go. */
  readonly sink?: LabelSink;
  /** Stands between Alice and her key. */
  readonly signer?: (own: Signer) => Signer;
}

/** Alice, who dialled, and Bob, in memory, with somebody in between, on a clock that stands still. */
export interface Pair extends AsyncDisposable {
  readonly alice: Session;
  readonly bob: Session;
  readonly clock: ManualClock;
  readonly middle: Middle;
  readonly aliceEvents: readonly SessionEvent[];
  readonly bobEvents: readonly SessionEvent[];
  /** Lets time go by until `work` has come to its end. */
  elapse<T>(work: Promise<T>): Promise<T>;
}

/** Joins Alice and Bob. */
export async function sessionPair({ tuning = {}, tamper, sink, signer }: PairOptions = {}): Promise<Pair> {
  const clock = manualClock(NOW_MS);
  const aliceEvents: SessionEvent[] = [];
  const bobEvents: SessionEvent[] = [];
  const alicePeer = await peerOf('alice', clock, {
    ...(signer ? { signer } : {}),
    options: { tuning, sink: sink ?? null, onEvent: (event) => void aliceEvents.push(event) },
  });
  const bobPeer = await peerOf('bob', clock, { options: { tuning, onEvent: (event) => void bobEvents.push(event) } });
  const { a, b, middle } = between(tamper && framesOnly(tamper));
  const [alice, bob] = await Promise.all([alicePeer.open(a, 'bob'), bobPeer.answer(b)]);
  return {
    ...{ alice, bob, clock, middle, aliceEvents, bobEvents },
    elapse: (work) => elapse(clock, work),
    [Symbol.asyncDispose]: () => hangUp(clock, [a, b], middle),
  };
}

async function hangUp(clock: ManualClock, ends: readonly Connection[], middle: Middle): Promise<void> {
  await elapse(clock, Promise.all([...ends.map((end) => end.close()), middle.close()]));
}

/** Moves the clock on, a little each turn of the loop, until `work` has come to its end. */
export async function elapse<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let settled = false;
  const done = work.finally(() => {
    settled = true;
  });
  done.catch(() => {});
  while (!settled) {
    await turn();
    if (!settled) clock.advance(20);
  }
  return done;
}

function framesOnly(tamper: FrameTamper): Tamper {
  return (unit, way, middle) => {
    const label = labelOf(unit);
    return label ? tamper(label, unit, way, middle) : [unit];
  };
}

function labelOf(unit: Uint8Array): Label | undefined {
  try {
    return receiveFrame(unit).label;
  } catch {
    return undefined;
  }
}
