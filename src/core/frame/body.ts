import { concatBytes } from '../bytes.ts';
import { encodeCbor } from '../cbor.ts';
import { CborReader } from '../cbor-reader.ts';
import { CborWriter } from '../cbor-writer.ts';
import { SealwireError } from '../errors.ts';
import { BATCH_MAX, FRAME_BYTES_MAX } from '../limits.ts';

/** What a stream's name takes. */
export const STREAM_BYTES = 8;
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
  const writer = CborWriter.shortLived(payload.length + MESSAGE_HEAD_BYTES);
  writer.array(5).bytes(stream).int(n).int(timeMs);
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
  if (plaintext.length > FRAME_BYTES_MAX) throw tooLarge(`A body of ${plaintext.length} bytes does not fit a frame`);
  const reader = new CborReader(plaintext);
  const messages: BodyMessage[] = [];
  while (!reader.done && !reader.bytesNext) {
    if (messages.length === BATCH_MAX) throw tooLarge(`A body holds more than ${BATCH_MAX} messages`);
    messages.push(readMessage(reader));
  }
  for (let i = 0; i < PADDING_ITEMS_MAX && !reader.done; i++) {
    if (reader.bytes().some((byte) => byte !== 0)) throw malformed('its padding is not zero');
  }
  reader.end();
  if (messages.length === 0) throw malformed('it holds no message');
  return messages;
}

function readMessage(reader: CborReader): BodyMessage {
  if (reader.array() !== 5) throw malformed('a message has five elements');
  return {
    stream: reader.bytes(STREAM_BYTES),
    n: reader.uint(),
    timeMs: reader.uint(),
    contentType: reader.textNext ? reader.text(FRAME_BYTES_MAX) : reader.uint(),
    payload: reader.bytes(),
  };
}

function tooLarge(what: string): SealwireError {
  return new SealwireError('too-large', `${what}.`);
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a body: ${why}.`);
}
