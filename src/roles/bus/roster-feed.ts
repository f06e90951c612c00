import { isSealwireError, SealwireError } from '../../core/errors.ts';
import type { BrokerConnection, Publication, Subscription } from '../../core/ports.ts';
import { parseRosterTopic, rosterFilter, rosterTopic } from '../../core/roster/roster-topic.ts';
import type { RosterKeeper } from '../roster-keeper.ts';

/** Told of a roster that a broker showed and that was turned away. */
export type OnRosterRefused = (error: SealwireError, topic: string) => void;

/** Follows a roster at a broker, which keeps every version as a retained message. Rejects with `broker-refused`. */
export function followRoster(
  broker: BrokerConnection,
  keeper: RosterKeeper,
  onRefused: OnRosterRefused,
): Promise<Subscription> {
  const { name } = keeper;
  const take = async ({ topic, payload }: Publication): Promise<void> => {
    const about = parseRosterTopic(topic);
    // Those that are known already come again with every connection.
    if (about?.name !== name || payload.length === 0) return;
    try {
      await keeper.offer(payload);
    } catch (cause) {
      const known = isSealwireError(cause);
      onRefused(known ? cause : new SealwireError('internal', 'A roster could not be taken.', { cause }), topic);
    }
  };
  return broker.subscribe(rosterFilter(name), 1, take);
}

/** Has a broker keep every version for whoever comes; rejects as `BrokerConnection.publish` does. */
export async function publishRoster(broker: BrokerConnection, keeper: RosterKeeper): Promise<void> {
  for (let version = 1; version <= (keeper.current?.version ?? 0); version++) {
    const bytes = keeper.bytesOf(version);
    if (bytes) await broker.publish(rosterTopic(keeper.name, version), bytes, { qos: 1, retain: true });
  }
}
