import { type CborMap, type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import { COSE, decodeProtected, encodeSign1, type Sign1, sign1ToBeSigned } from '../cose.ts';
import { SealwireError } from '../errors.ts';
import { KIND } from '../kinds.ts';
import { LABEL_BYTES_MAX, PROTOCOL_VERSION } from '../limits.ts';
import { CLAIM, checkSignatureForm, isOrigin } from './block.ts';
import { isIndex } from './merkle.ts';

const ID_BYTES = 32;
const POINT_BYTES = 65;
const ED25519_KEY_BYTES = 32;
const CERTIFICATES_MAX = 4;
const CERTIFICATE_BYTES_MAX = 4096;

/** A chain of certificates in DER, the leaf first: how a stranger who has only the ledger gets a key. */
export type Certificates = readonly Uint8Array[];

/** What a notary says in its own ledger. */
export type StatementContent =
  | {
      readonly kind: typeof KIND.policy;
      /** Uncompressed P-256 point, 65 bytes: signs every block. */
      readonly publicKey: Uint8Array;
      /** 32 bytes, for checkpoints in the form that witnesses take; null where the notary has none. */
      readonly ed25519Key: Uint8Array | null;
      readonly origin: string;
      readonly certificates: Certificates;
    }
  | {
      /** The notary has admitted this identity. */
      readonly kind: typeof KIND.identity;
      readonly certificates: Certificates;
    }
  | {
      /** A sender signed two labels for one place of its ratchet: that of an entry, and this one. */
      readonly kind: typeof KIND.conflict;
      readonly entryIndex: number;
      readonly label: Uint8Array;
    };

/** Who says it, in which ledger and when. */
export interface StatementHeader {
  /** 32 bytes. */
  readonly notaryId: Uint8Array;
  readonly origin: string;
  /** Seconds since 1970. */
  readonly timeS: number;
}

/** A statement as it was read: not believed before its signature is checked over `toBeVerified`. */
export interface Statement extends StatementHeader {
  readonly content: StatementContent;
  readonly signature: Uint8Array;
  readonly toBeVerified: Uint8Array;
}

/** A statement that waits for its signature (ES256, low s); `finish` gives the entry's bytes. */
export interface StatementDraft {
  readonly toBeSigned: Uint8Array;
  finish(signature: Uint8Array): Uint8Array;
}

/** Begins a statement of the notary. */
export function draftStatement(header: StatementHeader, content: StatementContent): StatementDraft {
  const claims = new Map<number, CborValue>([
    [CLAIM.issuer, header.origin],
    [CLAIM.issuedAt, header.timeS],
  ]);
  const protectedBytes = encodeCbor(
    new Map<number, CborValue>([
      [COSE.alg, COSE.algEs256],
      [COSE.keyId, header.notaryId],
      [COSE.cwtClaims, claims],
      [COSE.sealwire, [content.kind, PROTOCOL_VERSION]],
    ]),
  );
  const payload = encodeCbor(contentItem(content));
  return {
    toBeSigned: sign1ToBeSigned(protectedBytes, payload),
    finish: (signature) => encodeSign1({ protectedBytes, unprotected: new Map(), payload, signature }),
  };
}

function contentItem(content: StatementContent): CborValue {
  switch (content.kind) {
    case KIND.policy:
      return [content.publicKey, content.ed25519Key, content.origin, content.certificates];
    case KIND.identity:
      return [content.certificates];
    case KIND.conflict:
      return [content.entryIndex, content.label];
  }
}

/** Reads a statement from a decoded COSE_Sign1; throws `malformed`, `unsupported` or `signature-invalid`. */
export function statementFromSign1({ protectedBytes, unprotected, payload, signature }: Sign1): Statement {
  if (unprotected.size !== 0) throw malformed('something in it is outside the signature');
  if (payload === null) throw malformed('its payload is detached');
  const map = decodeProtected(protectedBytes);
  if (map.size !== 4 || map.get(COSE.alg) !== COSE.algEs256) throw malformed('its header is not that of a statement');
  const notaryId = map.get(COSE.keyId);
  if (!(notaryId instanceof Uint8Array) || notaryId.length !== ID_BYTES) throw malformed('its notary is not 32 bytes');
  return {
    notaryId,
    ...decodeClaims(map.get(COSE.cwtClaims)),
    content: decodeContent(kindOf(map.get(COSE.sealwire)), decodeCbor(payload)),
    signature: checkSignatureForm(signature),
    toBeVerified: sign1ToBeSigned(protectedBytes, payload),
  };
}

function decodeClaims(item: CborValue | undefined): Pick<StatementHeader, 'origin' | 'timeS'> {
  if (!(item instanceof Map) || item.size !== 2) throw malformed('its claims are not issuer and time');
  const claims: CborMap = item;
  const [origin, timeS] = [claims.get(CLAIM.issuer), claims.get(CLAIM.issuedAt)];
  if (!isOrigin(origin)) throw malformed('its origin is not a short text');
  if (typeof timeS !== 'number' || !isIndex(timeS)) throw malformed('its time is not a whole number');
  return { origin, timeS };
}

function kindOf(item: CborValue | undefined): number {
  if (!Array.isArray(item) || item.length !== 2) throw malformed('parameter −65537 has not two elements');
  const [kind, version] = item as CborValue[];
  if (version !== PROTOCOL_VERSION) {
    throw new SealwireError(
      'unsupported',
      `A statement of version ${String(version)}; this knows ${PROTOCOL_VERSION}.`,
    );
  }
  return typeof kind === 'number' ? kind : -1;
}

function decodeContent(kind: number, item: CborValue): StatementContent {
  if (!Array.isArray(item)) throw malformed('its content is not an array');
  const fields = item as CborValue[];
  if (kind === KIND.policy && fields.length === 4) return policyOf(fields);
  if (kind === KIND.identity && fields.length === 1) return { kind, certificates: certificatesOf(fields[0]) };
  if (kind === KIND.conflict && fields.length === 2) return conflictOf(fields);
  throw malformed(`it has ${fields.length} elements as kind ${kind}`);
}

function policyOf([publicKey, ed25519Key, origin, certificates]: readonly CborValue[]): StatementContent {
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== POINT_BYTES) throw malformed('its key is not a point');
  if (ed25519Key !== null && !(ed25519Key instanceof Uint8Array && ed25519Key.length === ED25519_KEY_BYTES)) {
    throw malformed('its Ed25519 key is not 32 bytes');
  }
  if (!isOrigin(origin)) throw malformed('its origin is not a short text');
  return { kind: KIND.policy, publicKey, ed25519Key, origin, certificates: certificatesOf(certificates) };
}

function conflictOf([entryIndex, label]: readonly CborValue[]): StatementContent {
  if (typeof entryIndex !== 'number' || !isIndex(entryIndex)) throw malformed('it names no entry');
  if (!(label instanceof Uint8Array) || label.length > LABEL_BYTES_MAX) throw malformed('it holds no label');
  return { kind: KIND.conflict, entryIndex, label };
}

function certificatesOf(item: CborValue | undefined): Certificates {
  const isChain =
    Array.isArray(item) &&
    item.length > 0 &&
    item.length <= CERTIFICATES_MAX &&
    item.every((der) => der instanceof Uint8Array && der.length > 0 && der.length <= CERTIFICATE_BYTES_MAX);
  if (!isChain) throw malformed(`its certificates are not 1 to ${CERTIFICATES_MAX} byte strings`);
  return item as Uint8Array[];
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a notary's statement: ${why}.`);
}
