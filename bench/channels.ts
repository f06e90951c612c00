import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { idToTopic } from '../src/core/identity/id.ts';
import type { ValidIdentity } from '../src/core/identity/path.ts';
import { KIND } from '../src/core/kinds.ts';
import { TreeHasher } from '../src/core/ledger/merkle.ts';
import { type RatchetPosition, SendingRatchet } from '../src/core/ratchet/sending.ts';
import { systemClock } from '../src/node/clock.ts';
import { nodeCrypto } from '../src/node/crypto.ts';
import { SqliteChannels } from '../src/node/sqlite-channels.ts';
import type { ChannelReader } from '../src/roles/channel/channel-reader.ts';
import { ChannelWriter } from '../src/roles/channel/channel-writer.ts';
import { Incoming, type ReceivedMessage } from '../src/roles/incoming.ts';
import { memoryPair } from '../src/roles/memory.ts';
import { AsyncQueue } from '../src/roles/queue.ts';
import type { Session } from '../src/roles/session.ts';
import { SESSION_TUNING } from '../src/roles/session-context.ts';
import { MemoryChannels } from '../test/support/memory-channels.ts';
import { SILENT } from '../test/support/silent-handlers.ts';
import { grantCpuMs } from './channels/granting.ts';
import { CHANNEL, contextOf, identityOf, readerOf, rosterOf } from './channels/reader.ts';
import { type Keys, makeKeys, PAYLOAD_BYTES, plaintextOf, planFor, START, seal, TOPIC } from './frame-parts.ts';
import { type Comparison, compareRates } from './measure.ts';
import type { Bench, Row } from './row.ts';

const ROUNDS = { rounds: 40, runs: 200 };
const WARM_UP = { rounds: 8, runs: 200 };
const WRITERS = 1000;

function channelPlan(keys: Keys): ReturnType<typeof planFor> {
  const roster = { version: 1, hash: new Uint8Array(16) };
  return planFor(keys, { rosterName: 'works', channel: CHANNEL, topic: TOPIC, roster });
}

/** A session with a writer, as far as a reader of channels has to do with it. */
function sessionWith(peer: ValidIdentity): Session {
  return { peer, sendControl: async () => ({ n: 0, seq: 0, logged: null }) } as Partial<Session> as Session;
}

function grantAt({ ratchetId, seq, chainKey }: RatchetPosition): Parameters<ChannelReader['onGrant']>[1] {
  return { channel: CHANNEL, ratchetId, seq, chainKey, stream: new Uint8Array(8), n: seq };
}

async function compareSealing(keys: Keys): Promise<Comparison> {
  const sealer = (plan: ReturnType<typeof planFor>) => {
    const sending = new SendingRatchet(nodeCrypto, START);
    return (): Uint8Array => seal(keys, sending, plan, plaintextOf(1, sending.nextSeq)).bytes;
  };
  const [inChannel, inSession] = [sealer(channelPlan(keys)), sealer(planFor(keys))];
  await compareRates(inChannel, inSession, WARM_UP);
  return compareRates(inChannel, inSession, ROUNDS);
}

