import { isSealwireError, SealwireError } from '../../core/errors.ts';
import type { BrokerConnection, Clock, Publication, Subscription } from '../../core/ports.ts';
import { barrierTopic, parseRosterTopic, rosterFilter, rosterTopic } from '../../core/roster/roster-topic.ts';
import type { RosterKeeper } from '../roster-keeper.ts';

/** Told of a roster that a broker showed and that was turned away. */
export type OnRosterRefused = (error: SealwireError, topic: string) => void;

/**
 * Follows a roster at a broker, which keeps every version as a retained message. Resolves when what the broker kept is
 * here, so that nobody is written to by an old roster. Rejects with `broker-refused`.
 */
export async function followRoster(
  broker: BrokerConnection,
  keeper: RosterKeeper,
  clock: Pick<Clock, 'turn'>,
  onRefused: OnRosterRefused,
): Promise<Subscription> {
  const { name } = keeper;
  let taking = 0;
  const take = async ({ topic, payload }: Publication): Promise<void> => {
    const about = parseRosterTopic(topic);
    // Those that are known already come again with every connection.
    if (about?.name !== name || payload.length === 0) return;
    taking += 1;
    try {
      await keeper.offer(payload);
    } catch (cause) {
      const known = isSealwireError(cause);
      onRefused(known ? cause : new SealwireError('internal', 'A roster could not be taken.', { cause }), topic);
    } finally {
      taking -= 1;
    }
  };
  const following = await broker.subscribe(rosterFilter(name), 1, take);
  await answered(broker, name);
  do await clock.turn();
  while (taking > 0);
  return following;
}

/** Has the broker answer something else: what it kept for the question before has come by then. */
async function answered(broker: BrokerConnection, name: string): Promise<void> {
  try {
    const other = await broker.subscribe(barrierTopic(name), 1, () => {});
    await other.unsubscribe();
  } catch {
    // A broker that does not let one read that has answered, too.
  }
}

/** Has a broker keep every version for whoever comes; rejects as `BrokerConnection.publish` does. */
export async function publishRoster(broker: BrokerConnection, keeper: RosterKeeper): Promise<void> {
  for (let version = 1; version <= (keeper.current?.version ?? 0); version++) {
    const bytes = keeper.bytesOf(version);
    if (bytes) await broker.publish(rosterTopic(keeper.name, version), bytes, { qos: 1, retain: true });
  }
}
