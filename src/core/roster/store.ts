/** Where accepted versions of one roster are kept, by number. Implementations throw `file-unwritable`. */
export interface RosterStore {
  /** All versions that were kept, from the first on. */
  load(): Promise<readonly Uint8Array[]>;
  /** Keeps the bytes of a version; it is durable when this resolves. */
  keep(version: number, bytes: Uint8Array): Promise<void>;
  /** A version that shows two histories of one authority; null where none was seen. */
  fork(): Promise<Uint8Array | null>;
  /** Keeps the first such version that was seen; it is durable when this resolves. */
  keepFork(bytes: Uint8Array): Promise<void>;
}
