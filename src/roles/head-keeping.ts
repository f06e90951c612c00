import { equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import type { HeadClaim } from '../core/frame/label.ts';
import { type ConsistencyAnswer, decodeConsistencyAnswer, type SizePair } from '../core/ledger/consistency.ts';
import { isConsistent, type TreeHasher } from '../core/ledger/merkle.ts';

/**
 * The newest head of a ledger that is known to continue all heads before it. A signed head alone proves nothing: a
 * notary that rewrote its ledger signs that too. So each newer one needs a proof that its tree begins with the last.
 */
export class HeadKeeping {
  readonly #hasher: TreeHasher;
  #head: HeadClaim | null = null;
  /** Signed, larger than the head, and not yet proven. */
  #candidate: HeadClaim | null = null;
  /** What the notary was asked to prove. */
  #asked: HeadClaim | null = null;

  constructor(hasher: TreeHasher) {
    this.#hasher = hasher;
  }

  /** The newest head that was verified; null before the first. */
  get head(): HeadClaim | null {
    return this.#head;
  }

  /**
   * Takes a head that the notary signed. The first one is believed; for a larger one gives what to ask the notary, unless
   * a question is open. Throws `checkpoint-mismatch` for another root of the size that is known.
   */
  offer(offered: HeadClaim): SizePair | null {
    const head = this.#head;
    if (!head) this.#head = offered;
    else if (offered.treeSize === head.treeSize && !equalBytes(offered.root, head.root))
      throw rewritten(offered.treeSize);
    else if (offered.treeSize > (this.#candidate ?? head).treeSize) this.#candidate = offered;
    return this.#ask();
  }

  /**
   * Takes the notary's answer; gives the next question where a newer head waits. Throws `checkpoint-mismatch` where the
   * ledger does not continue the head, which then stays what it was; `malformed` for what is no answer.
   */
  answer(payload: Uint8Array): SizePair | null {
    const answer = decodeConsistencyAnswer(payload);
    const [head, asked] = [this.#head, this.#asked];
    if (!head || !asked || answer.from !== head.treeSize || answer.to !== asked.treeSize) return null;
    this.#asked = null;
    if (!this.#holds(answer, head, asked)) {
      this.#candidate = null;
      throw rewritten(head.treeSize);
    }
    this.#head = asked;
    return this.#ask();
  }

  /** The session is gone, and a question with it. Gives what to ask in the next one. */
  restart(): SizePair | null {
    this.#asked = null;
    return this.#ask();
  }

  #ask(): SizePair | null {
    const [head, candidate] = [this.#head, this.#candidate];
    if (this.#asked || !head || !candidate || candidate.treeSize <= head.treeSize) return null;
    this.#asked = candidate;
    return { from: head.treeSize, to: candidate.treeSize };
  }

  #holds({ from, to, path }: ConsistencyAnswer, before: HeadClaim, after: HeadClaim): boolean {
    return path !== null && isConsistent(this.#hasher, from, to, before.root, after.root, path);
  }
}

function rewritten(treeSize: number): SealwireError {
  return new SealwireError(
    'checkpoint-mismatch',
    `The notary shows another history than before: its first ${treeSize} entries are not the ones it signed then.`,
    { hint: 'Keep the receipts: they prove what the notary signed.' },
  );
}