/** Everything that a reader does with one frame, from the broker's bytes to the application. */
async function compareOpening(keys: Keys): Promise<Comparison> {
  const own = makeKeys();
  const [writer, reader] = [identityOf('writer', keys.signer), identityOf('reader', own.signer)];
  const count = (WARM_UP.rounds + 1) * WARM_UP.runs + (ROUNDS.rounds + 1) * ROUNDS.runs;
  const framesOf = (plan: ReturnType<typeof planFor>): Uint8Array[] => {
    const sending = new SendingRatchet(nodeCrypto, START);
    return Array.from({ length: count }, (_, n) => seal(keys, sending, plan, plaintextOf(1, n)).bytes);
  };
  const [sealedInChannel, sealedInSession] = [
    framesOf(channelPlan(keys)),
    framesOf(planFor(keys, { topic: idToTopic(reader.id) })),
  ];
  let delivered = 0;
  const context = contextOf(reader, own.signer, rosterOf([writer, reader]));
  const channels = readerOf(context, reader, new MemoryChannels(), () => void delivered++);
  await channels.onGrant(sessionWith(writer), grantAt(START));
  const session = sessionReader(keys, writer, reader);
  let [channelAt, sessionAt] = [0, 0];
  const inChannel = (): Promise<void> => {
    const payload = sealedInChannel[channelAt++];
    if (!payload) throw new Error('there are frames for all runs');
    return channels.take({ topic: TOPIC, payload, retained: false }, false);
  };
  const inSession = async (): Promise<void> => {
    await session.incoming.take(sealedInSession[sessionAt++] ?? START.chainKey);
    await session.next();
  };
  await compareRates(inChannel, inSession, WARM_UP);
  const found = await compareRates(inChannel, inSession, ROUNDS);
  await channels.close();
  if (delivered !== channelAt) throw new Error('the bench lost a message');
  return found;
}

function sessionReader({ verifier }: Keys, writer: ValidIdentity, { id, publicKey }: ValidIdentity) {
  const queue = new AsyncQueue<ReceivedMessage>(Number.POSITIVE_INFINITY);
  const items = queue.items();
  const { a: connection } = memoryPair();
  const incoming = new Incoming(
    {
      ...{ crypto: nodeCrypto, hasher: new TreeHasher(nodeCrypto), clock: systemClock, connection },
      ...{ units: connection.receive(), ownId: id, peerId: writer.id, verifier, sink: null, control: null },
      signer: { publicKey, sign: () => new Uint8Array(64) },
      tuning: SESSION_TUNING,
      onEvent: (event) => {
        if (event.type === 'refused') throw event.error;
      },
    },
    START,
    queue,
    SILENT,
  );
  return { incoming, next: () => items.next() };
}

async function frameRows(): Promise<Row[]> {
  const keys = makeKeys();
  const row = (name: string, { oursPerSecond, ratio }: Comparison): Row => ({
    ...{ name, value: oursPerSecond, unit: 'messages/s', ratio, against: 'the same in a session' },
  });
  return [row('channel-seal-1', await compareSealing(keys)), row('channel-open-1', await compareOpening(keys))];
}

/** One message of 256 bytes in a frame, in a channel and in a session. */
export const channelFramesBench: Bench = {
  nodeFlags: ['--single-threaded-gc'],
  names: ['channel-seal-1', 'channel-open-1'],
  run: frameRows,
};

/** Somebody who wrote once, as its reader got to know it. */
interface SeenWriter {
  readonly identity: ValidIdentity;
  readonly position: RatchetPosition;
  readonly frame: Uint8Array;
}

function seenWriter(name: string): SeenWriter {
  const keys = makeKeys();
  const position = { ratchetId: nodeCrypto.random(16), seq: 0, chainKey: nodeCrypto.random(32) };
  const { bytes } = seal(keys, new SendingRatchet(nodeCrypto, position), channelPlan(keys), plaintextOf(1, 0));
  return { identity: identityOf(name, keys.signer), position, frame: bytes };
}

