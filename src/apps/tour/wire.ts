import type { Label } from '../../core/frame/label.ts';
import { KIND } from '../../core/kinds.ts';
import { labelIn, Middle } from '../middle.ts';

/** A message's frame as whoever stands in the middle sees it. */
export interface SeenFrame {
  readonly bytes: Uint8Array;
  readonly label: Label;
}

/** The machine between sensor and operator: it sees everything, and flips a bit when it is told to. */
export class Wire implements AsyncDisposable {
  readonly handshakeBytes: number[] = [];
  #middle: Middle | undefined;
  #lastFrame: SeenFrame | undefined;
  #flipNext = false;

  /** Stands in front of `target`. */
  static async start(target: string): Promise<Wire> {
    const wire = new Wire();
    wire.#middle = await Middle.start(target, (unit, direction) => wire.#pass(unit, direction === 'out'));
    return wire;
  }

  /** What the sensor dials. */
  get address(): string {
    return this.#middle?.address ?? '';
  }

  /** The last message that passed from sensor to operator. */
  get lastFrame(): SeenFrame | undefined {
    return this.#lastFrame;
  }

  /** Flips one bit in the body of the next message from sensor to operator. */
  flipNext(): void {
    this.#flipNext = true;
  }

  #pass(unit: Uint8Array, fromSensor: boolean): readonly Uint8Array[] {
    const label = labelIn(unit);
    if (!label) this.handshakeBytes.push(unit.length);
    if (!fromSensor || label?.kind !== KIND.message) return [unit];
    this.#lastFrame = { bytes: unit, label };
    if (!this.#flipNext) return [unit];
    this.#flipNext = false;
    const flipped = unit.slice();
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    return [flipped];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#middle?.close();
  }
}
