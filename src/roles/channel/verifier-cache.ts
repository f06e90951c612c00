import { bytesToHex } from '../../core/bytes.ts';
import type { ValidIdentity } from '../../core/identity/path.ts';
import type { Verifier, VerifierFactory } from '../../core/ports.ts';

/** Keys that are kept ready to verify with: one that is seldom needed is made anew. */
const VERIFIERS_MAX = 256;

/** Verifiers of many writers, of which few write at a time. */
export class VerifierCache {
  readonly #verifierOf: VerifierFactory;
  readonly #byId = new Map<string, Verifier>();

  constructor(verifierOf: VerifierFactory) {
    this.#verifierOf = verifierOf;
  }

  /** What checks that identity's signatures. */
  of({ id, publicKey }: Pick<ValidIdentity, 'id' | 'publicKey'>): Verifier {
    const key = bytesToHex(id);
    const known = this.#byId.get(key);
    if (known) return known;
    const made = this.#verifierOf(publicKey);
    const [oldest] = this.#byId.keys();
    if (this.#byId.size >= VERIFIERS_MAX && oldest !== undefined) this.#byId.delete(oldest);
    this.#byId.set(key, made);
    return made;
  }
}
