import { bytesToHex, equalBytes } from '../../src/core/bytes.ts';
import { type ChannelStore, HELD_BOUNDS, type HeldFrame, type StoredRatchet } from '../../src/core/channel/store.ts';

interface Held extends HeldFrame {
  readonly seq: number;
}

interface Load {
  frames: number;
  bytes: number;
}

/** Frames of one writer, by ratchet and then by seq, and how much they are. */
interface HeldOf extends Load {
  readonly byRatchet: Map<string, Map<number, Held[]>>;
}

/** A {@link ChannelStore} that lives as long as the process. */
export class MemoryChannels implements ChannelStore {
  /** By writer, then by ratchet. */
  readonly #ratchets = new Map<string, Map<string, StoredRatchet>>();
  /** By writer; none without frames. */
  readonly #held = new Map<string, HeldOf>();
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

  forget(writerId: Uint8Array): void {
    const key = bytesToHex(writerId);
    this.#ratchets.delete(key);
    const { frames, bytes } = this.#held.get(key) ?? { frames: 0, bytes: 0 };
    this.#held.delete(key);
    count(this.#all, -frames, -bytes);
  }

  hold(writerId: Uint8Array, ratchetId: Uint8Array, seq: number, { topic, frame }: HeldFrame): boolean {
    const [writer, ratchet] = [bytesToHex(writerId), bytesToHex(ratchetId)];
    const own = this.#held.get(writer) ?? { frames: 0, bytes: 0, byRatchet: new Map<string, Map<number, Held[]>>() };
    const bySeq = own.byRatchet.get(ratchet) ?? new Map<number, Held[]>();
    const same = bySeq.get(seq) ?? [];
    if (same.some((held) => equalBytes(held.frame, frame))) return true;
    if (!this.#hasRoom(own, frame.length)) return false;
    this.#held.set(writer, own);
    own.byRatchet.set(ratchet, bySeq);
    bySeq.set(seq, same);
    same.push({ seq, topic, frame: new Uint8Array(frame) });
    for (const load of [own, this.#all]) count(load, 1, frame.length);
    return true;
  }

  release(writerId: Uint8Array, ratchetId: Uint8Array): HeldFrame[] {
    const [writer, ratchet] = [bytesToHex(writerId), bytesToHex(ratchetId)];
    const own = this.#held.get(writer);
    const frames = [...(own?.byRatchet.get(ratchet)?.values() ?? [])].flat();
    if (!own) return [];
    own.byRatchet.delete(ratchet);
    for (const { frame } of frames) for (const load of [own, this.#all]) count(load, -1, -frame.length);
    if (own.frames === 0) this.#held.delete(writer);
    return frames.toSorted((a, b) => a.seq - b.seq).map(({ topic, frame }) => ({ topic, frame }));
  }

  #hasRoom(own: Load, length: number): boolean {
    const { framesMax, bytesMax, writerFramesMax, writerBytesMax } = HELD_BOUNDS;
    if (this.#all.frames >= framesMax || this.#all.bytes + length > bytesMax) return false;
    return own.frames < writerFramesMax && own.bytes + length <= writerBytesMax;
  }
}

function count(load: Load, frames: number, bytes: number): void {
  load.frames += frames;
  load.bytes += bytes;
}
