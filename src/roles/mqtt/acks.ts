import type { Qos } from '../../core/ports.ts';

/** First bytes of PUBACK and PUBREC (MQTT 5.0, sections 3.4 and 3.5). */
const FIRST: Readonly<Record<1 | 2, number>> = { 1: 0x40, 2: 0x50 };

/** Bytes of one acknowledgement. */
const ACK_BYTES = 4;
/** So many are written at once at most: a broker sends no more than it has room for in its own window. */
const AT_ONCE_MAX = 32;

/**
 * Writes acknowledgements of publications, many at once: they are due in bursts, as publications come, and each write
 * costs more than the rest of taking a publication in. Two bytes of header and the id mean success in MQTT 3.1.1 and in
 * 5.0.
 */
export class AckWriter {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #turn: () => Promise<void>;
  #due: number[] = [];

  /** `turn` resolves when the loop has turned: nothing waits longer than that. */
  constructor(write: (bytes: Uint8Array) => void, turn: () => Promise<void>) {
    this.#write = write;
    this.#turn = turn;
  }

  /** PUBACK at QoS 1, PUBREC at QoS 2, nothing at QoS 0. */
  acknowledge(qos: Qos, id: number): void {
    if (qos === 0) return;
    if (this.#due.length === 0) void this.#turn().then(() => this.flush());
    this.#due.push(FIRST[qos], 2, id >> 8, id & 255);
    if (this.#due.length >= AT_ONCE_MAX * ACK_BYTES) this.flush();
  }

  /** Writes what is due now. */
  flush(): void {
    if (this.#due.length === 0) return;
    const bytes = Uint8Array.from(this.#due);
    this.#due = [];
    this.#write(bytes);
  }
}
