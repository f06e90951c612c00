import { checkRosterName } from './roster-check.ts';

const ROOT = 'sealwire/1/roster';
const TOPIC = /^sealwire\/1\/roster\/([^/]+)\/([1-9]\d{0,9})$/;

/** Where a broker keeps one version for whoever comes: a retained message for each, so that none can be missed. */
export function rosterTopic(name: string, version: number): string {
  return `${ROOT}/${checkRosterName(name)}/${version}`;
}

/** The filter for every version of a roster. */
export function rosterFilter(name: string): string {
  return `${ROOT}/${checkRosterName(name)}/+`;
}

/** A topic beside those of the versions on which nothing is ever published: asked for, it is a mark in the broker's answers. */
export function barrierTopic(name: string): string {
  return `${ROOT}/${checkRosterName(name)}`;
}

/** Which version a topic is for; null for any other topic. */
export function parseRosterTopic(topic: string): { readonly name: string; readonly version: number } | null {
  const [, name, version] = TOPIC.exec(topic) ?? [];
  return name === undefined ? null : { name, version: Number(version) };
}
