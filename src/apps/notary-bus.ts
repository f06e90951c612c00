import type { SealwireError } from '../core/errors.ts';
import type { Qos } from '../core/ports.ts';
import type { LoadedIdentity } from '../node/home.ts';
import { BusNotary } from '../roles/bus/bus-notary.ts';
import { BusSessions } from '../roles/bus/bus-sessions.ts';
import { followRoster } from '../roles/bus/roster-feed.ts';
import type { Notary } from '../roles/notary.ts';
import type { NotaryService } from '../roles/notary-service.ts';
import { Peer, type PeerOptions } from '../roles/peer.ts';
import { AsyncQueue } from '../roles/queue.ts';
import type { RosterKeeper } from '../roles/roster-keeper.ts';
import type { Session } from '../roles/session.ts';
import { type BrokerAccess, claimedSender, connectAs } from './connect-broker.ts';

/** Where a notary listens in. */
export interface NotaryBroker extends BrokerAccess {
  readonly url: string;
  readonly qos?: Qos;
  /** What it listens to; everything unless told. */
  readonly filters?: readonly string[];
}

/** What {@link notaryAtBroker} joins. */
export interface NotaryParts {
  readonly identity: LoadedIdentity;
  readonly shared: PeerOptions;
  readonly notary: Notary;
  /** Followed at the broker; undefined for none. */
  readonly roster: RosterKeeper | undefined;
  readonly service: NotaryService;
  readonly onTrouble: (error: SealwireError, who: string) => void;
}

/**
 * Lets a notary listen in at a broker and serve whoever opens a session with it there. Closing what it gives ends
 * that. Rejects with `broker-unreachable`, `broker-refused` or `topic-invalid`.
 */
export async function notaryAtBroker(parts: NotaryParts, at: NotaryBroker): Promise<AsyncDisposable> {
  const { identity, shared, notary, roster, service, onTrouble } = parts;
  const { url, qos = 1, filters = ['#'], ...access } = at;
  await using opening = new AsyncDisposableStack();
  const broker = opening.use(await connectAs(identity, url, shared, access));
  const arriving = new AsyncQueue<Session>(Number.POSITIVE_INFINITY);
  const serving = service.run(arriving.items());
  opening.defer(async () => {
    arriving.end();
    await serving;
  });
  const sessions = opening.use(
    await BusSessions.open({
      peer: new Peer(shared),
      broker,
      qos,
      onSession: (session) => void arriving.push(session),
      onRefused: (error, topic) => onTrouble(error, claimedSender(topic)),
    }),
  );
  if (roster) await followRoster(broker, roster, shared.clock, onTrouble);
  const crypto = shared.crypto;
  const sessionOf = (senderId: Uint8Array): Session | undefined => sessions.current(senderId);
  const listening = await BusNotary.start({ crypto, notary, broker, filters, qos, sessionOf, onTrouble });
  opening.defer(() => listening.close());
  return opening.move();
}
