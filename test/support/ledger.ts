import { createPrivateKey, type KeyObject } from 'node:crypto';
import { base64urlnopad, concatBytes } from '../../src/core/bytes.ts';
import { mac0Tag } from '../../src/core/cose.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { encodeRatchetEnd } from '../../src/core/frame/end.ts';
import {
  decodeLabel,
  draftLabel,
  encodeLabelHeader,
  type HeadClaim,
  isOpenKind,
  type LabelHeader,
} from '../../src/core/frame/label.ts';
import { encodeDeliveryReceipt, hashLabels, toRanges } from '../../src/core/frame/receipt.ts';
import { identityId } from '../../src/core/identity/id.ts';
import { KIND, type Kind } from '../../src/core/kinds.ts';
import { TreeHasher } from '../../src/core/ledger/merkle.ts';
import type { Certificates } from '../../src/core/ledger/statement.ts';
import type { LedgerStore } from '../../src/core/ledger/store.ts';
import type { Clock, Signer } from '../../src/core/ports.ts';
import { nodeCrypto, nodeSigner, nodeVerifier } from '../../src/node/crypto.ts';
import { memoryLedger } from '../../src/roles/memory-ledger.ts';
import { type Notary, type NotaryOptions, openNotary } from '../../src/roles/notary.ts';
import { fixedHolder, NOW_MS } from './identities.ts';

/** Who takes part in a test's ledger. */
export interface Member {
  readonly id: Uint8Array;
  readonly signer: Signer;
  readonly certificates: Certificates;
}

/** The same member for the same name and number (1 to 255); signs fast, and differently each time. */
export async function member(name: string, number: number): Promise<Member> {
  const { signer, certificate } = await fixedHolder(name, number);
  const { publicKey } = signer;
  const base64 = (bytes: Uint8Array): string => base64urlnopad.encode(bytes);
  const key: KeyObject = createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'P-256',
      x: base64(publicKey.subarray(1, 33)),
      y: base64(publicKey.subarray(33)),
      d: base64(new Uint8Array(32).fill(number)),
    },
  });
  return { id: identityId(nodeCrypto, publicKey), signer: nodeSigner(key), certificates: [certificate.der] };
}

/** A clock that stands where it is put. */
export class StillClock implements Clock {
  nowMs = NOW_MS;

  now(): number {
    return this.nowMs;
  }

  elapsed(): number {
    return this.nowMs - NOW_MS;
  }

  after(): () => void {
    return () => {};
  }

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}

/** What a label of a {@link Writer} says beside what the writer counts itself. */
export type LabelMore = Partial<Pick<LabelHeader, 'kind' | 'seq' | 'head' | 'topic' | 'issuedAtS'>> & {
  readonly content?: Uint8Array;
};

/** Makes signed labels of one ratchet. */
export class Writer {
  readonly member: Member;
  readonly ratchetId: Uint8Array;
  readonly #crypto: Crypto;
  seq = 0;
  head: HeadClaim | null = null;

  constructor(of: Member, ratchet = 1, crypto: Crypto = nodeCrypto) {
    this.member = of;
    this.ratchetId = new Uint8Array(16).fill(ratchet);
    this.#crypto = crypto;
  }

  /** The next label: a message, unless `more` says otherwise. */
  async label(more: LabelMore = {}): Promise<Uint8Array> {
    const kind: Kind = more.kind ?? KIND.message;
    const seq = more.seq ?? this.seq++;
    const content = more.content ?? this.#crypto.sha256(Uint8Array.of(seq & 255, seq >> 8));
    const protectedBytes = encodeLabelHeader({
      kind,
      senderId: this.member.id,
      rosterName: '',
      topic: more.topic ?? 'plant/temperature',
      expiresAtS: null,
      issuedAtS: more.issuedAtS ?? Math.floor(NOW_MS / 1000),
      tokenId: this.#crypto.sha256(concatBytes(this.ratchetId, Uint8Array.of(seq & 255, seq >> 8))).subarray(0, 16),
      channel: null,
      ratchetId: this.ratchetId,
      seq,
      roster: null,
      head: more.head === undefined ? this.head : more.head,
    });
    const payload = isOpenKind(kind) ? content : this.#crypto.sha256(content);
    const mac0 = { payload, tag: mac0Tag(this.#crypto, new Uint8Array(32).fill(7), payload, protectedBytes) };
    const draft = draftLabel(protectedBytes, mac0);
    return draft.finish(await this.member.signer.sign(draft.toBeSigned));
  }

  /** Several of them. */
  async labels(count: number, more: LabelMore = {}): Promise<Uint8Array[]> {
    const labels: Uint8Array[] = [];
    for (let i = 0; i < count; i++) labels.push(await this.label(more));
    return labels;
  }

  /** A delivery receipt for labels of one ratchet, in order of seq. */
  deliveryReceipt(of: readonly Uint8Array[], more: LabelMore = {}): Promise<Uint8Array> {
    const labels = of.map(decodeLabel);
    const [first] = labels;
    if (!first) throw new Error('a delivery receipt is about labels');
    const hasher = new TreeHasher(this.#crypto);
    const content = encodeDeliveryReceipt({
      senderId: first.senderId,
      ratchetId: first.ratchetId,
      ranges: toRanges(labels.map(({ seq }) => seq)),
      labelsHash: hashLabels(
        this.#crypto,
        of.map((label) => hasher.leaf(label)),
      ),
    });
    return this.label({ kind: KIND.deliveryReceipt, content, ...more });
  }

  /** The closing label. */
  end(voids: readonly number[] = []): Promise<Uint8Array> {
    const finalSeq = this.seq;
    return this.label({ kind: KIND.end, content: encodeRatchetEnd({ finalSeq, messages: finalSeq, voids }) });
  }
}

/** `label` with its Mac0 replaced and nothing signed again. */
export function withOtherMac(label: Uint8Array): Uint8Array {
  const { protectedBytes, content, mac, signature } = decodeLabel(label);
  const tag = mac.slice();
  tag[0] = (tag[0] ?? 0) ^ 1;
  return draftLabel(protectedBytes, { payload: content, tag }).finish(signature);
}

/** What a test's notary is made of; the store is in memory unless given. */
export async function notaryOptions(more: Partial<NotaryOptions> = {}): Promise<NotaryOptions & { clock: Clock }> {
  const { signer, certificates } = await member('notary', 200);
  return {
    store: memoryLedger(),
    crypto: nodeCrypto,
    clock: new StillClock(),
    signer,
    verifierOf: nodeVerifier,
    certificates,
    origin: 'plant.example/ledger',
    ...more,
  };
}

/** An open notary that has admitted the members. */
export async function testNotary(
  store: LedgerStore,
  members: readonly Member[],
  more: Partial<NotaryOptions> = {},
): Promise<Notary> {
  const notary = await openNotary(await notaryOptions({ store, ...more }));
  for (const { certificates } of members) await notary.admit(certificates);
  return notary;
}
