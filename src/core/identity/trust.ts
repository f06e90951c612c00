import { base64 } from '@scure/base';
import { bytesToHex, equalBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import { checkName, formatId, identityId, parseId, shellWord } from './id.ts';
import { type Anchor, newKeyHint, type Pin } from './path.ts';

/** An authority whose certificates are trusted, under a name of the list's own. */
export interface Authority {
  readonly name: string;
  readonly certificate: Certificate;
}

/** A pin, and whether people have compared the safety number. */
export interface TrustedPin extends Pin {
  /** When it was compared, seconds since 1970; missing where it never was. */
  readonly verifiedAtS?: number;
}

/** Whom a home trusts: pinned identities and authorities. Every name stands once, and so does every id. */
export interface TrustList {
  readonly pins: readonly TrustedPin[];
  readonly authorities: readonly Authority[];
}

/** A list that trusts nobody. */
export const EMPTY_TRUST: TrustList = { pins: [], authorities: [] };

const VERSION = 1;
const ENTRIES_MAX = 10_000;

/** The pin of that name, or undefined. */
export function pinByName(trust: TrustList, name: string): TrustedPin | undefined {
  return trust.pins.find((pin) => pin.name === name);
}

/** The pin of that id, or undefined. */
export function pinById(trust: TrustList, id: Uint8Array): TrustedPin | undefined {
  return trust.pins.find((pin) => equalBytes(pin.id, id));
}

/** What `checkPath` takes as its anchors. */
export function anchorsOf(trust: TrustList): readonly Anchor[] {
  return [...trust.pins, ...trust.authorities.map(({ certificate }) => certificate)];
}

/**
 * The list with one pin more; unchanged where it stands already. Throws `key-changed` where the name is pinned to
 * another id, `usage` where the id or the name is taken otherwise, `malformed` for a bad name.
 */
export function addPin(trust: TrustList, pin: Pin): TrustList {
  checkName(pin.name);
  const known = pinByName(trust, pin.name);
  if (known && equalBytes(known.id, pin.id)) return trust;
  if (known) throw keyChanged(pin.name, known.id, pin.id);
  const same = pinById(trust, pin.id);
  if (same) throw taken(`${formatId(pin.id)} is pinned already, as ${same.name}`, same.name);
  checkFree(trust.authorities, pin.name);
  return { ...trust, pins: sorted([...trust.pins, pin]) };
}

/** The list with the word that the safety number of a pin was compared at `atS`; throws `identity-unknown`. */
export function markVerified(trust: TrustList, name: string, atS: number): TrustList {
  const known = pinByName(trust, name);
  if (!known) throw nobody(name);
  return { ...trust, pins: trust.pins.map((pin) => (pin === known ? { ...pin, verifiedAtS: atS } : pin)) };
}

/**
 * The list with one authority more; unchanged where it stands already. Throws `key-changed` where the name stands for
 * an authority with another key, `certificate-invalid` for a certificate that is no authority's, `usage` where the name
 * is taken, `malformed` for a bad name.
 */
export function addAuthority(crypto: Crypto, trust: TrustList, authority: Authority): TrustList {
  const { name, certificate } = authority;
  checkName(name);
  if (!certificate.isCa) {
    throw new SealwireError('certificate-invalid', `The certificate for ${name} is not an authority's.`, {
      hint: 'Pin a single identity by its id or certificate instead.',
    });
  }
  const known = trust.authorities.find((candidate) => candidate.name === name);
  if (known && equalBytes(known.certificate.der, certificate.der)) return trust;
  if (known && !hasKeyOf(known, certificate)) {
    const { publicKey } = known.certificate;
    throw keyChanged(name, identityId(crypto, publicKey), identityId(crypto, certificate.publicKey));
  }
  checkFree(trust.pins, name);
  const same = trust.authorities.find((candidate) => candidate !== known && hasKeyOf(candidate, certificate));
  if (same) throw taken(`The authority ${same.name} has this key already`, same.name);
  const others = trust.authorities.filter((candidate) => candidate !== known);
  return { ...trust, authorities: sorted([...others, authority]) };
}

/** The list without what stands under `name`; throws `identity-unknown` where nothing does. */
export function removeTrust(trust: TrustList, name: string): TrustList {
  const without = {
    pins: trust.pins.filter((pin) => pin.name !== name),
    authorities: trust.authorities.filter((authority) => authority.name !== name),
  };
  if (without.pins.length + without.authorities.length < trust.pins.length + trust.authorities.length) return without;
  throw nobody(name);
}

/** The list as JSON text, the same text for the same list. */
export function formatTrust(trust: TrustList): string {
  const pins = trust.pins.map(({ name, id, verifiedAtS }) => ({
    name,
    id: formatId(id),
    ...(verifiedAtS === undefined ? {} : { verifiedAtS }),
  }));
  const authorities = trust.authorities.map(({ name, certificate }) => ({
    name,
    certificate: base64.encode(certificate.der),
  }));
  return `${JSON.stringify({ version: VERSION, pins, authorities }, null, 2)}\n`;
}

/** Reads what {@link formatTrust} wrote; throws `malformed` for anything else, and what `parseCertificate` throws. */
export function parseTrust(text: string): TrustList {
  const root = fieldsOf(parseJson(text), ['version', 'pins', 'authorities'], 'the list');
  if (root.version !== VERSION) throw malformed(`it is not of version ${VERSION}`);
  const pins = entriesOf(root.pins, 'pins').map(readPin);
  const authorities = entriesOf(root.authorities, 'authorities').map(readAuthority);
  const names = [...pins, ...authorities].map(({ name }) => name);
  if (new Set(names).size < names.length) throw malformed('a name stands twice');
  if (new Set(pins.map(({ id }) => formatId(id))).size < pins.length) throw malformed('an id stands twice');
  const keys = authorities.map(({ certificate }) => bytesToHex(certificate.publicKey));
  if (new Set(keys).size < keys.length) throw malformed("an authority's key stands twice");
  return { pins: sorted(pins), authorities: sorted(authorities) };
}

function readPin(entry: unknown): TrustedPin {
  const { verifiedAtS, ...fields } = fieldsOf(entry, ['name', 'id'], 'a pin', ['verifiedAtS']);
  const pin = { name: checkName(textOf(fields.name)), id: parseId(textOf(fields.id)) };
  if (verifiedAtS === undefined) return pin;
  if (typeof verifiedAtS === 'number' && Number.isSafeInteger(verifiedAtS) && verifiedAtS >= 0) {
    return { ...pin, verifiedAtS };
  }
  throw malformed('a time is not a whole number of seconds');
}

function readAuthority(entry: unknown): Authority {
  const fields = fieldsOf(entry, ['name', 'certificate'], 'an authority');
  const certificate = parseCertificate(fromBase64(textOf(fields.certificate)));
  if (!certificate.isCa) throw malformed('the certificate of an authority is not one');
  return { name: checkName(textOf(fields.name)), certificate };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed('it is not JSON');
  }
}

