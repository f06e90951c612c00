import { hexToBytes } from '../../core/bytes.ts';
import { SealwireError } from '../../core/errors.ts';
import { inboxTopic } from '../../core/inbox.ts';
import { RetransmissionTimeout } from '../retransmission-timeout.ts';
import type { AwaitedFrame, AwaitedFrames } from './awaited-frames.ts';
import type { ChannelContext } from './channel-context.ts';

/** The longest pause between two tries. */
const TIMEOUT_MAX_MS = 30_000;
/** Copies of frames that leave for readers' inboxes at one timeout. */
const COPIES_MAX = 256;

/**
 * Sends frames again to those who have not confirmed them: to their inboxes, for the others have missed nothing. Who
 * has no session with this side is not there, or will ask; nothing is sent to it.
 */
export class Chasing {
  readonly #context: ChannelContext;
  readonly #channel: string;
  readonly #awaited: AwaitedFrames;
  readonly #readers: () => readonly string[];
  readonly #timeout: RetransmissionTimeout;
  #cancelTimer: (() => void) | undefined;
  #stopped = false;

  /** `readers` gives all who may read now, as ids in hex; it throws where the roster counts no more. */
  constructor(context: ChannelContext, channel: string, awaited: AwaitedFrames, readers: () => readonly string[]) {
    this.#context = context;
    this.#readers = readers;
    this.#channel = channel;
    this.#awaited = awaited;
    this.#timeout = new RetransmissionTimeout({ firstMs: context.tuning.resendMs, maxMs: TIMEOUT_MAX_MS });
  }

  /**
   * Resolves when there is room for another frame. Only those whose senders wait for the readers are waited for, and
   * only as long as they do: of the others the oldest is given up, so that a reader that never confirms stalls nobody.
   */
  async room(): Promise<void> {
    const { windowFramesMax, windowBytesMax } = this.#context.tuning;
    while (this.#awaited.size >= windowFramesMax || this.#awaited.bytes >= windowBytesMax) {
      const unwanted = this.#awaited.unwanted();
      if (unwanted) this.#giveUp(unwanted);
      else await this.#awaited.changed();
    }
  }

  add(frame: AwaitedFrame): void {
    this.#awaited.add(frame);
    this.#schedule();
  }

  /** These frames were confirmed by all who have to. */
  heard(settled: readonly AwaitedFrame[]): void {
    const timed = settled.findLast(({ tries }) => tries === 0);
    if (timed) {
      this.#timeout.measured(this.#context.clock.elapsed() - timed.sentAtMs);
      this.#timeout.heard();
    }
    this.#cancel();
    this.#schedule();
  }

  /** Somebody can open what it could not open before: what is overdue goes at once. */
  hurry(): void {
    if (this.#stopped || this.#awaited.size === 0) return;
    this.#timeout.heard();
    this.#cancel();
    this.#onTimeout();
  }

  /** That reader is not waited for any more. */
  forget(readerId: Uint8Array): void {
    for (const { seq, messages } of this.#awaited.forget(readerId)) {
      for (const { n, done } of messages) done.resolve({ n, seq, logged: null });
    }
  }

  /** Resolves when everything is confirmed, or its senders wait no more, or after a bounded time. */
  async finish(): Promise<void> {
    const { clock, tuning } = this.#context;
    const untilMs = clock.elapsed() + tuning.closeTimeoutMs;
    this.hurry();
    const late = Promise.withResolvers<void>();
    const cancel = clock.after(tuning.closeTimeoutMs, () => late.resolve());
    while (this.#awaited.size > 0 && clock.elapsed() < untilMs) {
      await Promise.race([this.#awaited.changed(), late.promise]);
    }
    cancel();
    this.#stopped = true;
    this.#cancel();
    for (const frame of [...this.#awaited.all()]) this.#giveUp(frame);
  }

  #cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #schedule(): void {
    if (this.#cancelTimer || this.#stopped || this.#awaited.size === 0) return;
    this.#cancelTimer = this.#context.clock.after(this.#timeout.ms, () => {
      this.#cancelTimer = undefined;
      this.#onTimeout();
    });
  }

  #onTimeout(): void {
    const { clock, tuning } = this.#context;
    const now = clock.elapsed();
    const overdue: AwaitedFrame[] = [];
    for (const frame of [...this.#awaited.all()]) {
      if (now - frame.publishedAtMs > tuning.unconfirmedMaxMs) this.#giveUp(frame);
      else if (now - frame.sentAtMs >= this.#timeout.ms) overdue.push(frame);
    }
    // Once for all of them: rosters may be long.
    const anyone = overdue.some(({ missing }) => missing === null) ? this.#readersNow() : [];
    const copies = overdue.flatMap((frame) =>
      this.#there(frame.missing ?? anyone).map((readerId) => ({ frame, readerId })),
    );
    if (copies.length > 0) {
      this.#timeout.backOff();
      void this.#send(copies.slice(0, COPIES_MAX));
    }
    this.#schedule();
  }

  /** Those of them who are there; the ids come in hex. */
  #there(wanted: Iterable<string>): Uint8Array[] {
    const { sessions } = this.#context;
    return [...wanted].map(hexToBytes).filter((readerId) => sessions.current(readerId) !== undefined);
  }

  #readersNow(): readonly string[] {
    try {
      return this.#readers();
    } catch {
      // A roster that expired or forked meanwhile: nothing is sent to anybody.
      return [];
    }
  }

  async #send(copies: readonly { readonly frame: AwaitedFrame; readonly readerId: Uint8Array }[]): Promise<void> {
    const { broker, clock, ownId, onEvent } = this.#context;
    for (const { frame, readerId } of copies) {
      if (this.#stopped) return;
      frame.sentAtMs = clock.elapsed();
      frame.tries += 1;
      const topic = inboxTopic({ to: readerId, lane: 'frames', from: ownId });
      try {
        await broker.publish(topic, frame.bytes, { qos: 1 });
      } catch {
        // The line is closed: nothing can be sent at all.
        return;
      }
      onEvent({ type: 'repaired', channel: this.#channel, seq: frame.seq });
    }
  }

  #giveUp(frame: AwaitedFrame): void {
    this.#awaited.giveUp(frame);
    this.#context.onEvent({ type: 'unconfirmed', channel: this.#channel, seq: frame.seq });
    for (const { done } of frame.messages) {
      done.reject(
        new SealwireError('peer-offline', `Not all who have to confirmed a message in ${this.#channel} in time.`, {
          hint: 'It may have reached some of them.',
        }),
      );
    }
  }
}
