import { equalBytes } from '../core/bytes.ts';
import type { Crypto } from '../core/crypto/port.ts';
import { SealwireError } from '../core/errors.ts';
import { type Certificate, parseCertificate } from '../core/identity/certificate.ts';
import { formatId } from '../core/identity/id.ts';
import { type Anchor, checkPath, type ValidIdentity } from '../core/identity/path.ts';
import type { Clock, Eventually, VerifierFactory } from '../core/ports.ts';

/** Who is expected at the other end: the name of somebody trusted, an id (32 bytes), or anybody who is trusted. */
export type Expected = string | Uint8Array | null;

/** What judging a peer's certificates takes. */
export interface AuthenticatingOptions {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly verifierOf: VerifierFactory;
  /** Asked anew for each peer, so that trust given or taken back counts at once. */
  readonly anchors: () => Eventually<readonly Anchor[]>;
}

/** Parsing X.509 costs more than the handshake's ECDH, and the same peers come back. */
const PARSED_MAX = 256;

/** Judges the certificates that peers present: valid, trusted, and the one expected. */
export class Authenticating {
  readonly #options: AuthenticatingOptions;
  readonly #parsed = new Map<string, Certificate>();

  constructor(options: AuthenticatingOptions) {
    this.#options = options;
  }

  /**
   * The identity that `chain` (DER, leaf first) proves to be trusted, provided the peer holds its key.
   * Throws `identity-mismatch` where another one is expected, and whatever `parseCertificate` and `checkPath` throw.
   */
  async judge(chain: readonly Uint8Array[], expected: Expected): Promise<ValidIdentity> {
    const { crypto, clock, verifierOf, anchors } = this.#options;
    const path = checkPath(crypto, {
      chain: chain.map((der) => this.#parse(der)),
      anchors: await anchors(),
      nowMs: clock.now(),
      ...(typeof expected === 'string' ? { expectedName: expected } : {}),
    });
    const verdicts = path.signatures.map(({ publicKey, toBeVerified, signature }) =>
      verifierOf(publicKey).verify(toBeVerified, signature),
    );
    const identity = path.finish(await Promise.all(verdicts));
    checkExpected(identity, expected);
    return identity;
  }

  #parse(der: Uint8Array): Certificate {
    const key = String.fromCharCode(...this.#options.crypto.sha256(der));
    const known = this.#parsed.get(key);
    if (known) return known;
    const certificate = parseCertificate(der);
    const [oldest] = this.#parsed.keys();
    if (this.#parsed.size >= PARSED_MAX && oldest !== undefined) this.#parsed.delete(oldest);
    this.#parsed.set(key, certificate);
    return certificate;
  }
}

/** Throws `identity-mismatch` unless the identity is the one expected. */
export function checkExpected({ id, name }: ValidIdentity, expected: Expected): void {
  if (expected === null) return;
  if (typeof expected === 'string' ? expected === name : equalBytes(expected, id)) return;
  const wanted = typeof expected === 'string' ? expected : formatId(expected);
  throw new SealwireError('identity-mismatch', `Expected ${wanted}, but ${name} (${formatId(id)}) answered.`, {
    hint: 'Check the address; if somebody stands between the two sides, nothing was sent to them.',
  });
}
