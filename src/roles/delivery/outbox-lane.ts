import type { OutboxEntry, OutboxStore } from '../../core/delivery.ts';
import { isSealwireError, SealwireError } from '../../core/errors.ts';
import { encodeMessage, readBody } from '../../core/frame/body.ts';
import type { LoggedLabel } from '../../core/ledger/submission.ts';
import type { Clock } from '../../core/ports.ts';
import { Pauses } from '../pauses.ts';
import type { Sent, StoredUntil } from '../send-queue.ts';
import type { Session } from '../session.ts';
import { Gathered } from './gathered.ts';
import type { GroupCommit } from './group-commit.ts';

/** How an entry's sender waits for it. */
export interface Waiter {
  readonly until: Exclude<StoredUntil, 'queued'>;
  /** {@link Clock.elapsed} after which a reader that does not answer is not waited for any more. */
  readonly patientUntilMs: number;
  readonly done: PromiseWithResolvers<Sent>;
}

/** What a lane takes of its outbox. */
export interface LaneContext {
  readonly store: OutboxStore;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly random: (length: number) => Uint8Array;
  /** The session to send in; rejects where there is none to be had. */
  readonly open: () => Promise<Session>;
  /** False once there is a newer one to send in. */
  readonly isCurrent: (session: Session) => boolean;
  /** So much of the outbox is free again. */
  readonly onRemoved: (messages: number, bytes: number) => void;
  /** True while entries for this lane are being written. */
  readonly isWriting: () => boolean;
  /** The end of the newest stream was taken back: what follows belongs to another one. */
  readonly onCutBack: () => void;
}

/** An entry in memory. */
interface Entry {
  readonly streamNo: number;
  readonly n: number;
  readonly topic: string | null;
  expiresAtS: number | null;
  encoded: Uint8Array;
  readonly waiter: Waiter | undefined;
  /** In which session it is under way, counted; undefined while it waits. */
  under: number | undefined;
  confirmed: boolean;
}

type EntryKey = Pick<OutboxEntry, 'streamNo' | 'n'>;

/** Entries in memory; the others are read when their turn comes. */
const LOADED_MAX = 2048;
/** Entries in a session that are not confirmed yet. */
const OUTSTANDING_MAX = 4096;
/** An expiry that every reader's clock has behind it. */
const PAST_S = 0;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 30_000;

/** What waits for one reader: sent in order with the window full, again in the next session where one ends, until confirmed. */
export class OutboxLane {
  readonly #context: LaneContext;
  readonly #pauses: Pauses;
  /** Streams with entries, the oldest first. */
  readonly #streams: { readonly streamNo: number; count: number }[] = [];
  /** The next entries to leave, in order. */
  #loaded: Entry[] = [];
  /** Where on the disk the first one lies that is not loaded; undefined where all are. */
  #unloaded: { streamNo: number; n: number } | undefined;
  readonly #waiters = new Map<string, Waiter>();
  readonly #outstanding = new Set<Entry>();
  /** Which session it is, counted. */
  #attempt = 0;
  #outstandingStream: number | undefined;
  /** The newest entry that ever left. */
  #left: EntryKey = { streamNo: -1, n: -1 };
  readonly #confirmed: Gathered<EntryKey>;
  #progressed = false;
  #running: Promise<void> | undefined;
  #sending = false;
  #change = Promise.withResolvers<void>();
  #stopped = false;

  constructor(context: LaneContext) {
    const { random, commits } = context;
    this.#context = context;
    this.#confirmed = new Gathered(commits, (confirmed) => this.#removeConfirmed(confirmed));
    this.#pauses = new Pauses({ random, minMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS });
  }

  /** True where nothing waits and nothing is under way. */
  get idle(): boolean {
    return this.#streams.length === 0;
  }

  /** Entries that lie on the disk from before; they leave after {@link start}. */
  resume(streamNo: number, count: number): void {
    this.#unloaded ??= { streamNo, n: 0 };
    this.#streams.push({ streamNo, count });
  }

  /** Sends what there is. */
  start(): void {
    this.#wake();
  }

