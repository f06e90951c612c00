/** Where accepted versions of one roster are kept, by number. Implementations throw `file-unwritable`. */
export interface RosterStore {
  /** All versions that were kept, from the first on. */
  load(): Promise<readonly Uint8Array[]>;
  /** Keeps the bytes of a version; it is durable when this resolves. */
  keep(version: number, bytes: Uint8Array): Promise<void>;
}