function fieldsOf<K extends string, O extends string = never>(
  value: unknown,
  names: readonly K[],
  what: string,
  optional: readonly O[] = [],
): Record<K, unknown> & Partial<Record<O, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${what} is not an object`);
  const found = Object.keys(value);
  const unknown = found.find((name) => ![...names, ...optional].some((known) => known === name));
  if (unknown !== undefined) throw malformed(`${what} has an unknown field ${JSON.stringify(unknown)}`);
  const missing = names.find((name) => !found.includes(name));
  if (missing !== undefined) throw malformed(`${what} has no field ${missing}`);
  return value as Record<K, unknown> & Partial<Record<O, unknown>>;
}

function entriesOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(`${what} is not a list`);
  if (value.length > ENTRIES_MAX) throw malformed(`${what} has more than ${ENTRIES_MAX} entries`);
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw malformed('a field that should be text is not');
  return value;
}

function fromBase64(text: string): Uint8Array {
  try {
    return base64.decode(text);
  } catch {
    throw malformed('a certificate is not base64');
  }
}

function sorted<T extends { readonly name: string }>(entries: readonly T[]): readonly T[] {
  return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function hasKeyOf(authority: Authority, certificate: Certificate): boolean {
  return equalBytes(authority.certificate.publicKey, certificate.publicKey);
}

function checkFree(entries: readonly { readonly name: string }[], name: string): void {
  if (entries.some((entry) => entry.name === name)) throw taken(`The name ${name} is taken already`, name);
}

function taken(what: string, name: string): SealwireError {
  return new SealwireError('usage', `${what}.`, { hint: `First: sealwire trust remove ${shellWord(name)}` });
}

function keyChanged(name: string, known: Uint8Array, shown: Uint8Array): SealwireError {
  const sentence = `${name} is trusted as ${formatId(known)}, but now shows ${formatId(shown)}.`;
  return new SealwireError('key-changed', sentence, { hint: newKeyHint(name) });
}

function nobody(name: string): SealwireError {
  return new SealwireError('identity-unknown', `Nothing is trusted under the name ${JSON.stringify(name)}.`, {
    hint: '`sealwire trust list` shows the names.',
  });
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `The list of trust cannot be read: ${why}.`, {
    hint: 'Restore trust.json from a copy; nobody is trusted on a guess.',
  });
}
