import { concatBytes } from '../bytes.ts';
import { DerReader, notDer, positiveInteger, TAG } from './der.ts';

/** r ‖ s, 64 bytes, of a strict ECDSA-Sig-Value (RFC 3279, section 2.2.3); throws `malformed`. */
export function signatureFromDer(der: Uint8Array): Uint8Array {
  const whole = new DerReader(der);
  const pair = whole.enter(TAG.sequence);
  whole.end();
  const parts = [positiveInteger(pair.content(TAG.integer)), positiveInteger(pair.content(TAG.integer))];
  pair.end();
  const padded = parts.map((part) => {
    if (part.length > 32) throw notDer('a signature is longer than P-256 makes them');
    return concatBytes(new Uint8Array(32 - part.length), part);
  });
  return concatBytes(...padded);
}

/** An ECDSA-Sig-Value (RFC 3279, section 2.2.3) of r ‖ s, 64 bytes; throws `malformed`. */
export function signatureToDer(signature: Uint8Array): Uint8Array {
  if (signature.length !== 64) throw notDer('a signature has 64 bytes');
  const integers = [signature.subarray(0, 32), signature.subarray(32)].map((part) => {
    const start = part.findIndex((byte) => byte !== 0);
    const magnitude = part.subarray(start < 0 ? part.length : start);
    const padded = (magnitude[0] ?? 0) < 0x80 ? magnitude : concatBytes(Uint8Array.of(0), magnitude);
    return concatBytes(Uint8Array.of(0x02, padded.length), padded);
  });
  const content = concatBytes(...integers);
  return concatBytes(Uint8Array.of(0x30, content.length), content);
}
