/**
 * Reads along how large the packets of a stream say they are (MQTT 5.0, section 2.1.4). The parser behind it would
 * gather up to 256 MiB for one.
 */
export class PacketGuard {
  readonly #packetBytesMax: number;
  /** Bytes of the current packet that are still to come, once its length is known. */
  #left = 0;
  /** The length so far and the weight of its next byte; 0 stands for the packet's first byte. */
  #length = 0;
  #weight = 0;

  constructor(packetBytesMax: number) {
    this.#packetBytesMax = packetBytesMax;
  }

  /** False once a packet is over the bound, or its length is none. */
  admits(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, chunk.length - at);
        this.#left -= passed;
        at += passed;
      } else if (!this.#header(chunk[at++] ?? 0)) return false;
    }
    return true;
  }

  #header(byte: number): boolean {
    if (this.#weight === 0) {
      this.#weight = 1;
      this.#length = 0;
      return true;
    }
    this.#length += (byte & 127) * this.#weight;
    this.#weight *= 128;
    if (byte < 128) {
      this.#left = this.#length;
      this.#weight = 0;
      return this.#length <= this.#packetBytesMax;
    }
    return this.#weight < 128 ** 4;
  }
}
