import type { Qos } from '../../core/ports.ts';

/** First bytes of PUBACK and PUBREC (MQTT 5.0, sections 3.4 and 3.5). */
const FIRST: Readonly<Record<1 | 2, number>> = { 1: 0x40, 2: 0x50 };

/**
 * Writes acknowledgements of publications, many at once: they are due in bursts, as publications come. Two bytes of
 * header and the id mean success in MQTT 3.1.1 and in 5.0.
 */
export class AckWriter {
  readonly #write: (bytes: Uint8Array) => void;
  #due: number[] = [];

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** PUBACK at QoS 1, PUBREC at QoS 2, nothing at QoS 0. */
  acknowledge(qos: Qos, id: number): void {
    if (qos === 0) return;
    if (this.#due.length === 0) void Promise.resolve().then(() => this.flush());
    this.#due.push(FIRST[qos], 2, id >> 8, id & 255);
  }

  /** Writes what is due now. */
  flush(): void {
    if (this.#due.length === 0) return;
    const bytes = Uint8Array.from(this.#due);
    this.#due = [];
    this.#write(bytes);
  }
}
