import { STREAM_BYTES } from './body.ts';

/**
 * The stream of what is sent in one session and not kept by an outbox: the first 8 bytes of its ratchet's id. So a reader
 * tells it from streams that go on in other sessions. `ratchetId` has 16 bytes.
 */
export function ownStream(ratchetId: Uint8Array): Uint8Array {
  return ratchetId.slice(0, STREAM_BYTES);
}
