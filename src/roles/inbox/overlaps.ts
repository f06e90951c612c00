/** A handshake under way with somebody. */
export interface UnderWay {
  /** True once there was, at the same time, a handshake with the same peer that the other side began. */
  readonly overlapped: boolean;
  end(): void;
}

interface Run {
  readonly role: 'initiator' | 'responder';
  overlapped: boolean;
}

/** Which handshakes ran at the same time as one in the other direction: both sides began at once. */
export class Overlaps {
  readonly #running = new Map<string, Set<Run>>();

  /** From now until its `end`; `peer` is who is called, or who calls as far as its address says. */
  begin(role: 'initiator' | 'responder', peer: string): UnderWay {
    const run: Run = { role, overlapped: false };
    const all = this.#running.get(peer) ?? new Set();
    for (const other of all) {
      if (other.role === role) continue;
      other.overlapped = true;
      run.overlapped = true;
    }
    this.#running.set(peer, all.add(run));
    return {
      get overlapped() {
        return run.overlapped;
      },
      end: () => {
        all.delete(run);
        if (all.size === 0 && this.#running.get(peer) === all) this.#running.delete(peer);
      },
    };
  }
}
