import { bytesToHex, concatBytes, hexToBytes } from '../../src/core/bytes.ts';
import { nobleCrypto, nobleVerifier } from '../../src/core/crypto/noble.ts';
import { type EnrolmentAnswer, encodeAnswer } from '../../src/core/enrolment/answer.ts';
import { answerTopic, requestTopic } from '../../src/core/enrolment/enrolment-topic.ts';
import { encodeTokenRequest } from '../../src/core/enrolment/request.ts';
import { formatToken, tokenKeys } from '../../src/core/enrolment/token.ts';
import { SealwireError } from '../../src/core/errors.ts';
import { type Certificate, parseCertificate } from '../../src/core/identity/certificate.ts';
import { draftCertificate } from '../../src/core/identity/certificate-draft.ts';
import { formatId, identityId, idToTopic, nameProblem, subjectPublicKeyInfo } from '../../src/core/identity/id.ts';
import { type Anchor, checkPath, DATE_TOLERANCE_MS } from '../../src/core/identity/path.ts';
import { safetyNumber } from '../../src/core/identity/safety-number.ts';
import { draftSigningRequest } from '../../src/core/identity/signing-request.ts';
import {
  DAY_MS,
  finishPath,
  fixedHolder,
  fixedSigner,
  type Holder,
  NOW_MS,
  resigned,
} from '../../test/support/identities.ts';

/** A P-256 key and everything that is made of it; byte strings in hex. */
export interface IdVector {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly subjectPublicKeyInfo: string;
  readonly id: string;
  readonly shown: string;
  readonly topic: string;
}

/** Two ids, in hex, and their safety number. */
export interface SafetyNumberVector {
  readonly ids: readonly [string, string];
  readonly number: string;
}

/** A token, what is made of it, and an exchange in which the authority refuses; byte strings in hex. */
export interface EnrolmentVector {
  readonly authorityId: string;
  readonly secret: string;
  readonly token: string;
  readonly tokenId: string;
  readonly requestKey: string;
  readonly answerKey: string;
  readonly requestTopic: string;
  readonly answerTopic: string;
  /** Of the private key of that number, repeated to 32 bytes. */
  readonly privateKey: string;
  readonly name: string;
  readonly signingRequest: string;
  readonly request: string;
  readonly refusal: string;
  readonly enrolled: string;
}

/** A name and whether it can name an identity. */
export interface NameVector {
  readonly name: string;
  readonly usable: boolean;
}

/** A certificate and what is read from it, or the code that it is refused with. */
export interface CertificateVector {
  readonly what: string;
  readonly der: string;
  readonly error?: string;
  readonly read?: {
    readonly toBeSigned: string;
    readonly signature: string;
    readonly publicKey: string;
    readonly commonName: string | null;
    readonly issuerName: string | null;
    readonly notBeforeMs: number;
    readonly notAfterMs: number;
    readonly isCa: boolean;
    readonly pathLength: number | null;
  };
}

/** What a draft is made of and the certificate that it becomes; `issuer` is missing where the subject signs. */
export interface DraftVector {
  readonly commonName: string;
  readonly publicKey: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly serial: string;
  readonly ca: boolean;
  readonly pathLength?: number;
  readonly issuer?: string;
  readonly toBeSigned: string;
  readonly signature: string;
  readonly der: string;
}

/** A chain, whom it is judged by, and who it turns out to be, or the code that it is refused with. */
export interface PathVector {
  readonly what: string;
  readonly chain: readonly string[];
  readonly anchors: readonly { readonly certificate?: string; readonly id?: string; readonly name?: string }[];
  readonly nowMs: number;
  readonly error?: string;
  readonly valid?: {
    readonly id: string;
    readonly name: string;
    readonly trust: 'pin' | 'authority';
    readonly certificates: readonly string[];
  };
}

/** What `vectors/1-identity.json` holds. */
export interface IdentityVectors {
  readonly about: string;
  readonly toleranceMs: number;
  readonly ids: readonly IdVector[];
  readonly safetyNumbers: readonly SafetyNumberVector[];
  readonly enrolments: readonly EnrolmentVector[];
  readonly names: readonly NameVector[];
  readonly drafts: readonly DraftVector[];
  readonly certificates: readonly CertificateVector[];
  readonly paths: readonly PathVector[];
}

