import type { Direction, Meddle } from '../../src/apps/middle.ts';
import { labelIn } from '../../src/apps/middle.ts';
import type { Kind } from '../../src/core/kinds.ts';

/** One unit as it passed. */
export interface RecordedUnit {
  readonly unit: Uint8Array;
  readonly direction: Direction;
  readonly connection: number;
}

/** What a machine in the middle keeps of what passes. */
export class Recording {
  readonly units: RecordedUnit[] = [];
  readonly #then: Meddle;

  /** Records each unit and leaves it to `then`, which passes it on unless told otherwise. */
  constructor(then: Meddle = (unit) => [unit]) {
    this.#then = then;
  }

  readonly meddle: Meddle = (unit, direction, connection) => {
    this.units.push({ unit, direction, connection });
    return this.#then(unit, direction, connection);
  };

  /** Frames of one kind, or of any, in one direction. */
  frames(direction: Direction, kind?: Kind): Uint8Array[] {
    return this.units
      .filter((seen) => seen.direction === direction)
      .map(({ unit }) => unit)
      .filter((unit) => {
        const label = labelIn(unit);
        return label !== undefined && (kind === undefined || label.kind === kind);
      });
  }

  /** What passed that is no frame: the handshake. */
  handshake(connection?: number): RecordedUnit[] {
    return this.units.filter(
      (seen) => labelIn(seen.unit) === undefined && (connection === undefined || seen.connection === connection),
    );
  }
}
