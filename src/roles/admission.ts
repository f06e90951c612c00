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
import { memberOf } from '../core/roster/membership.ts';
import { channelByName, isRevoked, mayWrite } from '../core/roster/rights.ts';
import type { RosterView } from '../core/roster/roster.ts';
import { topicMatches } from '../core/topic.ts';

/** A label that may go into the ledger, unless its place there is taken. */
export interface AdmittedLabel {
  readonly label: Label;
  readonly entry: NewEntry & { readonly position: Position };
}

interface Sender {
  /** As the roster asks for it: one object, so that its answer is looked up once. */
  readonly known: Parameters<typeof memberOf>[1];
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
  readonly #roster: RosterView | undefined;

  /** Without a `roster` every sender that was admitted may write in every channel. */
  constructor(hasher: TreeHasher, verifierOf: VerifierFactory, roster?: RosterView) {
    this.#roster = roster;
    this.#hasher = hasher;
    this.#verifierOf = verifierOf;
  }

  /** From now on labels of this identity are taken; throws `key-invalid`. */
  admit(identity: LedgerIdentity, authority: Uint8Array | null = null): void {
    const key = bytesToHex(identity.id);
    const verifier = this.#senders.get(key)?.verifier ?? this.#verifierOf(identity.publicKey);
    const { id, name } = identity;
    this.#senders.set(key, { known: { id, name: name ?? '', authority }, verifier });
  }

  /**
   * Throws `malformed`, `too-large`, `unsupported`, `sender-unknown`, `not-admitted` (a kind that ledgers do not take,
   * or a sender that the roster does not let write there) or `signature-invalid`.
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
    this.#checkRights(label, sender);
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

  /** The newest roster decides, whichever the label was written under: removals count at once. */
  #checkRights({ senderId, channel, rosterName, topic }: Label, { known }: Sender): void {
    const roster = this.#roster?.current;
    if (!roster) return;
    if (isRevoked(roster, senderId)) throw notAllowed('its sender’s key counts no more');
    if (channel === null) return;
    const named = rosterName === roster.name ? channelByName(roster, channel) : undefined;
    if (!named?.filters.some((filter) => topicMatches(filter, topic)))
      throw notAllowed('its channel has no such topic');
    const member = memberOf(roster, known);
    if (member === null || !mayWrite(named, member)) throw notAllowed(`its sender may not write in ${channel}`);
  }
}

function notAllowed(why: string): SealwireError {
  return new SealwireError('not-admitted', `The roster does not allow a label: ${why}.`);
}