/** The vectors of spec chapter 1, the same at every run. */
export async function generate(): Promise<IdentityVectors> {
  const cast = await makeCast();
  return {
    about: 'Vectors of spec/1-identity.md. Byte strings are hex, times are milliseconds since 1970-01-01 UTC.',
    toleranceMs: DATE_TOLERANCE_MS,
    ids: [1, 2, 3].map(idVector),
    enrolments: [await enrolmentVector()],
    safetyNumbers: [safetyNumberVector(1, 2), safetyNumberVector(3, 1)],
    names: nameVectors(),
    drafts: [await draftVector(), await draftVector(cast.root.certificate)],
    certificates: certificateVectors(cast),
    paths: await pathVectors(cast),
  };
}

interface Cast {
  readonly root: Holder;
  readonly middle: Holder;
  readonly leaf: Holder;
  readonly alone: Holder;
  readonly tight: Holder;
}

async function makeCast(): Promise<Cast> {
  const root = await fixedHolder('plant root', 1, { ca: true });
  const middle = await fixedHolder('plant middle', 2, { ca: true, issuer: root });
  const leaf = await fixedHolder('plant-sensor-7', 3, { issuer: middle });
  const alone = await fixedHolder('alone', 4);
  const tight = await fixedHolder('tight root', 6, { ca: true, pathLength: 0 });
  return { root, middle, leaf, alone, tight };
}

async function enrolmentVector(): Promise<EnrolmentVector> {
  const root = await fixedHolder('plant', 60, { ca: true });
  const device = await fixedHolder('sensor-7', 3, { issuer: root });
  const authorityId = identityId(nobleCrypto, root.signer.publicKey);
  const token = { authorityId, secret: Uint8Array.from({ length: 16 }, (_, i) => i) };
  const keys = tokenKeys(nobleCrypto, token);
  const asker = { type: 'token', tokenId: keys.tokenId } as const;
  const draft = draftSigningRequest('sensor-7', device.signer.publicKey);
  const signingRequest = draft.finish(await device.signer.sign(draft.toBeSigned));
  const answer = (content: EnrolmentAnswer): string =>
    bytesToHex(encodeAnswer(nobleCrypto, keys.answerKey, signingRequest, content));
  const roster = { name: 'works', authorityId, version: 3, hash: new Uint8Array(32).fill(7) };
  return {
    authorityId: bytesToHex(authorityId),
    secret: bytesToHex(token.secret),
    token: formatToken(nobleCrypto, token),
    tokenId: bytesToHex(keys.tokenId),
    requestKey: bytesToHex(keys.requestKey),
    answerKey: bytesToHex(keys.answerKey),
    requestTopic: requestTopic(authorityId, asker),
    answerTopic: answerTopic(authorityId, asker),
    privateKey: '03'.repeat(32),
    name: 'sensor-7',
    signingRequest: bytesToHex(signingRequest),
    request: bytesToHex(encodeTokenRequest(nobleCrypto, keys.requestKey, signingRequest)),
    refusal: answer({ type: 'refused', code: 'token-invalid', reason: 'The token was used already.' }),
    enrolled: answer({
      type: 'enrolled',
      chain: [device.certificate.der],
      authority: root.certificate.der,
      roster,
    }),
  };
}

function safetyNumberVector(one: number, other: number): SafetyNumberVector {
  const [a, b] = [one, other].map((number) => identityId(nobleCrypto, fixedSigner(number).publicKey));
  if (!a || !b) throw new Error('two ids have a safety number');
  return { ids: [bytesToHex(a), bytesToHex(b)], number: safetyNumber(nobleCrypto, a, b) };
}

function idVector(number: number): IdVector {
  const { publicKey } = fixedSigner(number);
  const id = identityId(nobleCrypto, publicKey);
  return {
    privateKey: number.toString(16).padStart(2, '0').repeat(32),
    publicKey: bytesToHex(publicKey),
    subjectPublicKeyInfo: bytesToHex(subjectPublicKeyInfo(publicKey)),
    id: bytesToHex(id),
    shown: formatId(id),
    topic: idToTopic(id),
  };
}

function nameVectors(): NameVector[] {
  const usable = ['a', 'plant-sensor-7', 'Zo\u00eb M\u00fcller', '変電所', "O'Brien", 'x'.repeat(64)];
  const unusable = ['', ' a', 'a ', 'a\nb', 'a\u001b[31m', 'a\u202eb', 'a\u200bb', 'Zoe\u0308', 'x'.repeat(65)];
  return [...usable, ...unusable].map((name) => ({ name, usable: nameProblem(name) === undefined }));
}