  /** An entry that was just written. */
  add(entry: OutboxEntry, waiter?: Waiter): void {
    const { streamNo, n } = entry;
    const last = this.#streams.at(-1);
    if (last?.streamNo === streamNo) last.count += 1;
    else this.#streams.push({ streamNo, count: 1 });
    if (waiter) this.#waiters.set(keyOf(entry), waiter);
    if (this.#unloaded === undefined && this.#loaded.length < LOADED_MAX) this.#loaded.push(toEntry(entry, waiter));
    else this.#unloaded ??= { streamNo, n };
    this.#wake();
  }

  /** There is reason to believe that the reader is there now. */
  hurry(): void {
    this.#pauses.reset();
    this.#wake();
  }

  /** Resolves when everything is confirmed, or there is no session to send it in. */
  async drained(): Promise<void> {
    while (this.#sending && !this.idle) await this.#change.promise;
  }

  /**
   * Sends nothing more. What waits stays on the disk, but for what somebody waits for and never left, and whoever waits
   * is told so.
   */
  stop(): void {
    this.#stopped = true;
    const back = this.#loaded.filter((entry) => this.#waiters.has(keyOf(entry)) && isAfter(entry, this.#left));
    const error = new SealwireError('session-closed', 'This side has left before the message was confirmed.', {
      hint: 'What has left is kept and goes on its way again next time.',
    });
    for (const { done } of this.#waiters.values()) done.reject(error);
    this.#waiters.clear();
    this.#takeBack(back);
    this.#signal();
  }

  #wake(): void {
    this.#signal();
    if (this.#stopped || this.idle) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (!this.idle) this.#wake();
    });
  }

  #signal(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  async #run(): Promise<void> {
    while (!this.#stopped && !this.idle) {
      this.#progressed = false;
      try {
        await this.#sendIn(await this.#context.open());
      } catch (error) {
        this.#onTrouble(error);
      }
      if (this.#progressed) this.#pauses.reset();
      else if (!this.#stopped && !this.idle) await this.#pause(this.#pauses.next());
    }
  }

  async #sendIn(session: Session): Promise<void> {
    const { isCurrent } = this.#context;
    this.#sending = true;
    this.#attempt += 1;
    void session.over.then(() => this.#signal());
    while (!this.#stopped && !this.idle && !session.closing && isCurrent(session)) {
      const change = this.#change.promise;
      const hasSent = await this.#sendWaiting(session);
      if (!hasSent) await change;
    }
    this.#sending = false;
    // It was left for another one that is there already: nothing is to be waited for.
    if (!session.closing && !isCurrent(session)) this.#progressed = true;
    // What it may still have confirmed goes into the next one all the same: the reader knows what it has.
    if (!this.#stopped) for (const entry of [...this.#outstanding]) this.#putBack(entry);
    this.#signal();
  }

  /** Everything that may leave now; false where that is nothing. */
  async #sendWaiting(session: Session): Promise<boolean> {
    let hasSent = false;
    for (let entry = this.#next(); entry; entry = session.closing || this.#stopped ? undefined : this.#next()) {
      await this.#send(session, entry);
      hasSent = true;
    }
    return hasSent;
  }

  /** The entry that may leave now; undefined where something has to be confirmed before. */
  #next(): Entry | undefined {
    if (this.#outstanding.size >= OUTSTANDING_MAX) return undefined;
    if (this.#loaded.length === 0) this.#load();
    const entry = this.#loaded[0];
    if (!entry) return undefined;
    // Order is kept within a stream: the next one begins when all of the last one has come.
    if (this.#outstanding.size > 0 && this.#outstandingStream !== entry.streamNo) return undefined;
    this.#loaded.shift();
    this.#checkExpiry(entry);
    return entry;
  }

  #load(): void {
    const from = this.#unloaded;
    if (!from) return;
    const { store } = this.#context;
    const loaded = store.page(from.streamNo, from.n, LOADED_MAX);
    this.#loaded = loaded.map((entry) => toEntry(entry, this.#waiters.get(keyOf(entry))));
    const last = loaded.at(-1);
    if (last && loaded.length === LOADED_MAX) this.#unloaded = { streamNo: from.streamNo, n: last.n + 1 };
    else {
      const next = this.#streams.find(({ streamNo }) => streamNo > from.streamNo);
      this.#unloaded = next && { streamNo: next.streamNo, n: 0 };
      if (!last) this.#load();
    }
  }

  /** Late ones leave as what they are: empty, so that those behind them need not wait for the content of a place. */
  #checkExpiry(entry: Entry): void {
    const { clock } = this.#context;
    if (entry.expiresAtS === null || entry.expiresAtS * 1000 > clock.now()) return;
    this.#empty(entry, new SealwireError('expired', 'The message expired before its reader confirmed it.'));
  }

  #empty(entry: Entry, why: unknown): void {
    this.#settle(entry)?.reject(why);
    const bytesBefore = entry.encoded.length;
    entry.encoded = emptied(entry.encoded);
    entry.expiresAtS = PAST_S;
    this.#context.onRemoved(0, bytesBefore - entry.encoded.length);
  }

  async #send(session: Session, entry: Entry): Promise<void> {
    const { topic, n, expiresAtS, encoded, waiter } = entry;
    const attempt = this.#attempt;
    entry.under = attempt;
    this.#outstanding.add(entry);
    this.#outstandingStream = entry.streamNo;
    if (isAfter(entry, this.#left)) this.#left = entry;
    const done = Promise.withResolvers<Sent>();
    done.promise.then(
      ({ seq }) => this.#onConfirmed(entry, seq),
      (error: unknown) => this.#onReturned(entry, attempt, error),
    );
    const sent = (seq: number, logged: LoggedLabel | null): void => this.#settle(entry)?.resolve({ n, seq, logged });
    const sending = session.sendStored({
      ...{ topic, n, expiresAtS, encoded, done },
      ...(waiter?.until === 'sent' ? { onLeft: (seq: number) => sent(seq, null) } : {}),
      ...(waiter?.until === 'logged'
        ? { logged: { resolve: sent, reject: (error: unknown) => this.#settle(entry)?.reject(error) } }
        : {}),
    });
    await sending.catch(done.reject);
  }

  #onConfirmed(entry: Entry, seq: number | null): void {
    // An earlier session may have confirmed it meanwhile.
    if (entry.confirmed) return;
    entry.confirmed = true;
    this.#progressed = true;
    if (!this.#outstanding.delete(entry)) this.#loaded = this.#loaded.filter((other) => other !== entry);
    if (entry.waiter?.until !== 'logged') this.#settle(entry)?.resolve({ n: entry.n, seq, logged: null });
    // Until it is written down the reader may be sent what it has, and tells that from what is new.
    this.#confirmed.add(entry).catch(() => {});
    this.#forget(entry);
    this.#signal();
  }

  #forget({ streamNo, encoded }: OutboxEntry): void {
    const stream = this.#streams.find((other) => other.streamNo === streamNo);
    if (stream) stream.count -= 1;
    if (stream?.count === 0) this.#streams.splice(this.#streams.indexOf(stream), 1);
    this.#context.onRemoved(1, encoded.length);
  }

  #removeConfirmed(confirmed: readonly EntryKey[]): void {
    const entries = confirmed.toSorted((a, b) => a.streamNo - b.streamNo || a.n - b.n);
    for (let first = 0; first < entries.length; ) {
      let last = first;
      while (follows(entries[last], entries[last + 1])) last += 1;
      const [from, to] = [entries[first], entries[last]];
      if (from && to) this.#context.store.remove(from.streamNo, from.n, to.n);
      first = last + 1;
    }
  }

  #onReturned(entry: Entry, attempt: number, error: unknown): void {
    if (isSealwireError(error, 'too-large') && !entry.confirmed) this.#empty(entry, error);
    if (entry.under === attempt) this.#putBack(entry);
    this.#signal();
  }

  #putBack(entry: Entry): void {
    if (!this.#outstanding.delete(entry)) return;
    entry.under = undefined;
    const at = this.#loaded.findIndex((other) => isAfter(other, entry));
    this.#loaded.splice(at === -1 ? this.#loaded.length : at, 0, entry);
  }

  /** Nobody was reached: those who would not wait any longer are told, and what of theirs never left is taken back. */
  #onTrouble(error: unknown): void {
    const now = this.#context.clock.elapsed();
    const isOver = ({ patientUntilMs }: Waiter): boolean =>
      !isSealwireError(error, 'peer-offline') || patientUntilMs <= now;
    const back = this.#loaded.filter((entry) => isAfter(entry, this.#left) && entry.waiter && isOver(entry.waiter));
    for (const [key, waiter] of this.#waiters) {
      if (!isOver(waiter)) continue;
      this.#waiters.delete(key);
      waiter.done.reject(error);
    }
    this.#takeBack(back);
  }

