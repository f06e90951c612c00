import { bytesToHex } from '../../core/bytes.ts';
import type { DeliveryStore } from '../../core/delivery.ts';
import { SealwireError } from '../../core/errors.ts';
import { encodeMessage } from '../../core/frame/body.ts';
import { KIND } from '../../core/kinds.ts';
import { BODY_BYTES_MAX, TUNING } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Addressee } from '../bus/bus-sessions.ts';
import { checkMessage, tooLargeMessage } from '../outgoing-message.ts';
import type { Sent, StoredUntil } from '../send-queue.ts';
import type { Session } from '../session.ts';
import { Turns } from '../turns.ts';
import type { GroupCommit } from './group-commit.ts';
import { OutboxLane } from './outbox-lane.ts';

/** One message for one reader. */
export interface OutboxMessage {
  readonly topic: string | null;
  readonly contentType: number | string;
  readonly payload: Uint8Array;
  /** Milliseconds since 1970 after which it must not be delivered; rounded up to a second. */
  readonly expiresAtMs: number | null;
  readonly until: StoredUntil;
  /** How long a reader that does not answer is asked again, milliseconds; with `queued` it is asked as long as it takes. */
  readonly waitMs: number;
}

/** How much waits at most, and what `send` does where there is no room. */
export interface OutboxBounds {
  readonly messagesMax: number;
  readonly bytesMax: number;
  readonly whenFull: 'wait' | 'refuse';
}

/** What an {@link Outbox} is made of. */
export interface OutboxOptions {
  readonly store: DeliveryStore;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly random: (length: number) => Uint8Array;
  readonly open: (to: Addressee) => Promise<Session>;
  /** False once there is a newer session with the same peer. */
  readonly isCurrent: (session: Session) => boolean;
  readonly bounds: OutboxBounds;
  /** True where labels are logged. */
  readonly isLogged: boolean;
}

/** The stream that this process writes for one reader. */
interface Writing {
  readonly stream: Uint8Array;
  streamNo: number | undefined;
  /** The n of the next message, once all that was given away is written. */
  next: number;
  /** Messages that are being written. */
  pending: number;
  /** Something of it could not be written, so there is a hole: nothing may follow. */
  broken: boolean;
}

interface Place {
  readonly lane: OutboxLane;
  to: Addressee;
  writing: Writing | undefined;
}

