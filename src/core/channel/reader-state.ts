import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import { SealwireError } from '../errors.ts';
import type { OrderPlace } from '../frame/order.ts';
import type { ValidIdentity } from '../identity/path.ts';

/** What a reader has to keep of one writer's ratchet in one channel to go on after a restart, without a handshake. */
export interface ReaderState {
  readonly channel: string;
  /** As the handshake showed it. */
  readonly writer: ValidIdentity;
  /** The writer's stream in the channel, 8 bytes, and where its order stands. */
  readonly stream: Uint8Array;
  readonly order: OrderPlace;
  /** As `ReceivingRatchet.save` gave it. */
  readonly ratchet: Uint8Array;
}

const VERSION = 1;

/** Encodes the state; it holds keys. */
export function encodeReaderState({ channel, writer, stream, order, ratchet }: ReaderState): Uint8Array {
  const { id, publicKey, name, trust, authority, certificates } = writer;
  const gaps = order.gaps.map(({ first, last }): CborValue => [first, last]);
  const about: CborValue = [id, publicKey, name, trust === 'pin', authority, [...certificates]];
  return encodeCbor([VERSION, channel, about, stream, order.next, gaps, ratchet]);
}

/** Reads a state; throws `malformed`. */
export function decodeReaderState(data: Uint8Array): ReaderState {
  const fields = decodeCbor(data);
  if (!Array.isArray(fields) || fields.length !== 7) throw malformed();
  const [version, channel, writer, stream, next, gaps, ratchet] = fields as CborValue[];
  const isOurs =
    version === VERSION &&
    typeof channel === 'string' &&
    stream instanceof Uint8Array &&
    typeof next === 'number' &&
    Array.isArray(gaps) &&
    ratchet instanceof Uint8Array;
  if (!isOurs) throw malformed();
  return { channel, writer: readWriter(writer), stream, order: { next, gaps: gaps.map(readGap) }, ratchet };
}

function readWriter(item: CborValue | undefined): ValidIdentity {
  if (!Array.isArray(item) || item.length !== 6) throw malformed();
  const [id, publicKey, name, isPinned, authority, certificates] = item as CborValue[];
  const isOurs =
    id instanceof Uint8Array &&
    publicKey instanceof Uint8Array &&
    typeof name === 'string' &&
    typeof isPinned === 'boolean' &&
    (authority === null || authority instanceof Uint8Array) &&
    Array.isArray(certificates) &&
    certificates.every((der) => der instanceof Uint8Array);
  if (!isOurs) throw malformed();
  return { id, publicKey, name, trust: isPinned ? 'pin' : 'authority', authority, certificates };
}

function readGap(item: CborValue): OrderPlace['gaps'][number] {
  if (!Array.isArray(item) || item.length !== 2) throw malformed();
  const [first, last] = item as CborValue[];
  if (typeof first !== 'number' || typeof last !== 'number') throw malformed();
  return { first, last };
}

function malformed(): SealwireError {
  return new SealwireError('malformed', 'Not the state of a channel’s reader.');
}
