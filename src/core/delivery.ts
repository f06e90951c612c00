import type { OrderPlace } from './frame/order.ts';

/** One message as an outbox keeps it until its reader has confirmed it. */
export interface OutboxEntry {
  /** Which of the store's streams it belongs to. */
  readonly streamNo: number;
  readonly n: number;
  /** The application topic it is about; null for the reader as such. */
  readonly topic: string | null;
  /** Seconds since 1970. */
  readonly expiresAtS: number | null;
  /** The message as it will lie in a body. */
  readonly encoded: Uint8Array;
}

/** A stream of which something is still to be confirmed. */
export interface OutboxStream {
  /** Counts up: what belongs to a lower one leaves first. */
  readonly streamNo: number;
  /** 32 bytes. */
  readonly recipientId: Uint8Array;
  readonly messages: number;
  readonly bytes: number;
}

/** What is to be sent. All but the reading is for within {@link DeliveryStore.transaction}. */
export interface OutboxStore {
  /** Every stream that has entries, in order. */
  streams(): OutboxStream[];
  /** The number of a new stream, higher than any before. */
  begin(recipientId: Uint8Array): number;
  add(entry: OutboxEntry): void;
  /** Puts another message, expiry included, in the place of the one that is there. */
  replace(entry: OutboxEntry): void;
  /** Removes the entries from `first` to `last`, both included. */
  remove(streamNo: number, first: number, last: number): void;
  /** At most `max` entries of a stream from `fromN` on, in order. */
  page(streamNo: number, fromN: number, max: number): OutboxEntry[];
}

/** Whose messages a stream carries, and which. */
export interface StreamId {
  /** 32 bytes. */
  readonly senderId: Uint8Array;
  /** 8 bytes. */
  readonly stream: Uint8Array;
}

/** One message as an inbox keeps it until the application has acknowledged it. */
export interface InboxEntry {
  readonly n: number;
  readonly topic: string | null;
  readonly timeMs: number;
  readonly contentType: number | string;
  readonly payload: Uint8Array;
  readonly expiresAtS: number | null;
}

/** What an inbox knows of one stream. */
export interface InboxStream extends StreamId {
  readonly streamNo: number;
  /** The sender's name when it was heard last, for people. */
  readonly senderName: string;
  readonly place: OrderPlace;
  /** By their n. Those from `place.next` on wait for others before them. */
  readonly entries: readonly InboxEntry[];
}

/** What came. All but the reading is for within {@link DeliveryStore.transaction}. */
export interface InboxStore {
  find(id: StreamId): InboxStream | undefined;
  /** Every stream that has entries, with them. */
  waiting(): InboxStream[];
  /** The number of a new stream. */
  begin(id: StreamId, senderName: string): number;
  /** Throws `file-unwritable` for a stream that was forgotten: a sender's oldest ones are, beyond a bound. */
  setPlace(streamNo: number, place: OrderPlace): void;
  add(streamNo: number, entry: InboxEntry): void;
  /** Removes the entries from `first` to `last`, both included. */
  remove(streamNo: number, first: number, last: number): void;
}

/** Where messages are kept on either side of their way. What a transaction did is on the disk when it returns. */
export interface DeliveryStore {
  readonly outbox: OutboxStore;
  readonly inbox: InboxStore;
  /**
   * All that `action` does, or nothing of it; throws `file-unwritable`. After an error nobody can say which of the two
   * it was: a program that goes on must be right in both cases.
   */
  transaction<T>(action: () => T): T;
}
