import { bytesToHex } from '../core/bytes.ts';
import { type ChannelStore, HELD_BOUNDS, type HeldFrame, type StoredRatchet } from '../core/channel/store.ts';

interface Load {
  frames: number;
  bytes: number;
}

/** One ratchet's held frames by seq, and whose they are. */
interface HeldFrames {
  readonly writer: string;
  readonly bySeq: Map<number, HeldFrame>;
}

/** A {@link ChannelStore} that lives as long as the process. */
export class MemoryChannels implements ChannelStore {
  /** By writer, then by ratchet. */
  readonly #ratchets = new Map<string, Map<string, StoredRatchet>>();
  readonly #held = new Map<string, HeldFrames>();
  /** Of the writers of whom something is held. */
  readonly #loads = new Map<string, Load>();
  readonly #all: Load = { frames: 0, bytes: 0 };

  ratchetsOf(writerId: Uint8Array): StoredRatchet[] {
    return [...(this.#ratchets.get(bytesToHex(writerId))?.values() ?? [])];
  }

  put(states: readonly StoredRatchet[]): void {
    for (const state of states) {
      const key = bytesToHex(state.writerId);
      const own = this.#ratchets.get(key) ?? new Map<string, StoredRatchet>();
      this.#ratchets.set(key, own.set(bytesToHex(state.ratchetId), state));
    }
  }

  drop(writerId: Uint8Array, ratchetId: Uint8Array): void {
    const key = bytesToHex(writerId);
    const own = this.#ratchets.get(key);
    own?.delete(bytesToHex(ratchetId));
    if (own?.size === 0) this.#ratchets.delete(key);
  }

  hold(writerId: Uint8Array, ratchetId: Uint8Array, seq: number, held: HeldFrame): boolean {
    const writer = bytesToHex(writerId);
    const key = writer + bytesToHex(ratchetId);
    const frames = this.#held.get(key) ?? { writer, bySeq: new Map<number, HeldFrame>() };
    if (frames.bySeq.has(seq)) return true;
    const load = this.#loads.get(writer) ?? { frames: 0, bytes: 0 };
    const { length } = held.frame;
    if (this.#all.frames >= HELD_BOUNDS.framesMax || this.#all.bytes + length > HELD_BOUNDS.bytesMax) return false;
    if (load.frames >= HELD_BOUNDS.writerFramesMax || load.bytes + length > HELD_BOUNDS.writerBytesMax) return false;
    frames.bySeq.set(seq, { ...held, frame: held.frame.slice() });
    this.#held.set(key, frames);
    this.#loads.set(writer, load);
    this.#count(load, 1, length);
    return true;
  }

  release(writerId: Uint8Array, ratchetId: Uint8Array): HeldFrame[] {
    const key = bytesToHex(writerId) + bytesToHex(ratchetId);
    const frames = this.#held.get(key);
    if (!frames) return [];
    const inOrder = [...frames.bySeq].toSorted(([a], [b]) => a - b);
    for (const [seq] of inOrder) this.#forget(key, frames, seq);
    return inOrder.map(([, held]) => held);
  }

  forgetHeld(beforeMs: number): void {
    for (const [key, frames] of this.#held) {
      for (const [seq, { heldAtMs }] of frames.bySeq) if (heldAtMs < beforeMs) this.#forget(key, frames, seq);
    }
  }

  #forget(key: string, { writer, bySeq }: HeldFrames, seq: number): void {
    const load = this.#loads.get(writer);
    if (load) this.#count(load, -1, -(bySeq.get(seq)?.frame.length ?? 0));
    if (load?.frames === 0) this.#loads.delete(writer);
    bySeq.delete(seq);
    if (bySeq.size === 0) this.#held.delete(key);
  }

  #count(load: Load, frames: number, bytes: number): void {
    for (const one of [load, this.#all]) {
      one.frames += frames;
      one.bytes += bytes;
    }
  }
}
