import type { Qos } from '../../core/ports.ts';

/** A publication on its way out. */
export interface Outgoing {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  /** Asked when it is about to leave for the first time; false drops it. */
  readonly mayLeave: () => boolean;
}

/** One network connection, as the window sees it. */
export interface Outlet {
  /** Publications of QoS 1 and 2 that the broker takes before it has acknowledged the first of them. */
  readonly unacknowledgedMax: number;
  /** Those of QoS 2 among them. */
  readonly unacknowledgedQos2Max: number;
  /** False while what was written waits for the network. */
  readonly hasRoom: boolean;
  /**
   * Writes it; `again` for what went over an earlier connection. At QoS 1 and 2 `settled` is called once the broker
   * has answered, with its reason where it refuses; never after the connection is gone.
   */
  send(publication: Outgoing, again: boolean, settled: (refusal?: string) => void): void;
}

/** What a {@link Window} is made with. */
export interface WindowOptions {
  readonly countMax: number;
  /** Of payloads. */
  readonly bytesMax: number;
  /** Resolves when the loop has turned. */
  readonly turn: () => Promise<void>;
  readonly onRefused: (topic: string, reason: string) => void;
}

interface Entry extends Outgoing {
  again: boolean;
}

/**
 * What was published and not yet taken by the broker, in order, over however many connections that takes. MQTT.js has
 * a queue and a store for this, which know no bound and no Receive Maximum, and drain one message a round trip.
 */
export class Window {
  readonly #options: WindowOptions;
  /** Not written yet, or to be written again. */
  #waiting = new Set<Entry>();
  /** Written at QoS 1 or 2 over the present connection, and not acknowledged. */
  #sent = new Set<Entry>();
  #sentQos2 = 0;
  #bytes = 0;
  #outlet: Outlet | undefined;
  #isFlowing = false;
  #room: PromiseWithResolvers<void> | undefined;
  #empty: PromiseWithResolvers<void> | undefined;

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  /** Resolves when there is room for more. At QoS 0 and without a connection the publication is dropped. */
  publish(publication: Outgoing): Promise<void> {
    // Even then a busy publisher must let the loop turn, or no connection would ever come.
    if (publication.qos === 0 && !this.#outlet) return this.#options.turn();
    this.#waiting.add({ ...publication, again: false });
    this.#bytes += publication.payload.length;
    this.flow();
    if (this.#hasRoom) return Promise.resolve();
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** True while the broker owes an acknowledgement. */
  get awaitsAnswers(): boolean {
    return this.#sent.size > 0;
  }

  /** From now on `outlet` carries: first what an earlier one has not brought to its end, as much at once as may go. */
  attach(outlet: Outlet): void {
    this.#outlet = outlet;
    this.flow();
  }

  /** The connection is gone, and with it what was to go at QoS 0. */
  detach(): void {
    this.#outlet = undefined;
    const waiting = this.#waiting;
    this.#waiting = this.#sent;
    this.#sent = new Set();
    this.#sentQos2 = 0;
    for (const entry of this.#waiting) entry.again = true;
    for (const entry of waiting) {
      if (entry.qos > 0) this.#waiting.add(entry);
      else this.#bytes -= entry.payload.length;
    }
    this.#settled();
  }

  /** Writes what may go; called whenever that may be more than before. */
  flow(): void {
    const outlet = this.#outlet;
    if (!outlet || this.#isFlowing) return;
    this.#isFlowing = true;
    this.#write(outlet);
    this.#isFlowing = false;
    this.#settled();
  }

  /** Resolves when nothing is under way. */
  drained(): Promise<void> {
    if (this.#size === 0) return Promise.resolve();
    this.#empty ??= Promise.withResolvers();
    return this.#empty.promise;
  }

  /** Gives up what is under way; those who wait for room get `error`. */
  abandon(error: Error): void {
    this.#outlet = undefined;
    this.#waiting.clear();
    this.#sent.clear();
    this.#sentQos2 = 0;
    this.#bytes = 0;
    this.#room?.reject(error);
    this.#room = undefined;
    this.#settled();
  }

  get #size(): number {
    return this.#waiting.size + this.#sent.size;
  }

  get #hasRoom(): boolean {
    return this.#size < this.#options.countMax && this.#bytes < this.#options.bytesMax;
  }

  #write(outlet: Outlet): void {
    for (const entry of this.#waiting) {
      // Nothing overtakes: what is published later waits behind, at whatever quality of service.
      if (!outlet.hasRoom || !this.#mayGo(entry, outlet)) return;
      this.#waiting.delete(entry);
      if (!entry.again && !entry.mayLeave()) {
        this.#bytes -= entry.payload.length;
        continue;
      }
      if (entry.qos > 0) this.#sent.add(entry);
      else this.#bytes -= entry.payload.length;
      if (entry.qos === 2) this.#sentQos2 += 1;
      outlet.send(entry, entry.again, (refusal) => this.#answered(outlet, entry, refusal));
    }
  }

  #mayGo({ qos }: Entry, { unacknowledgedMax, unacknowledgedQos2Max }: Outlet): boolean {
    if (qos === 0) return true;
    if (this.#sent.size >= Math.min(unacknowledgedMax, this.#options.countMax)) return false;
    return qos === 1 || this.#sentQos2 < unacknowledgedQos2Max;
  }

  #answered(outlet: Outlet, entry: Entry, refusal: string | undefined): void {
    if (outlet !== this.#outlet || !this.#sent.delete(entry)) return;
    if (entry.qos === 2) this.#sentQos2 -= 1;
    this.#bytes -= entry.payload.length;
    if (refusal !== undefined) this.#options.onRefused(entry.topic, refusal);
    // Where the answer came at once, who writes goes on by itself.
    this.flow();
  }

  #settled(): void {
    if (this.#hasRoom) {
      this.#room?.resolve();
      this.#room = undefined;
    }
    if (this.#size > 0) return;
    this.#empty?.resolve();
    this.#empty = undefined;
  }
}
