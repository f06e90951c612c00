import { topicMatches } from '../topic.ts';
import type { Channel, Roster } from './roster.ts';

export { isRevoked } from './ids.ts';

/** The channel of that name, or undefined. */
export function channelByName(roster: Roster, name: string): Channel | undefined {
  return roster.channels.find((channel) => channel.name === name);
}

/** The channel that `topic` belongs to: the first that has a filter for it; undefined where there is none. */
export function channelOfTopic(roster: Roster, topic: string): Channel | undefined {
  return roster.channels.find(({ filters }) => filters.some((filter) => topicMatches(filter, topic)));
}

/** True where the member of that name may write in the channel. */
export function mayWrite(channel: Channel, member: string): boolean {
  return channel.writers.includes(member);
}

/** True where the member of that name may read in the channel. */
export function mayRead(channel: Channel, member: string): boolean {
  return channel.readers.includes(member);
}