async function collect(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    await systemClock.turn();
    globalThis.gc?.();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function idleRows(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sealwire-bench-'));
  try {
    return await measureIdle(join(directory, 'channels.db'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measureIdle(path: string): Promise<Row[]> {
  const keys = makeKeys();
  const own = identityOf('reader', keys.signer);
  const writers = Array.from({ length: WRITERS }, (_, i) => seenWriter(`writer-${i}`));
  const context = contextOf(own, keys.signer, rosterOf([own, ...writers.map(({ identity }) => identity)]));
  // What is done once, the statements of the store among it, is none of any writer's.
  const first = new SqliteChannels(`${path}.first`);
  await meet(
    readerOf(context, own, first, () => {}),
    writers.slice(0, 300),
  );
  first.close();
  let store = new SqliteChannels(path);
  store.close();
  const emptyBytes = statSync(path).size;
  store = new SqliteChannels(path);
  const before = await collect();
  const met = readerOf(context, own, store, () => {});
  await meet(met, writers);
  const metBytes = (await collect()) - before;
  await met.close();
  store.close();
  const diskBytes = statSync(path).size - emptyBytes;
  store = new SqliteChannels(path);
  const beforeLoading = await collect();
  const restarted = readerOf(context, own, store, () => {});
  // The broker hands out what it kept, which is nothing new: the reader looks its writer up, and that is all.
  for (const { frame } of writers) await restarted.take({ topic: TOPIC, payload: frame, retained: true }, false);
  const loadedBytes = (await collect()) - beforeLoading;
  await restarted.close();
  store.close();
  const row = (name: string, bytes: number): Row => ({
    ...{ name, value: bytes / WRITERS, unit: 'bytes a writer', ratio: null, against: null },
  });
  return [row('ratchet-memory-bytes', Math.max(metBytes, loadedBytes)), row('ratchet-disk-bytes', diskBytes)];
}

/** Every writer grants its keys and sends one message; what comes over the wire is nobody else's memory. */
async function meet(reader: ChannelReader, writers: readonly SeenWriter[]): Promise<void> {
  for (const writer of writers) {
    const { identity, position, frame } = structuredClone(writer);
    await reader.onGrant(sessionWith(identity), grantAt(position));
    await reader.take({ topic: TOPIC, payload: frame, retained: false }, false);
  }
  await systemClock.turn();
}

/**
 * What 1,000 writers that are idle take at their reader, each: in memory after collection, the larger of having met them
 * and of having been restarted since, and in its file.
 */
export const channelIdleBench: Bench = {
  nodeFlags: ['--expose-gc', '--single-threaded-gc'],
  names: ['ratchet-memory-bytes', 'ratchet-disk-bytes'],
  run: idleRows,
};

async function grantRows(): Promise<Row[]> {
  return [
    {
      ...{ name: 'grant-cpu-ms', value: await grantCpuMs(), unit: 'ms a new reader', ratio: null },
      against: 'processor time of the writer’s thread, its handshake included',
    },
  ];
}

/** What a new reader costs a writer: its side of the handshake, the request, the grant, the receipts. */
export const grantBench: Bench = { nodeFlags: ['--single-threaded-gc'], names: ['grant-cpu-ms'], run: grantRows };

/** Microseconds of one message, published until it has left, where the channel has so many readers. */
function publisher(readers: number): () => Promise<unknown> {
  const keys = makeKeys();
  const own = identityOf('writer', keys.signer);
  const others = Array.from({ length: readers }, (_, i) => ({ id: nodeCrypto.random(32), name: `reader-${i}` }));
  const rights = { writers: [own.name], readers: others.map(({ name }) => name) };
  const writer = new ChannelWriter(contextOf(own, keys.signer, rosterOf([...others, own], rights)), CHANNEL, own);
  const payload = new Uint8Array(PAYLOAD_BYTES);
  const about = { kind: KIND.message, topic: TOPIC, contentType: 42, expiresAtMs: null } as const;
  return () => writer.send({ ...about, payload, until: 'sent', retain: false, waitMs: 0 });
}

async function publishRows(): Promise<Row[]> {
  const [many, one] = [publisher(1000), publisher(1)];
  await compareRates(many, one, WARM_UP);
  const { oursPerSecond, ratio } = await compareRates(many, one, ROUNDS);
  return [
    {
      ...{ name: 'channel-publish-1000', value: oursPerSecond, unit: 'messages/s', ratio },
      against: 'the same with one reader instead of 1,000',
    },
  ];
}

/** Publishing costs a writer the same however many read it. */
export const publishBench: Bench = {
  nodeFlags: ['--single-threaded-gc'],
  names: ['channel-publish-1000'],
  run: publishRows,
};
