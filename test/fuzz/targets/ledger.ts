import { utf8ToBytes } from '../../../src/core/bytes.ts';
import { decodeSign1, encodeSign1 } from '../../../src/core/cose.ts';
import { SealwireError } from '../../../src/core/errors.ts';
import { decodeBlockHeader, encodeBlockHeader } from '../../../src/core/ledger/block.ts';
import { checkpointFromJson, checkpointToJson } from '../../../src/core/ledger/checkpoint.ts';
import {
  decodeConsistencyAnswer,
  decodeConsistencyQuestion,
  encodeConsistencyAnswer,
  encodeConsistencyQuestion,
} from '../../../src/core/ledger/consistency.ts';
import { decodeEntry } from '../../../src/core/ledger/entry.ts';
import { readIdentity } from '../../../src/core/ledger/identity.ts';
import { CompactRange, isConsistent, TreeHasher } from '../../../src/core/ledger/merkle.ts';
import { checkReceipt } from '../../../src/core/ledger/receipt.ts';
import { draftStatement } from '../../../src/core/ledger/statement.ts';
import { decodeAnswer, encodeAnswer } from '../../../src/core/ledger/submission.ts';
import { nodeCrypto, nodeVerifier } from '../../../src/node/crypto.ts';
import { Admission } from '../../../src/roles/admission.ts';
import { Writer } from '../../support/ledger.ts';
import { joinParts, partsIn } from '../mutate/cbor.ts';
import { codec, onlyGenuine, sameBytes, type Target } from '../target.ts';
import { type Scene, scene, signedAnew } from './ledger-scene.ts';
import { genuineCheckpoint } from './ledger-whole.ts';
import type { Someone } from './people.ts';

const NOTHING = new Uint8Array(0);

function entryAgain(data: Uint8Array): Uint8Array {
  const entry = decodeEntry(data);
  if (entry.type === 'label') return entry.label.bytes;
  if (entry.type === 'roster') return encodeSign1(decodeSign1(entry.bytes));
  const { content, signature } = entry.statement;
  return draftStatement(entry.statement, content).finish(signature);
}

const entries = async (): Promise<Uint8Array[]> => (await scene()).kept.entries.map(({ bytes }) => bytes);
const hash = new Uint8Array(32).fill(4);

function rootAt({ kept }: Scene, size: number): Uint8Array {
  const range = new CompactRange(new TreeHasher(nodeCrypto));
  for (const { leaf } of kept.entries.slice(0, size)) range.append(leaf);
  return range.root();
}

/** The ledger: what it holds, what proves it, and whole ledgers that somebody has edited. */
export const LEDGER: readonly Target[] = [
  codec({ name: 'ledger-entry', seeds: entries, again: entryAgain }),
  codec({
    name: 'block-header',
    seeds: async () => (await scene()).kept.blocks.map(({ protectedBytes }) => protectedBytes),
    again: (data) => encodeBlockHeader(decodeBlockHeader(data)),
  }),
  codec({
    name: 'submission-answer',
    seeds: () => [
      encodeAnswer({ leafHash: hash, receipt: new Uint8Array(200), refusal: null }),
      encodeAnswer({ leafHash: hash, receipt: null, refusal: 'conflict' }),
    ],
    again: (data) => encodeAnswer(decodeAnswer(data)),
  }),
  codec({
    name: 'consistency-question',
    seeds: () => [encodeConsistencyQuestion({ from: 2, to: 70_000 })],
    again: (data) => encodeConsistencyQuestion(decodeConsistencyQuestion(data)),
  }),
  codec({
    name: 'checkpoint',
    mutator: 'bytes',
    seeds: async () => [utf8ToBytes(checkpointToJson(nodeCrypto, await genuineCheckpoint(await scene())))],
    // JSON has room for spaces and an order of its own: what was read has to be read again the same.
    again: (data) => {
      const text = checkpointToJson(nodeCrypto, checkpointFromJson(nodeCrypto, new TextDecoder().decode(data)));
      sameBytes(utf8ToBytes(checkpointToJson(nodeCrypto, checkpointFromJson(nodeCrypto, text))), utf8ToBytes(text));
      return data;
    },
  }),
  {
    name: 'consistency-proof',
    mutator: 'cbor',
    weight: 10,
    async open() {
      const here = await scene();
      const { from, to } = here.paths;
      const [old, now] = [rootAt(here, from), rootAt(here, to)];
      const seeds = [encodeConsistencyAnswer(here.paths), encodeConsistencyAnswer({ from, to, path: null })];
      const hasher = new TreeHasher(nodeCrypto);
      const check = onlyGenuine(seeds.slice(0, 1));
      return {
        seeds,
        judge(input) {
          const answer = decodeConsistencyAnswer(input);
          sameBytes(encodeConsistencyAnswer(answer), input);
          // The sizes are those that were asked about: a path holds for other ones too.
          if (answer.from !== from || answer.to !== to || !answer.path)
            throw new SealwireError('not-logged', 'No proof.');
          if (!isConsistent(hasher, from, to, old, now, answer.path))
            throw new SealwireError('head-disputed', 'No proof.');
          check(input);
        },
      };
    },
  },
  {
    name: 'ledger-receipt',
    mutator: 'cbor',
    weight: 6,
    async open() {
      const { receipt, label, notary } = await scene();
      const hasher = new TreeHasher(nodeCrypto);
      const verifier = nodeVerifier(notary.signer.publicKey);
      const check = onlyGenuine([receipt]);
      return {
        seeds: [receipt],
        judge(input) {
          const { toBeVerified, signature } = checkReceipt(hasher, input, label);
          if (verifier.verify(toBeVerified, signature) !== true) throw unsigned();
          check(input);
        },
      };
    },
  },
  {
    name: 'label-submitted',
    mutator: 'cbor',
    weight: 6,
    async open() {
      const { alice, bob, labels } = await scene();
      const seeds = [...labels, await new Writer(bob, 2).deliveryReceipt(labels), await new Writer(alice, 3).end()];
      const check = onlyGenuine(seeds);
      const admission = admitting([alice, bob]);
      return {
        seeds,
        async judge(input) {
          await admission.check(input);
          check(input);
        },
      };
    },
  },
  {
    name: 'label-of-member',
    mutator: 'parts',
    weight: 3,
    async open() {
      const { alice, bob, labels } = await scene();
      const all = [...labels, await new Writer(bob, 2).deliveryReceipt(labels), await new Writer(alice, 3).end()];
      const admission = admitting([alice, bob]);
      return {
        seeds: all.map((label) => {
          const { protectedBytes, payload } = decodeSign1(label);
          return joinParts([protectedBytes, payload ?? NOTHING]);
        }),
        async judge(input) {
          const [protectedBytes = NOTHING, payload = NOTHING] = partsIn(input) ?? [];
          const bare = encodeSign1({ protectedBytes, unprotected: new Map(), payload, signature: new Uint8Array(64) });
          const { label, entry } = await admission.check(signedAnew([alice, bob], bare));
          sameBytes(entry.bytes, entryAgain(label.bytes));
        },
      };
    },
  },
];

function admitting(people: readonly Someone[]): Admission {
  const admission = new Admission(new TreeHasher(nodeCrypto), nodeVerifier);
  for (const { certificates } of people) admission.admit(readIdentity(nodeCrypto, certificates));
  return admission;
}

function unsigned(): SealwireError {
  return new SealwireError('signature-invalid', 'The receipt is not signed by the notary.');
}