async function draftVector(issuer?: Certificate): Promise<DraftVector> {
  const subject = fixedSigner(issuer ? 8 : 7);
  const signer = issuer ? fixedSigner(1) : subject;
  const request = {
    commonName: issuer ? 'Zo\u00eb' : 'self',
    publicKey: subject.publicKey,
    notBeforeMs: NOW_MS,
    // One date in either form: UTCTime ends with 2049.
    notAfterMs: issuer ? NOW_MS + DAY_MS : Date.UTC(2050, 0, 1),
    serial: hexToBytes('ff0102030405060708090a0b0c0d0e0f'),
    ca: issuer === undefined,
    ...(issuer ? { issuer } : { pathLength: 1 }),
  };
  const draft = draftCertificate(nobleCrypto, request);
  const signature = await signer.sign(draft.toBeSigned);
  return {
    ...request,
    publicKey: bytesToHex(request.publicKey),
    serial: bytesToHex(request.serial),
    ...(issuer ? { issuer: bytesToHex(issuer.der) } : {}),
    toBeSigned: bytesToHex(draft.toBeSigned),
    signature: bytesToHex(signature),
    der: bytesToHex(draft.finish(signature)),
  } as DraftVector;
}

function certificateVectors({ root, leaf }: Cast): CertificateVector[] {
  const { der } = leaf.certificate;
  const hex = bytesToHex(der);
  const swapped = (from: string, to: string): Uint8Array => {
    if (from.length !== to.length || !hex.includes(from)) throw new Error(`${from} is not there`);
    return hexToBytes(hex.replaceAll(from, to));
  };
  const point = bytesToHex(leaf.certificate.publicKey);
  const name = bytesToHex(new TextEncoder().encode('plant-sensor-7'));
  const cases: [string, Uint8Array][] = [
    ['an authority', root.certificate.der],
    ['a leaf', der],
    ['a byte after the end', concatBytes(der, Uint8Array.of(0))],
    ['the last byte missing', der.subarray(0, -1)],
    ['a length in more bytes than it needs', concatBytes(hexToBytes('308300'), der.subarray(2))],
    ['an indefinite length', concatBytes(hexToBytes('3080'), der.subarray(4), new Uint8Array(2))],
    ['TRUE as 01', swapped('0603551d130101ff', '0603551d13010101')],
    ['critical FALSE written out', swapped('0603551d130101ff', '0603551d13010100')],
    ['one extension twice', swapped('0603551d0f', '0603551d13')],
    ['key usage with trailing zero bits', swapped('03020780', '03020680')],
    ['version 2', swapped('a003020102', 'a003020101')],
    ['a negative serial number', swapped('021043', '021083')],
    ['a 31st of June', swapped('3236303630313030', '3236303633313030')],
    ['a name that is not UTF-8', swapped(`0c0e${name}`, `0c0e${'ff'.repeat(14)}`)],
    ['an escape sequence in the name', swapped(`0c0e${name}`, `0c0e1b5b${name.slice(4)}`)],
    ['signed with SHA-384', swapped('06082a8648ce3d040302', '06082a8648ce3d040303')],
    ['two different signature algorithms', der.slice().fill(3, 42, 43)],
    ['a key on another curve', swapped('06082a8648ce3d030107', '06082a8648ce3d030106')],
    ['a point off the curve', swapped(point, `${point.slice(0, -2)}00`)],
  ];
  return cases.map(([what, bytes]) => ({ what, der: bytesToHex(bytes), ...certificateResult(bytes) }));
}

/** What is read from a certificate, as the vectors write it; `error` where it is refused. */
export function certificateResult(der: Uint8Array): Pick<CertificateVector, 'read' | 'error'> {
  try {
    const certificate = parseCertificate(der);
    const { notBeforeMs, notAfterMs, isCa } = certificate;
    return {
      read: {
        toBeSigned: bytesToHex(certificate.toBeSigned),
        signature: bytesToHex(certificate.signature),
        publicKey: bytesToHex(certificate.publicKey),
        commonName: certificate.commonName ?? null,
        issuerName: certificate.issuerName ?? null,
        notBeforeMs,
        notAfterMs,
        isCa,
        pathLength: certificate.pathLength ?? null,
      },
    };
  } catch (error) {
    return { error: codeOf(error) };
  }
}

