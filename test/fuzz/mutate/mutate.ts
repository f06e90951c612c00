import type { Random } from '../random.ts';
import { mutateBytes } from './bytes.ts';
import { mutateCbor, mutateParts } from './cbor.ts';
import { mutateDer } from './der.ts';
import { mutateMqtt } from './mqtt.ts';

type Mutate = (random: Random, input: Uint8Array, other: Uint8Array) => Uint8Array | undefined;

const MUTATORS = {
  bytes: mutateBytes,
  cbor: mutateCbor,
  parts: mutateParts,
  der: mutateDer,
  mqtt: mutateMqtt,
} as const;

/** What inputs are made of. `parts` is an array of byte strings that the target puts together itself. */
export type MutatorName = keyof typeof MUTATORS;

/** Over all bounds of what is read, and no more than a run can bear. */
const INPUT_BYTES_MAX = 256 * 1024;

/** A mutation of `input`, with pieces of `other` in it now and then. */
export function mutate(name: MutatorName, random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
  const known: Mutate = MUTATORS[name];
  // Parts stay parts: outside of them there is nothing to be found.
  const isBlind = name !== 'parts' && random.once(6);
  const mutated = (isBlind ? undefined : known(random, input, other)) ?? mutateBytes(random, input, other);
  return mutated.length > INPUT_BYTES_MAX ? mutated.slice(0, INPUT_BYTES_MAX) : mutated;
}
