/** Each turn costs a write, which costs as much as a frame: so many bytes make it a small part. */
const SHARE_BYTES = 32_768;

/**
 * Says when it is time to let the loop turn. Work whose every step is there at once never leaves the loop by itself:
 * what it has written would not reach the network before its last step, nor would anything be heard meanwhile, and two
 * ends would work by turns instead of together.
 */
export class LoopShare {
  readonly #turn: () => Promise<void>;
  #bytes = 0;

  /** `turn` resolves when the loop has turned. */
  constructor(turn: () => Promise<void>) {
    this.#turn = turn;
  }

  /** So many bytes were worked through since. */
  spend(bytes: number): void {
    this.#bytes += bytes;
  }

  /** True once that is enough for one turn of the loop. */
  get isUsed(): boolean {
    return this.#bytes >= SHARE_BYTES;
  }

  /** Resolves when the loop has turned. */
  async turn(): Promise<void> {
    await this.#turn();
    this.#bytes = 0;
  }
}
