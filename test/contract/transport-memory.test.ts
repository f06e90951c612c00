import { type MemoryPair, memoryPair } from '../../src/roles/memory.ts';
import { transportContract } from './transport.ts';

const cuts = new WeakMap<object, MemoryPair>();

transportContract({
  name: 'memory',
  pair: (bounds) => {
    const made = memoryPair(bounds);
    const ends = { a: made.a, b: made.b };
    cuts.set(made.a, made);
    return Promise.resolve(ends);
  },
  cut: ({ a }) => cuts.get(a)?.cut(),
});