async function pathVectors(cast: Cast): Promise<PathVector[]> {
  const { root, middle, leaf, alone, tight } = cast;
  const between = await fixedHolder('between', 7, { ca: true, issuer: tight });
  const tooFar = await fixedHolder('too far', 9, { issuer: between });
  const stale = await fixedHolder('plant middle', 2, { ca: true, issuer: root, notAfterMs: NOW_MS - DAY_MS });
  const asAuthority = { signer: leaf.signer, certificate: { ...leaf.certificate, isCa: true } };
  const belowLeaf = await fixedHolder('forged', 5, { issuer: asAuthority });
  const noCertSign = await resigned(middle, root, '03020204', '03020780');
  const critical = await resigned(middle, root, '0603551d0f0101ff', '0603551d630101ff');
  const otherRoot = await fixedHolder('plant root', 66, { ca: true });
  const otherKey = { signer: otherRoot.signer, certificate: root.certificate };
  const impostor = await fixedHolder('plant-sensor-7', 67, { issuer: otherKey });
  const altered = await resigned(leaf, otherRoot, '0e706c616e74', '0e716c616e74');
  const id = (holder: Holder): Uint8Array => identityId(nobleCrypto, holder.certificate.publicKey);
  const underRoot = [root.certificate];
  const pinned = { name: 'boiler', id: id(alone) };
  const { notBeforeMs, notAfterMs } = leaf.certificate;
  const tolerance = DATE_TOLERANCE_MS;
  const cases: [string, Holder[], Anchor[], number?][] = [
    ['below an intermediate authority', [leaf, middle], underRoot],
    ['with the root sent along', [leaf, middle, root], underRoot],
    ['an intermediate authority as anchor', [leaf, middle], [middle.certificate]],
    ['pinned under a name', [alone], [pinned]],
    ['pinned by its id', [alone], [id(alone)]],
    ['pinned, though an authority issued it', [leaf, middle], [{ name: 'seven', id: id(leaf) }]],
    ['as early as the tolerance allows', [leaf, middle], underRoot, notBeforeMs - tolerance],
    ['as late as the tolerance allows', [leaf, middle], underRoot, notAfterMs + tolerance],
    ['too early', [leaf, middle], underRoot, notBeforeMs - tolerance - 1],
    ['too late', [leaf, middle], underRoot, notAfterMs + tolerance + 1],
    ['an expired intermediate authority', [leaf, stale], underRoot],
    ['a clock that was never set', [leaf, middle], underRoot, 0],
    ['self-signed and not pinned', [alone], underRoot],
    ['an authority showing its own certificate', [root], underRoot],
    ['the intermediate certificate missing', [leaf], underRoot],
    ['an unknown authority', [leaf, middle], [tight.certificate]],
    ['an authority pinned by its id', [leaf, middle], [{ name: 'middle', id: id(middle) }]],
    ['a pinned name under another key', [leaf, middle], [root.certificate, { name: 'plant-sensor-7', id: id(alone) }]],
    ['issued by a leaf', [belowLeaf, leaf, middle], underRoot],
    ['issued without keyCertSign', [leaf, noCertSign], underRoot],
    ['an unknown critical extension', [leaf, critical], underRoot],
    ['a path length exceeded', [tooFar, between], [tight.certificate]],
    ['names that do not chain', [leaf, alone, middle], underRoot],
    ['a circle', [leaf, middle, middle], underRoot],
    ['five certificates', [leaf, middle, root, alone, tight], underRoot],
    ['signed by an impostor with the same name', [impostor], underRoot],
    ['altered and signed by somebody else', [altered, middle], underRoot],
  ];
  const vectors: PathVector[] = [];
  for (const [what, holders, anchors, nowMs = NOW_MS] of cases) {
    const chain = holders.map(({ certificate }) => certificate);
    const written = { chain: chain.map(({ der }) => bytesToHex(der)), anchors: anchors.map(anchorVector), nowMs };
    vectors.push({ what, ...written, ...(await pathResult(chain, anchors, nowMs, nobleVerifier)) });
  }
  return vectors;
}

/** Who a chain is, as the vectors write it; `error` where it is refused. */
export async function pathResult(
  chain: readonly Certificate[],
  anchors: readonly Anchor[],
  nowMs: number,
  makeVerifier: Parameters<typeof finishPath>[1],
  crypto: Parameters<typeof checkPath>[0] = nobleCrypto,
): Promise<Pick<PathVector, 'valid' | 'error'>> {
  try {
    const found = await finishPath(checkPath(crypto, { chain, anchors, nowMs }), makeVerifier);
    const { name, trust, certificates } = found;
    return { valid: { id: bytesToHex(found.id), name, trust, certificates: certificates.map(bytesToHex) } };
  } catch (error) {
    return { error: codeOf(error) };
  }
}

function anchorVector(anchor: Anchor): PathVector['anchors'][number] {
  if (anchor instanceof Uint8Array) return { id: bytesToHex(anchor) };
  if ('der' in anchor) return { certificate: bytesToHex(anchor.der) };
  return { name: anchor.name, id: bytesToHex(anchor.id) };
}

function codeOf(error: unknown): string {
  if (error instanceof SealwireError) return error.code;
  throw error;
}
