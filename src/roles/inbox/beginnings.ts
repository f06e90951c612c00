import type { Clock } from '../../core/ports.ts';
import type { InboxTuning } from './inbox-tuning.ts';
import { TokenBucket } from './token-bucket.ts';

/** Claimed senders whose rate is remembered. */
const STRANGERS_MAX = 256;

/**
 * Whose message_1 is answered. Strangers share one rate, since anybody can claim any number of ids. A peer that has
 * proven its id has a rate of its own, so that a crowd of strangers does not keep it out.
 */
export class Beginnings {
  readonly #clock: Clock;
  readonly #tuning: InboxTuning;
  readonly #all: TokenBucket;
  readonly #strangers = new Map<string, TokenBucket>();
  readonly #proven = new Map<string, TokenBucket>();

  constructor(clock: Clock, tuning: InboxTuning) {
    this.#clock = clock;
    this.#tuning = tuning;
    this.#all = new TokenBucket(clock, tuning.beginnings);
  }

  /** True where one more from `sender`, as it calls itself, is answered now. */
  admit(sender: string): boolean {
    const known = this.#proven.get(sender);
    if (known) return known.take();
    const own = this.#strangers.get(sender) ?? new TokenBucket(this.#clock, this.#tuning.beginningsPerSender);
    keepNewest(this.#strangers, STRANGERS_MAX, sender, own);
    return own.take() && this.#all.take();
  }

  /** `peer` has shown in a handshake that the id is its own. */
  proved(peer: string): void {
    const bucket = this.#proven.get(peer) ?? new TokenBucket(this.#clock, this.#tuning.beginningsPerSender);
    keepNewest(this.#proven, this.#tuning.provenMax, peer, bucket);
    this.#strangers.delete(peer);
  }
}

function keepNewest<V>(map: Map<string, V>, entriesMax: number, key: string, value: V): void {
  map.delete(key);
  const [oldest] = map.keys();
  if (map.size >= entriesMax && oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}
