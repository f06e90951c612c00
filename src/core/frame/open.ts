import { equalBytes } from '../bytes.ts';
import { mac0Tag } from '../cose.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { encryptionKeyOf, macKeyOf } from '../ratchet/keys.ts';
import type { ReceivingRatchet } from '../ratchet/receiving.ts';
import { type Frame, readFrame } from './frame.ts';
import { isOpenKind, type Label } from './label.ts';

/**
 * A frame on its way to being believed. The states follow the order of checks that the specification sets, and each
 * gives the next only when its own check holds:
 * `receiveFrame` (form) → caller: may this sender write here? → `verified` (signature) → `open` (body hash, replay,
 * HMAC, decryption) → caller: expiry, then `commit`.
 */
export interface ReceivedFrame {
  readonly label: Label;
  /** Takes the verdict on `label.signature` over `label.toBeVerified`; throws `signature-invalid` for a false one. */
  verified(valid: boolean): SignedFrame;
}

/** A frame whose signature holds. */
export interface SignedFrame {
  readonly label: Label;
  /**
   * Checks body hash, replay and HMAC and decrypts. Throws `body-mismatch`, `replayed`, `skipped-too-far` or
   * `mac-invalid`; changes no state.
   */
  open(crypto: Crypto, ratchet: ReceivingRatchet): OpenedFrame;
}

/** A frame that passed every check of its cryptography. */
export interface OpenedFrame {
  readonly label: Label;
  /** The body's plaintext, or the label's content for an open kind. */
  readonly content: Uint8Array;
  /** Uses up the seq. Call it together with taking the content in, not before. */
  commit(): void;
}

/** Reads a frame from the wire; throws `malformed`, `too-large`, `unsupported` or `signature-invalid` (high s). */
export function receiveFrame(bytes: Uint8Array): ReceivedFrame {
  const frame = readFrame(bytes);
  return {
    label: frame.label,
    verified(valid) {
      if (!valid) throw new SealwireError('signature-invalid', "The sender's signature does not hold.");
      return { label: frame.label, open: (crypto, ratchet) => openFrame(crypto, ratchet, frame) };
    },
  };
}

function openFrame(crypto: Crypto, ratchet: ReceivingRatchet, { label, body }: Frame): OpenedFrame {
  const open = isOpenKind(label.kind);
  if (!open && !equalBytes(crypto.sha256(body), label.content)) {
    throw new SealwireError('body-mismatch', 'The body is not the one that the label was signed for.');
  }
  const candidate = ratchet.lookUp(label.seq);
  const headerHash = crypto.sha256(label.protectedBytes);
  const tag = mac0Tag(crypto, macKeyOf(crypto, candidate.key, headerHash), label.content, label.protectedBytes);
  if (!equalBytes(tag, label.mac)) throw new SealwireError('mac-invalid', "The message's HMAC does not hold.");
  const content = open ? label.content : crypto.aes256Ctr(encryptionKeyOf(crypto, candidate.key, headerHash), body);
  return { label, content, commit: candidate.commit };
}
