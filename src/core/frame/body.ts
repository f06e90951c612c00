import { concatBytes } from '../bytes.ts';
import { type CborValue, decodeCborSequence, encodeCbor } from '../cbor.ts';
import { CborWriter } from '../cbor-writer.ts';
import { SealwireError } from '../errors.ts';
import { BATCH_MAX, FRAME_BYTES_MAX } from '../limits.ts';

const STREAM_BYTES = 8;
/** About what a message adds to its payload. */
const MESSAGE_HEAD_BYTES = 64;
/** Byte strings that padding takes at most. */
const PADDING_ITEMS_MAX = 2;
const TWO_ZEROS = Uint8Array.of(0x42, 0, 0);

/** One message as it lies in a body. */
export interface BodyMessage {
  /** 8 random bytes, one value for each outbox: order is kept within it. */
  readonly stream: Uint8Array;
  /** Counts up by one within the stream, from 0. */
  readonly n: number;
  /** Milliseconds since 1970, the sender's word. */
  readonly timeMs: number;
  /** A CoAP Content-Format number or a media type. */
  readonly contentType: number | string;
  readonly payload: Uint8Array;
}

/** Encodes one message: an array of five. */
export function encodeMessage(message: BodyMessage): Uint8Array {
  const { stream, n, timeMs, contentType, payload } = message;
  const writer = new CborWriter(payload.length + MESSAGE_HEAD_BYTES).array(5).bytes(stream).int(n).int(timeMs);
  if (typeof contentType === 'string') writer.text(contentType);
  else writer.int(contentType);
  return writer.bytes(payload).finish();
}

/** A body's plaintext: the messages, already encoded, as a CBOR sequence, then exactly `paddingBytes` of padding. */
export function joinBody(messages: readonly Uint8Array[], paddingBytes = 0): Uint8Array {
  if (paddingBytes === 0) return messages.length === 1 && messages[0] ? messages[0] : concatBytes(...messages);
  return concatBytes(...messages, padding(paddingBytes));
}

/** One byte string of zeros, or two where no single one is that long: the head grows when its length does. */
function padding(bytes: number): Uint8Array {
  const head = bytes <= 24 ? 1 : bytes <= 257 ? 2 : bytes <= 65_538 ? 3 : 5;
  const zeros = encodeCbor(new Uint8Array(bytes - head));
  return zeros.length === bytes ? zeros : concatBytes(TWO_ZEROS, padding(bytes - TWO_ZEROS.length));
}

/** Reads a body's plaintext; throws `malformed` or `too-large`. Padding is dropped. */
export function readBody(plaintext: Uint8Array): BodyMessage[] {
  const itemsMax = BATCH_MAX + PADDING_ITEMS_MAX;
  const items = decodeCborSequence(plaintext, itemsMax, { bytesMax: FRAME_BYTES_MAX, depthMax: 1 });
  for (let i = 0; i < PADDING_ITEMS_MAX; i++) {
    const last = items.at(-1);
    if (!(last instanceof Uint8Array)) break;
    if (last.some((byte) => byte !== 0)) throw malformed('its padding is not zero');
    items.pop();
  }
  if (items.length === 0 || items.length > BATCH_MAX) throw malformed(`it holds ${items.length} messages`);
  return items.map(readMessage);
}

function readMessage(item: CborValue): BodyMessage {
  if (!Array.isArray(item) || item.length !== 5) throw malformed('a message has five elements');
  const [stream, n, timeMs, contentType, payload] = item as CborValue[];
  if (!(stream instanceof Uint8Array) || stream.length !== STREAM_BYTES) throw malformed('a stream is 8 bytes');
  if (typeof n !== 'number' || n < 0) throw malformed('n is not a whole number');
  if (typeof timeMs !== 'number' || timeMs < 0) throw malformed('a time is not a whole number');
  if (typeof contentType !== 'string' && !(typeof contentType === 'number' && contentType >= 0)) {
    throw malformed('a content type is neither a number nor text');
  }
  if (!(payload instanceof Uint8Array)) throw malformed('a payload is not a byte string');
  return { stream, n, timeMs, contentType, payload };
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a body: ${why}.`);
}
