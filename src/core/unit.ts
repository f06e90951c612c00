import { SealwireError } from './errors.ts';

/** What is wrong with a unit that a connection is asked to send, by the contract of `Connection`. */
export function unitRefusal(unit: Uint8Array, unitBytesMax: number): SealwireError | undefined {
  if (unit.length === 0) return new SealwireError('malformed', 'A unit without bytes cannot be sent.');
  if (unit.length <= unitBytesMax) return undefined;
  return new SealwireError('too-large', `A unit of ${unit.length} bytes is over the bound of ${unitBytesMax}.`, {
    hint: 'Send it in pieces.',
  });
}
