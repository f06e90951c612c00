import { setImmediate } from 'node:timers/promises';
import { bytesToHex, equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { formatId, parseId } from '../core/identity/id.ts';
import { EMPTY_TRUST, pinById, pinByName, type TrustList } from '../core/identity/trust.ts';
import type { NotaryKey } from '../core/ledger/audit.ts';
import { checkpointToJson } from '../core/ledger/checkpoint.ts';
import type { LedgerReader } from '../core/ledger/store.ts';
import {
  describeBroken,
  type Findings,
  type Found,
  type VerifyMode,
  type VerifyReport,
} from '../core/ledger/verify-report.ts';
import { checkpointFile, readCheckpoint, writeCheckpoint } from '../node/checkpoints.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { openHome, readIdentity, readTrust } from '../node/home.ts';
import { openLedgerReader } from '../node/sqlite-ledger.ts';
import { verifyLedger } from '../roles/verify-ledger.ts';
import { printable } from './console.ts';
import type { Context } from './context.ts';
import { isoTime, notaryOfLedger } from './ledger-head.ts';

/** The options of `ledger verify`. */
export interface VerifyFlags {
  readonly full?: boolean;
  readonly fast?: boolean;
  readonly incremental?: boolean;
  readonly notary?: string;
}

/** Whom this home knows: what a ledger's notary can be pinned to. Empty without a home. */
interface Known {
  readonly home: string | null;
  readonly trust: TrustList;
  readonly own: { readonly name: string; readonly id: Uint8Array } | null;
}

interface NotaryPin {
  readonly id: Uint8Array;
  readonly name: string | null;
}

/**
 * Verifies a ledger file, prints what was found, checked and taken on trust, and remembers a checkpoint in the home
 * where the ledger is valid. Throws `ledger-broken`, `checkpoint-mismatch` or `head-disputed` where it is not.
 */
export async function verifyCommand(context: Context, path: string, flags: VerifyFlags): Promise<void> {
  const mode = modeOf(flags);
  await using reader = openLedgerReader(path);
  const known = await readKnown(context.home);
  const notary = await notaryUnlessBroken(reader, path);
  const pin = pinOf(known, flags.notary, notary);
  const file = known.home && notary && checkpointFile(known.home, notary.origin, pin?.id ?? notary.id);
  const checkpoint = file === null ? null : await readCheckpoint(file);
  const report = await verifyLedger({
    reader,
    crypto: nodeCrypto,
    verifierOf: nodeVerifier,
    mode,
    pin: pin?.id ?? null,
    checkpoint,
    onProgress: progress(context),
    isCancelled: () => context.signal.aborted,
  });
  context.console.status('');
  if (!report) return;
  await printReport(context, report, pin);
  if (report.checkpoint && file !== null) await writeCheckpoint(file, report.checkpoint);
  else if (report.checkpoint) context.console.note('There is no home here to remember a checkpoint in.');
  throwUnlessValid(report, path);
}

function modeOf({ full, fast, incremental }: VerifyFlags): VerifyMode {
  const chosen = (['full', 'fast', 'incremental'] as const).filter((_, i) => [full, fast, incremental][i]);
  if (chosen.length > 1) {
    throw new SealwireError('usage', `--${chosen.join(' and --')} exclude each other.`, {
      hint: 'Choose one of them.',
    });
  }
  return chosen[0] ?? 'full';
}

async function readKnown(directory: string): Promise<Known> {
  try {
    const home = await openHome(directory);
    return { home: directory, trust: await readTrust(home), own: await readIdentity(home) };
  } catch (error) {
    if (error instanceof SealwireError && error.code === 'home-missing') {
      return { home: null, trust: EMPTY_TRUST, own: null };
    }
    throw error;
  }
}

function pinOf({ trust, own }: Known, wanted: string | undefined, notary: NotaryKey | null): NotaryPin | null {
  if (wanted?.startsWith('SHA256:')) return { id: parseId(wanted), name: null };
  if (wanted !== undefined) {
    const pin = pinByName(trust, wanted) ?? (own?.name === wanted ? own : undefined);
    if (pin) return pin;
    throw new SealwireError('identity-unknown', `Nobody is trusted under the name ${wanted}.`, {
      hint: 'See `sealwire trust list`, or give the id: --notary SHA256:…',
    });
  }
  if (!notary) return null;
  if (own && equalBytes(own.id, notary.id)) return own;
  return pinById(trust, notary.id) ?? null;
}

/** Null where the first entry is damaged, which the verification will say by its place. */
async function notaryUnlessBroken(reader: LedgerReader, path: string): Promise<NotaryKey | null> {
  try {
    return await notaryOfLedger(reader, path);
  } catch (error) {
    if (error instanceof SealwireError && error.code === 'ledger-broken') return null;
    throw error;
  }
}

const BAR_CELLS = 24;
const SHOW_EVERY_MS = 100;

/** Shows how far it is, and lets the loop turn meanwhile so that Ctrl-C is heard. */
function progress({ console }: Context): (done: number, all: number) => Promise<void> | undefined {
  let shownAt = performance.now();
  return (done, all) => {
    const now = performance.now();
    if (now - shownAt < SHOW_EVERY_MS) return undefined;
    shownAt = now;
    const cells = Math.floor((done / all) * BAR_CELLS);
    const bar = '█'.repeat(cells) + '░'.repeat(BAR_CELLS - cells);
    console.status(`verifying ${bar} ${done.toLocaleString('en')} of ${all.toLocaleString('en')} entries`);
    return setImmediate();
  };
}

function throwUnlessValid({ verdict, broken, findings }: VerifyReport, path: string): void {
  if (broken) {
    throw new SealwireError(broken.code, `The ledger ${path} does not hold. ${upperFirst(describeBroken(broken))}.`, {
      hint:
        broken.code === 'checkpoint-mismatch'
          ? 'It was valid when it was last verified: ask its notary what became of those entries, and keep both.'
          : 'Get a copy from elsewhere and compare; what comes before the named place was found to hold.',
    });
  }
  if (verdict !== 'disputed') return;
  const [first] = findings.disputes.first;
  const who = first ? `entry ${first.entry}, by ${formatId(first.senderId)}, claims a head that it never had` : '';
  throw new SealwireError('head-disputed', `The ledger ${path} is disputed: ${who}.`, {
    hint: 'Either the notary rewrote the ledger, or that sender made the head up: ask it for the signed header.',
  });
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

async function printReport({ console, json }: Context, report: VerifyReport, pin: NotaryPin | null): Promise<void> {
  if (json) return console.json(reportJson(report));
  const { verdict, head, findings } = report;
  const tone = verdict === 'valid' ? 'good' : 'bad';
  await console.line(
    `${console.paint(tone, verdict)}  ${printable(report.origin ?? 'a ledger')}, verified ${modeWords(report)}`,
  );
  if (report.notaryId) {
    const name = pin?.name ? ` (${printable(pin.name)})` : '';
    await console.line(`notary   ${formatId(report.notaryId)}${name}${pin ? '' : ', not pinned'}`);
  }
  await console.line(`checked  ${report.entries} entries in ${report.blocks} blocks, ${report.signatures} signatures`);
  if (head) {
    await console.line(`head     ${head.treeSize} entries, ${isoTime(head.timeS)}, root ${bytesToHex(head.root)}`);
  }
  for (const [what, { total }] of Object.entries(countable(findings))) {
    if (total > 0) await console.line(`found    ${total} ${what}`);
  }
  for (const sentence of report.onTrust) await console.line(`trust    ${printable(sentence)}`);
}

function modeWords({ mode, firstEntry }: VerifyReport): string {
  return mode === 'incremental' ? `from entry ${firstEntry} on` : mode === 'fast' ? 'fast' : 'in full';
}

function countable({ gaps, conflicts, disputes, receiptProblems }: Findings): Record<string, Found<unknown>> {
  return {
    'gaps: places that senders used up and nobody logged': gaps,
    'conflicts: two labels that a sender signed for one place': conflicts,
    'disputed heads: labels claim one that this ledger never had': disputes,
    'delivery receipts about labels that are not here (their sender logs elsewhere or not at all) or are others':
      receiptProblems,
  };
}

function reportJson(report: VerifyReport): unknown {
  const { broken, notaryId, head, checkpoint, findings, ...plain } = report;
  return {
    ...plain,
    broken: broken && { ...broken, sentence: describeBroken(broken) },
    notary: notaryId && formatId(notaryId),
    head: head && { ...head, root: bytesToHex(head.root), time: isoTime(head.timeS) },
    findings: readable(findings),
    checkpoint: checkpoint && JSON.parse(checkpointToJson(nodeCrypto, checkpoint)),
  };
}

/** Byte strings spelt out: ids as people see them, others in hex. */
function readable(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.length === 32 ? formatId(value) : bytesToHex(value);
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, readable(item)]));
}