/**
 * Everything that is to be sent, on the disk until its reader has confirmed it: `send` resolves when it is written at
 * the earliest, and whatever happens to this process or the line, it arrives, once and in order, unless it expires.
 *
 * Each process writes streams of its own. So a home that was restored from a backup, or copied, never gives two
 * messages one place.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #places = new Map<string, Place>();
  #messages = 0;
  #bytes = 0;
  #room: PromiseWithResolvers<void> | undefined;
  /** Those who wait for room, in their order. */
  readonly #entrance = new Turns();
  #stopped = false;

  /** Takes up what was left unconfirmed; nothing is sent before {@link start}. */
  constructor(options: OutboxOptions) {
    this.#options = options;
    for (const { streamNo, recipientId, messages, bytes } of options.store.outbox.streams()) {
      this.#messages += messages;
      this.#bytes += bytes;
      this.#placeOf({ id: recipientId, name: null }).lane.resume(streamNo, messages);
    }
  }

  /** What waits to be confirmed. */
  get waiting(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.#messages, bytes: this.#bytes };
  }

  /**
   * Writes a message down and sends it; resolves as far as `until` says. Messages for one reader leave in the order of
   * the calls. Rejects with `too-large`, `usage`, `topic-invalid`, `not-logged`, `file-unwritable`, with `outbox-full`
   * where that was asked for; where it waits for more than `queued` with `peer-offline` and whatever keeps a session
   * from being opened, and then has taken back what never left; with `expired`, and with `session-closed` after `stop`.
   */
  async send(to: Addressee, message: OutboxMessage): Promise<Sent> {
    this.#assertOpen();
    const { until, payload } = message;
    checkMessage(
      { ...message, kind: KIND.message, until: until === 'queued' ? 'delivered' : until },
      this.#options.isLogged,
    );
    if (this.#hasRoom && this.#entrance.idle) return await this.#write(this.#placeOf(to), message);
    if (this.#options.bounds.whenFull === 'refuse') throw this.#full();
    // The caller may change its bytes meanwhile.
    const kept = { ...message, payload: new Uint8Array(payload) };
    const { sent } = await this.#entrance.run(async () => {
      while (!this.#hasRoom) await this.#waitForRoom();
      return { sent: this.#write(this.#placeOf(to), kept) };
    });
    return await sent;
  }

  /** Begins to send what was left. */
  start(): void {
    for (const { lane } of this.#places.values()) lane.start();
  }

  /** `peerId` was just heard: what waits for it goes at once. */
  hurry(peerId: Uint8Array): void {
    this.#places.get(bytesToHex(peerId))?.lane.hurry();
  }

  /**
   * Waits a bounded time for what can still be confirmed, then sends nothing more: the rest stays where it is, but for
   * what somebody waits for and never left. Resolves when all that is written.
   */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#signalRoom();
    const { clock, commits } = this.#options;
    const lanes = [...this.#places.values()].map(({ lane }) => lane);
    await commits.settled();
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(TUNING.closeTimeoutMs, resolve);
    });
    await Promise.race([Promise.all(lanes.map((lane) => lane.drained())), late]);
    cancel();
    for (const lane of lanes) lane.stop();
    await commits.settled();
  }

  async #write(place: Place, message: OutboxMessage): Promise<Sent> {
    const { store, commits, clock } = this.#options;
    const writing = this.#writingOf(place);
    const n = writing.next + writing.pending;
    const { topic, contentType, payload, expiresAtMs, until, waitMs } = message;
    const encoded = encodeMessage({ stream: writing.stream, n, timeMs: clock.now(), contentType, payload });
    if (encoded.length > BODY_BYTES_MAX) throw tooLargeMessage(encoded.length);
    const expiresAtS = expiresAtMs === null ? null : Math.ceil(expiresAtMs / 1000);
    const patientUntilMs = clock.elapsed() + waitMs;
    writing.pending += 1;
    this.#add(1, encoded.length);
    let streamNo: number;
    try {
      const written = await commits.run(() => {
        if (writing.broken) return undefined;
        writing.streamNo ??= store.outbox.begin(place.to.id);
        store.outbox.add({ streamNo: writing.streamNo, n, topic, expiresAtS, encoded });
        return writing.streamNo;
      });
      if (written === undefined) throw notWritten();
      streamNo = written;
    } catch (error) {
      writing.broken = true;
      if (place.writing === writing) place.writing = undefined;
      this.#add(-1, -encoded.length);
      throw error;
    }
    writing.pending -= 1;
    writing.next += 1;
    const entry = { streamNo, n, topic, expiresAtS, encoded };
    if (until === 'queued') {
      place.lane.add(entry);
      return { n, seq: null, logged: null };
    }
    const done = Promise.withResolvers<Sent>();
    place.lane.add(entry, { until, patientUntilMs, done });
    return await done.promise;
  }

  #writingOf(place: Place): Writing {
    place.writing ??= {
      stream: this.#options.random(8),
      streamNo: undefined,
      next: 0,
      pending: 0,
      broken: false,
    };
    return place.writing;
  }

  #placeOf(to: Addressee): Place {
    const key = bytesToHex(to.id);
    let place = this.#places.get(key);
    if (!place) {
      const { store, commits, clock, random, open, isCurrent } = this.#options;
      const made: Place = {
        to,
        writing: undefined,
        lane: new OutboxLane({
          ...{ store: store.outbox, commits, clock, random, isCurrent },
          open: () => open(made.to),
          onRemoved: (messages, bytes) => this.#add(-messages, -bytes),
          isWriting: () => (made.writing?.pending ?? 0) > 0,
          onCutBack: () => {
            made.writing = undefined;
          },
        }),
      };
      place = made;
      this.#places.set(key, made);
    }
    // The name under which it is trusted, where somebody has said it.
    if (to.name !== null) place.to = to;
    return place;
  }

  get #hasRoom(): boolean {
    const { messagesMax, bytesMax } = this.#options.bounds;
    return this.#messages < messagesMax && this.#bytes < bytesMax;
  }

  #full(): SealwireError {
    return new SealwireError('outbox-full', `${this.#messages} messages wait to be confirmed already.`, {
      hint: 'Send when readers have caught up, or have it wait for room.',
    });
  }

  async #waitForRoom(): Promise<void> {
    this.#room ??= Promise.withResolvers();
    await this.#room.promise;
    this.#assertOpen();
  }

  #add(messages: number, bytes: number): void {
    this.#messages += messages;
    this.#bytes += bytes;
    if (this.#hasRoom) this.#signalRoom();
  }

  #signalRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  #assertOpen(): void {
    if (this.#stopped) throw new SealwireError('session-closed', 'This side has left the broker.');
  }
}

function notWritten(): SealwireError {
  return new SealwireError(
    'file-unwritable',
    'A message before this one could not be written, so neither was this one.',
    {
      hint: 'Send both again once the disk has room.',
    },
  );
}
