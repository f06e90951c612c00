import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { SealwireError } from '../core/errors.ts';
import { formatId } from '../core/identity/id.ts';
import type { Anchor } from '../core/identity/path.ts';
import { checkFilter } from '../core/topic.ts';
import { systemClock } from '../node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { loadIdentity, openHome, readTrust } from '../node/home.ts';
import { readPassphrase } from '../node/passphrase.ts';
import { openLedgerStore } from '../node/sqlite-ledger.ts';
import { Listening } from '../roles/listening.ts';
import { parseBrokerUrl } from '../roles/mqtt/address.ts';
import { type Notary, openNotary } from '../roles/notary.ts';
import { NotaryService, type NotaryServiceEvents } from '../roles/notary-service.ts';
import { Peer } from '../roles/peer.ts';
import type { RosterKeeper } from '../roles/roster-keeper.ts';
import { type BrokerFlags, brokerOptions, withBrokerFlags } from './broker-flags.ts';
import { printable } from './console.ts';
import { aborted, type Context } from './context.ts';
import { eventSentence } from './event-sentence.ts';
import { type NotaryBroker, notaryAtBroker } from './notary-bus.ts';
import { anchorsWith, openRoster } from './open-roster.ts';
import { notEmpty } from './program.ts';
import { Seldom } from './seldom.ts';
import { Transports } from './transports.ts';

/** How {@link runNotary} runs. */
export interface NotaryOptions {
  readonly home: string;
  readonly passphrase?: string;
  /** Where peers reach it: `tcp://host:port`. */
  readonly address: string;
  /** The ledger's own name, the same for good. */
  readonly origin?: string;
  /** The ledger's file; `ledger.db` in the home unless told. */
  readonly ledgerFile?: string;
  /** A broker to listen in at, beside the address. */
  readonly broker?: NotaryBroker;
  readonly events?: NotaryServiceEvents;
}

/** A notary at work. */
export interface RunningNotary extends AsyncDisposable {
  readonly notary: Notary;
  readonly address: string;
  readonly ledgerFile: string;
  /** Lets sessions end, then closes the ledger. */
  close(): Promise<void>;
}

/** Where a home's notary keeps its ledger. */
export function ledgerFileOf(home: string): string {
  return join(home, 'ledger.db');
}

/** Opens the ledger of a home and serves its notary at an address, to whom the home trusts. */
export async function runNotary(options: NotaryOptions): Promise<RunningNotary> {
  const home = await openHome(options.home);
  const { passphrase, ledgerFile = ledgerFileOf(options.home) } = options;
  const identity = await loadIdentity(home, {
    ...(passphrase === undefined ? {} : { passphrase }),
    nowMs: systemClock.now(),
  });
  await using opening = new AsyncDisposableStack();
  const store = opening.use(openLedgerStore(ledgerFile));
  const roster = await openRoster(home);
  const anchors = async (): Promise<readonly Anchor[]> => anchorsWith(await readTrust(home), roster?.current);
  const shared = { crypto: nodeCrypto, clock: systemClock, verifierOf: nodeVerifier, anchors };
  const { signer, certificates } = identity;
  const origin = options.origin ?? `sealwire/${identity.name}`;
  const notary = opening.use(
    await openNotary({ ...shared, store, signer, certificates, origin, ...(roster ? { roster } : {}) }),
  );
  if (roster) opening.defer(await logRosters(notary, roster));
  const onRefused = (error: SealwireError, remote: string): void => options.events?.onTrouble?.(error, remote);
  const listener = await new Transports(identity, shared).listen(options.address, onRefused);
  const listening = new Listening(new Peer({ ...shared, identity }), listener, { onRefused });
  const service = new NotaryService(nodeCrypto, notary, options.events);
  const serving = service.run(listening);
  opening.defer(async () => {
    await listening.close();
    await serving;
  });
  if (options.broker) {
    const parts = { identity, shared: { ...shared, identity }, notary, roster, service, onTrouble: onRefused };
    opening.use(await notaryAtBroker(parts, options.broker));
  }
  const parts = opening.move();
  const close = (): Promise<void> => parts.disposeAsync();
  return { notary, address: listening.address, ledgerFile, close, [Symbol.asyncDispose]: close };
}

/** Logs every version of the roster that is known, and those that come. Gives how to stop. */
async function logRosters(notary: Notary, roster: RosterKeeper): Promise<() => void> {
  const logAll = async (): Promise<void> => {
    for (let version = 1; version <= (roster.current?.version ?? 0); version++) {
      const bytes = roster.bytesOf(version);
      if (bytes) await notary.logRoster(bytes);
    }
  };
  await logAll();
  // What stops the notary is told by the notary.
  return roster.onChange(() => void logAll().catch(() => {}));
}

