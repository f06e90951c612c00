import type { CborValue } from '../../src/core/cbor.ts';
import { encodeMac0, encodeSign1 } from '../../src/core/cose.ts';
import { joinFrame, readFrame } from '../../src/core/frame/frame.ts';
import { draftLabel, encodeLabelHeader, isOpenKind, type LabelHeader } from '../../src/core/frame/label.ts';

/** `frame` with other words in its label's header, and the HMAC and signature as they were. */
export function relabelled(frame: Uint8Array, changes: Partial<LabelHeader>): Uint8Array {
  const { label, body } = readFrame(frame);
  const header = encodeLabelHeader({ ...label, ...changes });
  const altered = draftLabel(header, { payload: label.content, tag: label.mac }).finish(label.signature);
  return joinFrame(altered, isOpenKind(label.kind) ? null : body);
}

/** `frame` with another signature on its label. */
export function resigned(frame: Uint8Array, signature: Uint8Array): Uint8Array {
  const { label, body } = readFrame(frame);
  const altered = draftLabel(label.protectedBytes, { payload: label.content, tag: label.mac }).finish(signature);
  return joinFrame(altered, isOpenKind(label.kind) ? null : body);
}

/** `frame` with something in its label's unprotected header, which no signature covers. */
export function annotated(frame: Uint8Array, key: number, value: CborValue): Uint8Array {
  const { label, body } = readFrame(frame);
  const payload = encodeMac0({ payload: label.content, tag: label.mac });
  const { protectedBytes, signature } = label;
  const altered = encodeSign1({ protectedBytes, unprotected: new Map([[key, value]]), payload, signature });
  return joinFrame(altered, isOpenKind(label.kind) ? null : body);
}

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** (r, n−s) of (r, s): every ECDSA verifier that does not look at s takes both. */
export function malleated(signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString('hex')}`);
  const other = (ORDER - s).toString(16).padStart(64, '0');
  return new Uint8Array(Buffer.concat([signature.subarray(0, 32), Buffer.from(other, 'hex')]));
}

/** `bytes` with one bit turned. */
export function flipped(bytes: Uint8Array, at: number, bit = at % 8): Uint8Array {
  const altered = bytes.slice();
  altered[at] = (altered[at] ?? 0) ^ (1 << bit);
  return altered;
}
