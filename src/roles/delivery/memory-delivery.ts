import { bytesToHex } from '../../core/bytes.ts';
import type { DeliveryStore, InboxEntry, InboxStore, InboxStream, StreamId } from '../../core/delivery.ts';
import type { OrderPlace } from '../../core/frame/order.ts';

/** Streams whose places are remembered. */
const STREAMS_MAX = 1024;

/**
 * What a reader without a disk goes by: it remembers how far each stream has come, for as long as the process lives,
 * and keeps no message. It has no outbox.
 */
class MemoryPlaces implements InboxStore {
  readonly #byId = new Map<string, number>();
  readonly #streams = new Map<number, InboxStream>();
  #count = 0;

  find({ senderId, stream }: StreamId): InboxStream | undefined {
    return this.#streams.get(this.#byId.get(keyOf(senderId, stream)) ?? -1);
  }

  waiting(): InboxStream[] {
    return [];
  }

  begin({ senderId, stream }: StreamId, senderName: string): number {
    const streamNo = ++this.#count;
    this.#byId.set(keyOf(senderId, stream), streamNo);
    const place = { next: 0, gaps: [] };
    this.#streams.set(streamNo, { senderId, stream, streamNo, senderName, place, entries: [] });
    const [oldest] = this.#streams.values();
    if (oldest && this.#streams.size > STREAMS_MAX) {
      this.#streams.delete(oldest.streamNo);
      this.#byId.delete(keyOf(oldest.senderId, oldest.stream));
    }
    return streamNo;
  }

  setPlace(streamNo: number, place: OrderPlace): void {
    const stream = this.#streams.get(streamNo);
    if (stream) this.#streams.set(streamNo, { ...stream, place });
  }

  add(_streamNo: number, _entry: InboxEntry): void {}

  remove(_streamNo: number, _first: number, _last: number): void {}
}

/** The {@link DeliveryStore} of a reader without a disk. */
export function memoryDelivery(): Pick<DeliveryStore, 'inbox' | 'transaction'> {
  return { inbox: new MemoryPlaces(), transaction: (action) => action() };
}

function keyOf(senderId: Uint8Array, stream: Uint8Array): string {
  return `${bytesToHex(senderId)} ${bytesToHex(stream)}`;
}
