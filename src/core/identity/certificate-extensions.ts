import { boolean, DerReader, namedBits, notDer, objectIdentifier, smallInteger, TAG } from './der.ts';

/** Bits of the key usage extension that matter here (RFC 5280, section 4.2.1.3). */
export const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5 } as const;
/** Extended key usages that allow a key for a peer: server, client, any (RFC 5280, section 4.2.1.12). */
export const PEER_KEY_USAGES: readonly string[] = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2', '2.5.29.37.0'];

/** What a certificate's extensions say (RFC 5280, section 4.2). */
export interface CertificateExtensions {
  /** Basic constraints; false where the extension is missing. */
  readonly isCa: boolean;
  /** How many intermediate authorities may follow below this one; undefined where nothing bounds it. */
  readonly pathLength: number | undefined;
  /** The numbers of the key usage bits; undefined where the extension is missing: any use. */
  readonly keyUsage: ReadonlySet<number> | undefined;
  /** The extended key usages, dotted; undefined where the extension is missing: any purpose. */
  readonly extendedKeyUsage: ReadonlySet<string> | undefined;
  readonly subjectKeyId: Uint8Array | undefined;
  readonly authorityKeyId: Uint8Array | undefined;
  /** Extensions that restrict the certificate and that nothing here processes, dotted: reason to refuse it. */
  readonly unprocessed: readonly string[];
}

// Name constraints, policy constraints, inhibit anyPolicy: they bind even where an issuer forgot to say `critical`.
const RESTRICTIVE = new Set(['2.5.29.30', '2.5.29.36', '2.5.29.54']);
const SUBJECT_KEY_ID = '2.5.29.14';
const KEY_USAGE_OID = '2.5.29.15';
// Its names give nothing that a peer is known by here; that it is there, even critical, takes nothing away.
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const AUTHORITY_KEY_ID = '2.5.29.35';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const PROCESSED = new Set([
  SUBJECT_KEY_ID,
  KEY_USAGE_OID,
  SUBJECT_ALTERNATIVE_NAME,
  BASIC_CONSTRAINTS,
  AUTHORITY_KEY_ID,
  EXTENDED_KEY_USAGE,
]);

/** Reads the extensions; undefined stands for a certificate that has none. Throws `malformed`. */
export function readExtensions(explicit: DerReader | undefined): CertificateExtensions {
  const values = new Map<string, Uint8Array>();
  const unprocessed: string[] = [];
  const list = explicit?.enter(TAG.sequence);
  explicit?.end();
  if (list?.done) throw notDer('the list of extensions is empty');
  while (list && !list.done) {
    const extension = readExtension(list.enter(TAG.sequence));
    if (values.has(extension.type)) throw notDer(`extension ${extension.type} stands twice`);
    values.set(extension.type, extension.value);
    const processed = PROCESSED.has(extension.type);
    if ((extension.critical && !processed) || RESTRICTIVE.has(extension.type)) unprocessed.push(extension.type);
  }
  return { ...readProcessed(values), unprocessed };
}

function readExtension(reader: DerReader): { type: string; critical: boolean; value: Uint8Array } {
  const type = objectIdentifier(reader.content(TAG.oid));
  const critical = reader.nextTag === TAG.boolean;
  if (critical && !boolean(reader.content(TAG.boolean))) throw notDer('a default value is written out');
  const value = reader.content(TAG.octetString);
  reader.end();
  return { type, critical, value };
}

function readProcessed(values: ReadonlyMap<string, Uint8Array>): Omit<CertificateExtensions, 'unprocessed'> {
  const read = <T>(type: string, reader: (value: DerReader) => T): T | undefined => {
    const value = values.get(type);
    if (!value) return undefined;
    const inner = new DerReader(value);
    const result = reader(inner);
    inner.end();
    return result;
  };
  const constraints = read(BASIC_CONSTRAINTS, readBasicConstraints);
  return {
    isCa: constraints?.isCa ?? false,
    pathLength: constraints?.pathLength,
    keyUsage: read(KEY_USAGE_OID, (value) => namedBits(value.content(TAG.bitString))),
    extendedKeyUsage: read(EXTENDED_KEY_USAGE, readExtendedKeyUsage),
    subjectKeyId: read(SUBJECT_KEY_ID, (value) => value.content(TAG.octetString)),
    authorityKeyId: read(AUTHORITY_KEY_ID, readAuthorityKeyId),
  };
}

function readBasicConstraints(value: DerReader): { isCa: boolean; pathLength: number | undefined } {
  const fields = value.enter(TAG.sequence);
  const isCa = fields.nextTag === TAG.boolean;
  if (isCa && !boolean(fields.content(TAG.boolean))) throw notDer('a default value is written out');
  const pathLength = fields.done ? undefined : smallInteger(fields.content(TAG.integer));
  fields.end();
  if (!isCa && pathLength !== undefined) throw notDer('a path length without the CA flag');
  return { isCa, pathLength };
}

function readExtendedKeyUsage(value: DerReader): ReadonlySet<string> {
  const list = value.enter(TAG.sequence);
  const usages = new Set<string>();
  while (!list.done) usages.add(objectIdentifier(list.content(TAG.oid)));
  return usages;
}

/** The keyIdentifier; the issuer's name and serial number, which some authorities add, are not needed. */
function readAuthorityKeyId(value: DerReader): Uint8Array | undefined {
  const fields = value.enter(TAG.sequence);
  const keyId = fields.nextTag === 0x80 ? fields.content(0x80) : undefined;
  if (fields.nextTag === 0xa1) fields.any();
  if (fields.nextTag === 0x82) fields.any();
  fields.end();
  return keyId;
}
