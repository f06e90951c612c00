import { bytesToHex } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { decodeRatchetEnd } from '../core/frame/end.ts';
import { decodeLabel, type Label } from '../core/frame/label.ts';
import { KIND, kindName } from '../core/kinds.ts';
import { isLoggedKind, receiptInLabel } from '../core/ledger/entry.ts';
import type { LedgerIdentity } from '../core/ledger/identity.ts';
import type { TreeHasher } from '../core/ledger/merkle.ts';
import type { NewEntry, Position } from '../core/ledger/store.ts';
import type { Verifier, VerifierFactory } from '../core/ports.ts';

/** A label that may go into the ledger, unless its place there is taken. */
export interface AdmittedLabel {
  readonly label: Label;
  readonly entry: NewEntry & { readonly position: Position };
}

interface Sender {
  readonly identity: LedgerIdentity;
  readonly verifier: Verifier;
}

/**
 * May this label in? In this order, the cheap before the dear: strict decoding within bounds, a known sender, a kind
 * that ledgers take, its open content, its signature.
 */
export class Admission {
  readonly #hasher: TreeHasher;
  readonly #verifierOf: VerifierFactory;
  readonly #senders = new Map<string, Sender>();

  constructor(hasher: TreeHasher, verifierOf: VerifierFactory) {
    this.#hasher = hasher;
    this.#verifierOf = verifierOf;
  }

  /** From now on labels of this identity are taken; throws `key-invalid`. */
  admit(identity: LedgerIdentity): void {
    const key = bytesToHex(identity.id);
    if (!this.#senders.has(key)) this.#senders.set(key, { identity, verifier: this.#verifierOf(identity.publicKey) });
  }

  /**
   * Throws `malformed`, `too-large`, `unsupported`, `sender-unknown`, `not-admitted` (a kind that ledgers do not take)
   * or `signature-invalid`.
   */
  async check(bytes: Uint8Array): Promise<AdmittedLabel> {
    const label = decodeLabel(bytes);
    const sender = this.#senders.get(bytesToHex(label.senderId));
    if (!sender) {
      throw new SealwireError('sender-unknown', 'A label comes from an identity that the notary has not admitted.', {
        hint: 'Trust that identity in the home of the notary, and let it connect with --notary.',
      });
    }
    if (!isLoggedKind(label.kind)) {
      throw new SealwireError('not-admitted', `A ledger takes no labels of kind ${kindName(label.kind)}.`);
    }
    const confirms = receiptInLabel(label);
    if (label.kind === KIND.end) decodeRatchetEnd(label.content, label.seq);
    const held = sender.verifier.verify(label.toBeVerified, label.signature);
    if (!(typeof held === 'boolean' ? held : await held)) {
      throw new SealwireError('signature-invalid', "A label's signature is not its sender's.");
    }
    const { senderId, ratchetId, seq, kind } = label;
    const leaf = this.#hasher.leaf(bytes);
    return { label, entry: { kind, bytes, leaf, position: { senderId, ratchetId, seq }, confirms } };
  }
}