interface NotaryFlags extends Omit<BrokerFlags, 'broker'> {
  readonly broker?: string;
  readonly filter?: readonly string[];
  readonly listen: string;
  readonly origin?: string;
  readonly ledger?: string;
  readonly passphraseFile?: string;
}

const EXAMPLES = `
Examples:
  sealwire notary --listen tls://0.0.0.0:7701
  sealwire notary --broker mqtts://broker.example:8883 --filter 'plant/#' 'sealwire/1/#'

With --broker it listens in there as well: it logs what it can verify, and reads nothing.`;

/** `notary`: keeps the ledger. */
export function registerNotary(program: Command, context: Context): void {
  const command = program
    .command('notary')
    .description('keep a ledger: log the labels of whom this home trusts, in signed blocks')
    .option('--listen <address>', 'where peers reach it', notEmpty, 'tcp://127.0.0.1:7701')
    .option('--origin <name>', "the ledger's own name, the same for good (default: sealwire/NAME)", notEmpty)
    .option('--ledger <file>', "the ledger's file (default: ledger.db in the home)", notEmpty)
    .option('--passphrase-file <file>', 'a file whose first line opens the private key', notEmpty);
  withBrokerFlags(command, null)
    .option('--filter <filters...>', 'what to listen to at the broker (default: #, everything)')
    .addHelpText('after', EXAMPLES)
    .action((flags: NotaryFlags) => notaryCommand(context, flags));
}

async function notaryCommand(context: Context, flags: NotaryFlags): Promise<void> {
  const passphrase = flags.passphraseFile === undefined ? undefined : await readPassphrase(flags.passphraseFile);
  const broker = await brokerOf(context, flags);
  const trouble = new Seldom(systemClock.elapsed, context.console.note);
  await using running = await runNotary({
    home: context.home,
    ...(passphrase === undefined ? {} : { passphrase }),
    address: flags.listen,
    ...(flags.origin === undefined ? {} : { origin: flags.origin }),
    ...(flags.ledger === undefined ? {} : { ledgerFile: resolve(flags.ledger) }),
    ...(broker === undefined ? {} : { broker }),
    events: {
      onSession: ({ peer, remote }) => context.console.note(printable(`${peer.name} connected from ${remote}.`)),
      // One code stands for several troubles, which begin with words of their own.
      onTrouble: (error, who) =>
        trouble.say(
          printable(`${who}: ${error.message} [${error.code}]`),
          `${error.code} ${error.message.slice(0, 20)}`,
        ),
    },
  });
  const { notary, address, ledgerFile } = running;
  const { height, treeSize } = notary.head;
  const id = formatId(notary.id);
  if (context.json) {
    await context.console.json({
      event: 'listening',
      address,
      ...(broker === undefined ? {} : { broker: parseBrokerUrl(broker.url).remote }),
      id,
      origin: notary.origin,
      ledgerFile,
      height,
      treeSize,
    });
  } else {
    context.console.note(`Notary ${id} keeps ${notary.origin} in ${ledgerFile}, ${treeSize} entries so far.`);
    const places = broker === undefined ? address : `${address} and listens in at ${parseBrokerUrl(broker.url).remote}`;
    context.console.note(`It listens at ${places}; Ctrl-C ends it.`);
  }
  const failure = await Promise.race([aborted(context.signal), notary.failed]);
  if (failure !== undefined) throw failure;
}

/** Where the flags say to listen in; throws `address-invalid`, `topic-invalid` and `usage`. */
async function brokerOf(context: Context, flags: NotaryFlags): Promise<NotaryBroker | undefined> {
  const { broker: url, filter: filters = ['#'] } = flags;
  if (url === undefined) {
    const { filter, ca, cert, key, username, passwordFile, mqtt } = flags;
    if ([filter, ca, cert, key, username, passwordFile, mqtt].every((flag) => flag === undefined)) return undefined;
    throw new SealwireError('usage', 'An option is about a broker, but there is no --broker.', {
      hint: 'Add --broker mqtt://host:port to listen in there.',
    });
  }
  const { remote } = parseBrokerUrl(url);
  for (const filter of filters) checkFilter(filter);
  return {
    url,
    filters,
    ...(await brokerOptions(flags)),
    onEvent: (event) => {
      const sentence = eventSentence({ type: 'broker', event, remote });
      if (sentence) context.console.note(printable(sentence));
    },
  };
}
