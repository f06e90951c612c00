/** What a reader knows of one writer's ratchet, as bytes that only it reads; they hold keys. */
export interface StoredRatchet {
  /** 32 bytes. */
  readonly writerId: Uint8Array;
  /** 16 bytes. */
  readonly ratchetId: Uint8Array;
  readonly state: Uint8Array;
}

/** A frame that came before its keys. */
export interface HeldFrame {
  readonly topic: string;
  readonly frame: Uint8Array;
}

/**
 * Where a reader keeps what has to outlive it: the ratchets of writers, and frames that came before their keys. All of
 * it is bounded whatever comes. Implementations throw `file-unwritable` where they cannot write.
 *
 * - `put` keeps all of `states` or none; `drop` forgets a ratchet, `forget` all of a writer, its held frames too.
 * - `hold` keeps a frame until its keys are here; false where there is no room for it, over all writers or for this one
 *   (see {@link HELD_BOUNDS}), which changes nothing. A frame that is held already is not held twice; another one with
 *   its seq is, for nobody has checked yet which of them the writer sealed.
 * - `release` gives a ratchet's held frames in order of seq and forgets them.
 */
export interface ChannelStore {
  /** Every ratchet of that writer, longest known first. */
  ratchetsOf(writerId: Uint8Array): StoredRatchet[];
  put(states: readonly StoredRatchet[]): void;
  drop(writerId: Uint8Array, ratchetId: Uint8Array): void;
  forget(writerId: Uint8Array): void;
  hold(writerId: Uint8Array, ratchetId: Uint8Array, seq: number, held: HeldFrame): boolean;
  release(writerId: Uint8Array, ratchetId: Uint8Array): HeldFrame[];
}

/** How much is held: frames, and their bytes. */
export const HELD_BOUNDS = {
  framesMax: 16_384,
  bytesMax: 33_554_432,
  /** Of one writer. */
  writerFramesMax: 4_096,
  writerBytesMax: 8_388_608,
} as const;
