import type { ErrorCode } from '../../src/core/errors.ts';
import type { Label } from '../../src/core/frame/label.ts';
import { decodeEntry } from '../../src/core/ledger/entry.ts';
import type { LedgerStore } from '../../src/core/ledger/store.ts';
import type { LoggedLabel } from '../../src/core/ledger/submission.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import type { Bus } from '../../src/roles/bus/bus.ts';
import { BusNotary } from '../../src/roles/bus/bus-notary.ts';
import { BusSessions } from '../../src/roles/bus/bus-sessions.ts';
import { memoryLedger } from '../../src/roles/memory-ledger.ts';
import { type Notary, openNotary } from '../../src/roles/notary.ts';
import { NotaryService } from '../../src/roles/notary-service.ts';
import { AsyncQueue } from '../../src/roles/queue.ts';
import type { Session } from '../../src/roles/session.ts';
import { Submitting } from '../../src/roles/submitting.ts';
import type { Square, Visitor, VisitorOptions } from './bus.ts';
import { identityOf, peerOf } from './session-pair.ts';

/** A notary at a square's broker. */
export interface NotaryDesk {
  readonly notary: Notary;
  /** Frames that were seen and not logged, labels that were turned away, sessions that ended badly. */
  readonly troubles: readonly ErrorCode[];
  /** Every label in its ledger. */
  labels(): Promise<Label[]>;
  /** It is gone without a word. */
  vanish(): Promise<void>;
  close(): Promise<void>;
}

/** The notary sets up its desk; `filters` is what it listens to. */
export async function openDesk(
  square: Square,
  store: LedgerStore = memoryLedger(),
  filters: readonly string[] = ['#'],
): Promise<NotaryDesk> {
  const { clock } = square;
  const { signer, certificates } = await identityOf('notary');
  const verifierOf = nodeVerifier;
  const origin = 'plant.example/ledger';
  const notary = await openNotary({ store, crypto: nodeCrypto, clock, signer, verifierOf, certificates, origin });
  const troubles: ErrorCode[] = [];
  const onTrouble = ({ code }: { readonly code: ErrorCode }): void => void troubles.push(code);
  const arriving = new AsyncQueue<Session>(Number.POSITIVE_INFINITY);
  const serving = new NotaryService(nodeCrypto, notary, { onTrouble }).run(arriving.items());
  const broker = square.broker.connect('notary');
  const sessions = await BusSessions.open({
    peer: await peerOf('notary', clock),
    broker,
    qos: 1,
    onSession: (session) => void arriving.push(session),
    onRefused: onTrouble,
  });
  const sessionOf = (id: Uint8Array): Session | undefined => sessions.current(id);
  const listening = await BusNotary.start({
    crypto: nodeCrypto,
    notary,
    broker,
    filters,
    qos: 1,
    sessionOf,
    onTrouble,
  });
  return {
    notary,
    troubles,
    labels: async () => {
      const entries = await store.entries(0, 100_000);
      return entries.flatMap(({ bytes }) => {
        const entry = decodeEntry(bytes);
        return entry.type === 'label' ? [entry.label] : [];
      });
    },
    vanish: () => broker.close(),
    close: async () => {
      await listening.close();
      await sessions.close();
      arriving.end();
      await serving;
      await broker.close();
      await notary.close();
    },
  };
}

/** Somebody whose labels a notary at the same broker logs. */
export interface LoggedVisitor extends Visitor {
  readonly submitting: Submitting;
  /** Labels that it has receipts for. */
  readonly kept: readonly LoggedLabel[];
  readonly troubles: readonly ErrorCode[];
  /** Ends sessions, waits for receipts, and leaves. */
  leave(): Promise<void>;
}

/** Somebody joins who logs with the notary at the broker. */
export async function enterLogged(square: Square, name: string, options: VisitorOptions = {}): Promise<LoggedVisitor> {
  const { clock } = square;
  const { id } = await identityOf('notary');
  const [kept, troubles]: [LoggedLabel[], ErrorCode[]] = [[], []];
  let bus: Bus | undefined;
  const submitting = new Submitting({
    crypto: nodeCrypto,
    clock,
    verifierOf: nodeVerifier,
    receipts: { keep: (_, logged) => void kept.push(logged) },
    patienceMs: 2000,
    open: async () => {
      if (!bus) throw new Error('it has not joined yet');
      return bus.session({ id, name: 'notary' });
    },
    onTrouble: ({ code }) => void troubles.push(code),
  });
  const tuning = { unconfirmedMaxMs: 15_000 };
  const logging = { notaryId: id, peer: await peerOf(name, clock, { options: { tuning } }) };
  const visitor = await square.enter(name, { ...options, logging, options: { ...options.options, sink: submitting } });
  bus = visitor.bus;
  await square.elapse(submitting.start());
  const leave = async (): Promise<void> => {
    await visitor.bus.leave();
    await submitting.close();
    await visitor.bus.close();
  };
  return { ...visitor, submitting, kept, troubles, leave };
}
