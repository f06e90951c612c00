import { mac0Tag } from '../cose.ts';
import { toLowS } from '../crypto/es256.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { FRAME_BYTES_MAX } from '../limits.ts';
import { encryptionKeyOf, macKeyOf } from '../ratchet/keys.ts';
import type { SendingRatchet } from '../ratchet/sending.ts';
import { joinFrame } from './frame.ts';
import { draftLabel, encodeLabelHeader, isOpenKind, type LabelHeader } from './label.ts';

/** What a sender decides about a label; the ratchet gives the rest. */
export type LabelPlan = Omit<LabelHeader, 'tokenId' | 'ratchetId' | 'seq'>;

/** A frame that only lacks its signature. */
export interface FrameDraft {
  readonly seq: number;
  /** The label's Sig_structure: sign it with ES256. */
  readonly toBeSigned: Uint8Array;
  /** Puts the signature in (its s is made low). */
  finish(signature: Uint8Array): SealedFrame;
}

/** A frame ready for any transport, and its label, which goes into the ledger. */
export interface SealedFrame {
  readonly seq: number;
  readonly bytes: Uint8Array;
  readonly label: Uint8Array;
}

/**
 * Seals `content` with the ratchet's next key: the plaintext of a body, or for an open kind what stands readable in the
 * label. Takes exactly one key, also when the frame is never sent. Throws `too-large`.
 */
export function draftFrame(crypto: Crypto, ratchet: SendingRatchet, plan: LabelPlan, content: Uint8Array): FrameDraft {
  if (content.length > FRAME_BYTES_MAX) {
    throw new SealwireError('too-large', `A body of ${content.length} bytes does not fit a frame.`);
  }
  const { seq, key } = ratchet.take();
  const header = { ...plan, tokenId: crypto.random(16), ratchetId: ratchet.ratchetId, seq };
  const protectedBytes = encodeLabelHeader(header);
  const headerHash = crypto.sha256(protectedBytes);
  const body = isOpenKind(plan.kind) ? null : crypto.aes256Ctr(encryptionKeyOf(crypto, key, headerHash), content);
  const payload = body ? crypto.sha256(body) : content;
  const mac0 = { payload, tag: mac0Tag(crypto, macKeyOf(crypto, key, headerHash), payload, protectedBytes) };
  key.fill(0);
  const draft = draftLabel(protectedBytes, mac0);
  return {
    seq,
    toBeSigned: draft.toBeSigned,
    finish(signature) {
      const label = draft.finish(toLowS(signature));
      return { seq, label, bytes: joinFrame(label, body) };
    },
  };
}
