import { bytesToHex, hexToBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { decodeRatchetEnd } from '../core/frame/end.ts';
import { decodeLabel, type Label } from '../core/frame/label.ts';
import { formatId, idToTopic } from '../core/identity/id.ts';
import { EMPTY_TRUST, pinById, type TrustList } from '../core/identity/trust.ts';
import { KIND, kindName } from '../core/kinds.ts';
import { decodeEntry } from '../core/ledger/entry.ts';
import { readIdentity } from '../core/ledger/identity.ts';
import type { Statement } from '../core/ledger/statement.ts';
import type { LedgerReader } from '../core/ledger/store.ts';
import { LeafList, Tracks } from '../core/ledger/tracks.ts';
import { decodeRoster } from '../core/roster/signed-roster.ts';
import { nodeCrypto } from '../node/crypto.ts';
import { openHome, readTrust } from '../node/home.ts';
import { printable } from './console.ts';
import type { Context } from './context.ts';
import { isoTime } from './ledger-head.ts';

const ENTRIES_AT_ONCE = 256;

/** Which entries `ledger show` lists. */
export interface ShowFlags {
  readonly from?: number;
  readonly limit?: number;
}

/** The names that ids are shown by: those this home gave, then those of the certificates that the notary logged. */
class Names {
  readonly #trust: TrustList;
  readonly #logged = new Map<string, string>();
  readonly #topics = new Map<string, string>();

  private constructor(trust: TrustList) {
    this.#trust = trust;
  }

  static async read(reader: LedgerReader, home: string): Promise<Names> {
    const names = new Names(await trustOf(home));
    for (const index of await reader.statements(KIND.identity)) {
      const [stored] = await reader.entries(index, 1);
      const entry = stored && decodeEntry(stored.bytes);
      if (entry?.type !== 'statement' || entry.statement.content.kind !== KIND.identity) continue;
      const { id, name } = readIdentity(nodeCrypto, entry.statement.content.certificates);
      if (name !== null) names.#logged.set(bytesToHex(id), name);
      names.#topics.set(idToTopic(id), bytesToHex(id));
    }
    return names;
  }

  of(id: Uint8Array): string | null {
    return pinById(this.#trust, id)?.name ?? this.#logged.get(bytesToHex(id)) ?? null;
  }

  show(id: Uint8Array): string {
    return this.of(id) ?? formatId(id);
  }

  /** In a session the topic is its recipient's id. */
  topic(topic: string): string {
    const recipient = this.#topics.get(topic);
    return recipient === undefined ? topic : `to ${this.show(hexToBytes(recipient))}`;
  }
}

async function trustOf(home: string): Promise<TrustList> {
  try {
    return await readTrust(await openHome(home));
  } catch (error) {
    if (error instanceof SealwireError && error.code === 'home-missing') return EMPTY_TRUST;
    throw error;
  }
}

/** Prints entries, then what is missing between them. Throws `ledger-broken` for an entry that cannot be read. */
export async function showEntries(context: Context, reader: LedgerReader, flags: ShowFlags): Promise<void> {
  const names = await Names.read(reader, context.home);
  const from = flags.from ?? 0;
  const end = from + (flags.limit ?? Number.MAX_SAFE_INTEGER - from);
  const tracks = new Tracks(nodeCrypto, new LeafList(from));
  for (let index = from; index < end && !context.signal.aborted; ) {
    const entries = await reader.entries(index, Math.min(ENTRIES_AT_ONCE, end - index));
    if (entries.length === 0) break;
    for (const { bytes } of entries) {
      await showEntry(context, reader, names, tracks, index, bytes);
      index += 1;
    }
  }
  await showGaps(context, names, tracks, from === 0);
}

async function showEntry(
  context: Context,
  reader: LedgerReader,
  names: Names,
  tracks: Tracks,
  index: number,
  bytes: Uint8Array,
): Promise<void> {
  const entry = readEntry(index, bytes);
  if (entry.type === 'statement') return showStatement(context, names, index, entry.statement);
  if (entry.type === 'roster') return showRoster(context, index, entry.bytes);
  const { label } = entry;
  tracks.take(label, index);
  if (label.kind === KIND.end) tracks.end(label, decodeRatchetEnd(label.content, label.seq));
  await showLabel(context, names, index, label, await readersOf(reader, label));
}

function readEntry(index: number, bytes: Uint8Array): ReturnType<typeof decodeEntry> {
  try {
    return decodeEntry(bytes);
  } catch (cause) {
    throw new SealwireError('ledger-broken', `Entry ${index} cannot be read.`, {
      hint: 'Run `sealwire ledger verify` to find what is damaged.',
      cause,
    });
  }
}

/** Which of those whom a label is for said that its frame arrived whole; anybody else's word confirms nothing. */
async function readersOf(reader: LedgerReader, label: Label): Promise<Uint8Array[]> {
  const readers: Uint8Array[] = [];
  for (const index of await reader.confirmations(label)) {
    const [stored] = await reader.entries(index, 1);
    const readerId = stored && decodeLabel(stored.bytes).senderId;
    if (readerId && mayRead(readerId, label)) readers.push(readerId);
  }
  return readers.filter((id, i) => readers.findIndex((other) => bytesToHex(other) === bytesToHex(id)) === i);
}

/** In a session the topic is the one reader's id; who else reads a topic, a label does not say. */
function mayRead(readerId: Uint8Array, { topic }: Label): boolean {
  const ownTopic = idToTopic(readerId);
  return topic === ownTopic || topic.length !== ownTopic.length;
}

async function showLabel(
  { console, json }: Context,
  names: Names,
  index: number,
  label: Label,
  readers: readonly Uint8Array[],
): Promise<void> {
  const { kind, senderId, topic, issuedAtS, ratchetId, seq, mac } = label;
  const time = isoTime(issuedAtS);
  if (json) {
    return console.json({
      entry: index,
      kind: kindName(kind),
      time,
      sender: { id: formatId(senderId), name: names.of(senderId) },
      topic,
      ratchet: bytesToHex(ratchetId),
      seq,
      hmac: bytesToHex(mac),
      status: readers.length > 0 ? 'confirmed' : 'logged',
      confirmedBy: readers.map((id) => ({ id: formatId(id), name: names.of(id) })),
    });
  }
  const status = readers.length > 0 ? `confirmed by ${readers.map((id) => names.show(id)).join(', ')}` : 'logged';
  const what = kind === KIND.message ? '' : `${kindName(kind)}  `;
  const who = console.paint('name', printable(names.show(senderId)));
  const about = `${what}${printable(names.topic(topic))}  ${bytesToHex(mac)}`;
  await console.line(`${index}  ${time}  ${who}  ${about}  ${printable(status)}`);
}

async function showStatement(
  { console, json }: Context,
  names: Names,
  index: number,
  { content, timeS }: Statement,
): Promise<void> {
  const time = isoTime(timeS);
  const common = { entry: index, kind: kindName(content.kind), time };
  if (content.kind === KIND.conflict) {
    const { senderId, seq } = decodeLabel(content.label);
    const sender = { id: formatId(senderId), name: names.of(senderId) };
    if (json) return console.json({ ...common, about: content.entryIndex, sender, seq });
    const what = `${names.show(senderId)} signed two labels for seq ${seq}: entry ${content.entryIndex} is the other`;
    return console.line(`${index}  ${time}  ${console.paint('bad', 'conflict')}  ${printable(what)}`);
  }
  const { id, name } = readIdentity(nodeCrypto, content.certificates);
  if (json) return console.json({ ...common, id: formatId(id), name });
  const what = content.kind === KIND.policy ? `ledger ${content.origin} of` : 'admitted';
  await console.line(`${index}  ${time}  ${printable(`${what} ${name ?? 'an identity'}`)}  ${formatId(id)}`);
}

async function showRoster({ console, json }: Context, index: number, bytes: Uint8Array): Promise<void> {
  const { name, version, hash, issuedAtS, signerId } = decodeRoster(nodeCrypto, bytes);
  const time = isoTime(issuedAtS);
  if (json) {
    const about = { name, version, hash: bytesToHex(hash), authority: formatId(signerId) };
    return console.json({ entry: index, kind: 'roster', time, ...about });
  }
  await console.line(`${index}  ${time}  ${printable(`roster ${name} version ${version}`)}  ${formatId(signerId)}`);
}

async function showGaps({ console, json }: Context, names: Names, tracks: Tracks, fromStart: boolean): Promise<void> {
  for (const { senderId, ratchetId, firstSeq, lastSeq } of tracks.gaps(fromStart)) {
    if (json) {
      const sender = { id: formatId(senderId), name: names.of(senderId) };
      await console.json({ kind: 'gap', sender, ratchet: bytesToHex(ratchetId), firstSeq, lastSeq });
      continue;
    }
    const seqs = firstSeq === lastSeq ? `seq ${firstSeq} is` : `seqs ${firstSeq} to ${lastSeq} are`;
    const what = `of ${names.show(senderId)}: ${seqs} not in the ledger`;
    await console.line(`${console.paint('bad', 'gap')}  ${printable(what)}`);
  }
}
