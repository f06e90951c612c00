import type { Connection } from '../../src/core/ports.ts';
import { memoryPair } from '../../src/roles/memory.ts';

/** Which way a unit travels: from the side that dialled, or to it. */
export type Way = 'out' | 'back';

/**
 * What a man in the middle does with one unit: the units to pass on instead, in order. `[unit]` passes it on, `[]`
 * drops it, `[unit, unit]` repeats it; one that is kept and given out later is delayed or reordered.
 */
export type Tamper = (unit: Uint8Array, way: Way, middle: Middle) => readonly Uint8Array[];

/** A man in the middle of one connection. */
export interface Middle {
  /** Every unit seen, before it was tampered with. */
  readonly seen: readonly { readonly way: Way; readonly unit: Uint8Array }[];
  /** Sends a unit of his own. */
  inject(way: Way, unit: Uint8Array): Promise<void>;
  /** Closes both sides as an honest end does. */
  close(): Promise<void>;
}

/** Joins two connections through a man in the middle: `near` leads to who dialled, `far` to who listens. */
function relay(near: Connection, far: Connection, tamper: Tamper = (unit) => [unit]): Middle {
  const seen: { way: Way; unit: Uint8Array }[] = [];
  const middle: Middle = {
    seen,
    inject: (way, unit) => (way === 'out' ? far : near).send(unit),
    close: async () => {
      await Promise.all([near.close(), far.close()]);
    },
  };
  const pump = async (from: Connection, to: Connection, way: Way): Promise<void> => {
    try {
      for await (const unit of from.receive()) {
        seen.push({ way, unit });
        for (const passed of tamper(unit, way, middle)) await to.send(passed);
      }
    } catch {
      // The line broke on one side: the other one learns it by the close.
    }
    await to.close();
  };
  void pump(near, far, 'out');
  void pump(far, near, 'back');
  return middle;
}

/** Two ends in memory with a man in the middle: `a` is who dialled. */
export function between(tamper?: Tamper): { readonly a: Connection; readonly b: Connection; readonly middle: Middle } {
  const first = memoryPair();
  const second = memoryPair();
  return { a: first.a, b: second.b, middle: relay(first.b, second.a, tamper) };
}
