import { bytesToHex } from '../core/bytes.ts';
import { type ChannelStore, HELD_BOUNDS, type HeldFrame, type StoredRatchet } from '../core/channel/store.ts';

interface Held {
  readonly seq: number;
  readonly held: HeldFrame;
}

interface Load {
  frames: number;
  bytes: number;
}

/** A {@link ChannelStore} that lives as long as the process. */
export class MemoryChannels implements ChannelStore {
  /** By writer, then by ratchet. */
  readonly #ratchets = new Map<string, Map<string, StoredRatchet>>();
  readonly #held = new Map<string, Held[]>();
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
    this.#ratchets.get(bytesToHex(writerId))?.delete(bytesToHex(ratchetId));
  }

  hold(writerId: Uint8Array, ratchetId: Uint8Array, seq: number, held: HeldFrame): boolean {
    const key = bytesToHex(writerId) + bytesToHex(ratchetId);
    const frames = this.#held.get(key) ?? [];
    if (frames.some((other) => other.seq === seq)) return true;
    const load = this.#loadOf(writerId);
    const { length } = held.frame;
    if (this.#all.frames >= HELD_BOUNDS.framesMax || this.#all.bytes + length > HELD_BOUNDS.bytesMax) return false;
    if (load.frames >= HELD_BOUNDS.writerFramesMax || load.bytes + length > HELD_BOUNDS.writerBytesMax) return false;
    this.#held.set(key, [...frames, { seq, held: { ...held, frame: held.frame.slice() } }]);
    this.#count(load, 1, length);
    return true;
  }

  release(writerId: Uint8Array, ratchetId: Uint8Array): HeldFrame[] {
    const key = bytesToHex(writerId) + bytesToHex(ratchetId);
    const frames = this.#held.get(key) ?? [];
    this.#held.delete(key);
    const load = this.#loadOf(writerId);
    for (const { held } of frames) this.#count(load, -1, -held.frame.length);
    if (load.frames === 0) this.#loads.delete(bytesToHex(writerId));
    return frames.toSorted((a, b) => a.seq - b.seq).map(({ held }) => held);
  }

  #loadOf(writerId: Uint8Array): Load {
    const key = bytesToHex(writerId);
    const load = this.#loads.get(key) ?? { frames: 0, bytes: 0 };
    this.#loads.set(key, load);
    return load;
  }

  #count(load: Load, frames: number, bytes: number): void {
    for (const one of [load, this.#all]) {
      one.frames += frames;
      one.bytes += bytes;
    }
  }
}
