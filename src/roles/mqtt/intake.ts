import type { Eventually, Publication } from '../../core/ports.ts';
import { LoopShare } from '../loop-share.ts';

/** A publication that has come, and what to do once it is taken. */
export interface Arrival {
  readonly publication: Publication;
  /** Tells the broker. */
  taken(): void;
}

/** What an {@link Intake} is made with. */
export interface IntakeOptions {
  readonly countMax: number;
  /** Of payloads; one publication may pass it. */
  readonly bytesMax: number;
  /** Resolves when the loop has turned. */
  readonly turn: () => Promise<void>;
  /** Must not throw. */
  readonly take: (publication: Publication) => Eventually<void>;
  /** There is room again after an arrival was not accepted. */
  readonly onRoom: () => void;
}

/**
 * Has publications taken one after the other. What waits for its turn is bounded: beyond that the network waits. Until
 * then the stream flows on, for the acknowledgements that `take` itself may wait for come behind on the same stream.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #share: LoopShare;
  #waiting: Arrival[] = [];
  #head = 0;
  /** The one being taken is among them. */
  #count = 0;
  #bytes = 0;
  #isTaking = false;
  #wasFull = false;
  #isClosed = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#share = new LoopShare(options.turn);
  }

  /** False where there is no room: to be offered again after `onRoom`. */
  offer(arrival: Arrival): boolean {
    if (this.#isClosed) return true;
    this.#wasFull = this.#count >= this.#options.countMax || this.#bytes >= this.#options.bytesMax;
    if (this.#wasFull) return false;
    this.#waiting.push(arrival);
    this.#count += 1;
    this.#bytes += arrival.publication.payload.length;
    if (!this.#isTaking) this.#takeOn();
    return true;
  }

  /** Drops what waits and whatever comes. */
  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
    this.#head = 0;
    this.#options.onRoom();
  }

  #takeOn(): void {
    this.#isTaking = true;
    for (let next = this.#shift(); next; next = this.#shift()) {
      const arrival = next;
      const taking = this.#options.take(arrival.publication);
      if (taking instanceof Promise) {
        void taking.then(() => {
          this.#taken(arrival);
          if (this.#share.isUsed) void this.#share.turn().then(() => this.#takeOn());
          else this.#takeOn();
        });
        return;
      }
      this.#taken(arrival);
    }
    this.#isTaking = false;
  }

  #shift(): Arrival | undefined {
    const next = this.#waiting[this.#head];
    if (next) this.#head += 1;
    // Shifting one by one would move the whole rest each time.
    if (this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    return next;
  }

  #taken({ publication, taken }: Arrival): void {
    this.#count -= 1;
    this.#bytes -= publication.payload.length;
    this.#share.spend(publication.payload.length);
    if (this.#isClosed) return;
    taken();
    if (!this.#wasFull) return;
    this.#wasFull = false;
    this.#options.onRoom();
  }
}