  #takeBack(back: readonly Entry[]): void {
    const [first, last] = [back[0], back.at(-1)];
    if (!first || !last) return;
    const { store, commits, isWriting, onCutBack } = this.#context;
    const isEnd =
      this.#loaded.at(-1) === last && !this.#unloaded && !isWriting() && last.n - first.n === back.length - 1;
    if (isEnd) {
      this.#loaded = this.#loaded.filter((entry) => !back.includes(entry));
      for (const entry of back) this.#forget(entry);
      onCutBack();
      commits.run(() => store.remove(first.streamNo, first.n, last.n)).catch(() => {});
      return;
    }
    // Others stand behind them in their stream and are not to wait for what will never come.
    for (const entry of back) this.#empty(entry, undefined);
    commits
      .run(() => {
        for (const entry of back) store.replace(entry);
      })
      .catch(() => {});
  }

  #settle(entry: EntryKey): PromiseWithResolvers<Sent> | undefined {
    const key = keyOf(entry);
    const waiter = this.#waiters.get(key);
    this.#waiters.delete(key);
    return waiter?.done;
  }

  async #pause(ms: number): Promise<void> {
    const change = this.#change.promise;
    let cancel = (): void => {};
    const over = new Promise<void>((resolve) => {
      cancel = this.#context.clock.after(ms, resolve);
    });
    await Promise.race([over, change]);
    cancel();
  }
}

function toEntry(entry: OutboxEntry, waiter: Waiter | undefined): Entry {
  return { ...entry, waiter, under: undefined, confirmed: false };
}

function isAfter(a: EntryKey, b: EntryKey): boolean {
  return a.streamNo > b.streamNo || (a.streamNo === b.streamNo && a.n > b.n);
}

/** The same place in its stream, without content. */
function emptied(encoded: Uint8Array): Uint8Array {
  const [message] = readBody(encoded);
  if (!message) throw new SealwireError('internal', 'An outbox entry holds no message.');
  return encodeMessage({ ...message, payload: new Uint8Array(0) });
}

function keyOf({ streamNo, n }: EntryKey): string {
  return `${streamNo} ${n}`;
}

function follows(entry: EntryKey | undefined, next: EntryKey | undefined): boolean {
  return entry !== undefined && next !== undefined && next.streamNo === entry.streamNo && next.n === entry.n + 1;
}
