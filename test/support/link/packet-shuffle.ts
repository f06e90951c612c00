import type { Clock } from '../../../src/core/ports.ts';
import type { Random } from '../../fuzz/random.ts';
import { PacketReader, type WirePacket } from '../mqtt-wire.ts';
import type { FaultPlan } from './plan.ts';

/** What a plan does with whole packets. */
export type PacketFault = 'duplicate' | 'reorder';

/** Where packets go, and who is asked. */
export interface ShuffleWays {
  pass(bytes: Uint8Array): void;
  /** Asked at each fault, with the number of bytes before the packet; where this says no, nothing happens there. */
  allows(fault: PacketFault, at: number): boolean;
}

/** One that is to be overtaken waits so long for another one at most. */
const OVERTAKEN_WITHIN_MS = 50;

/** Doubles and reorders PUBLISH packets in one direction of one MQTT connection; all others pass as they are. */
export class PacketShuffle {
  readonly #plan: FaultPlan;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #ways: ShuffleWays;
  readonly #reader = new PacketReader();
  #held: Uint8Array | undefined;
  #at = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(plan: FaultPlan, random: Random, clock: Clock, ways: ShuffleWays) {
    this.#plan = plan;
    this.#random = random;
    this.#clock = clock;
    this.#ways = ways;
  }

  take(chunk: Uint8Array): void {
    for (const packet of this.#reader.read(Buffer.from(chunk))) {
      this.#takePacket(packet);
      this.#at += packet.bytes.length;
    }
  }

  /** What waits to be overtaken goes now. */
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const held = this.#held;
    this.#held = undefined;
    if (held) this.#ways.pass(held);
  }

  /** What waits is lost. */
  cut(): void {
    this.#held = undefined;
    this.flush();
  }

  #takePacket({ type, bytes }: WirePacket): void {
    if (type !== 'publish') {
      // Behind a goodbye nothing is read any more.
      if (type === 'disconnect') this.flush();
      this.#ways.pass(bytes);
      return;
    }
    const { duplicateOneIn, reorderOneIn } = this.#plan;
    const isDoubled = this.#falls(duplicateOneIn, 'duplicate');
    const isOvertaken = this.#held === undefined && this.#falls(reorderOneIn, 'reorder');
    if (isOvertaken) {
      this.#held = isDoubled ? Buffer.concat([bytes, bytes]) : bytes;
      this.#cancelTimer = this.#clock.after(OVERTAKEN_WITHIN_MS, () => this.flush());
      return;
    }
    this.#ways.pass(bytes);
    if (isDoubled) this.#ways.pass(bytes);
    this.flush();
  }

  #falls(oneIn: number | undefined, fault: PacketFault): boolean {
    return oneIn !== undefined && this.#random.once(oneIn) && this.#ways.allows(fault, this.#at);
  }
}
