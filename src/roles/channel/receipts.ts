import { bytesToHex } from '../../core/bytes.ts';
import type { Label } from '../../core/frame/label.ts';
import type { ValidIdentity } from '../../core/identity/path.ts';
import { memberOf } from '../../core/roster/membership.ts';
import { Confirming } from '../confirming.ts';
import type { ChannelContext } from './channel-context.ts';
import { doesConfirm } from './confirmers.ts';
import type { Rights } from './rights.ts';

interface Line {
  readonly confirming: Confirming;
  usedAtMs: number;
}

/** What is confirmed to writers, by ratchet; a writer that is idle for long takes no memory. */
export class Receipts {
  readonly #context: ChannelContext;
  /** Longest unused first. */
  readonly #lines = new Map<string, Line>();
  #stopped = false;

  constructor(context: ChannelContext) {
    this.#context = context;
  }

  /** A frame was taken in: it is confirmed where the channel wants that of this reader. */
  taken(rights: Rights, own: ValidIdentity, writer: ValidIdentity, label: Label): void {
    this.#line(rights, own, writer, label)?.add(label.seq, this.#context.hasher.leaf(label.bytes));
  }

  /** A frame came once more: its writer may lack the receipt. */
  again(rights: Rights, own: ValidIdentity, writer: ValidIdentity, label: Label): void {
    this.#line(rights, own, writer, label)?.again(label.seq, this.#context.hasher.leaf(label.bytes));
  }

  /** Confirms what is not confirmed yet, to those who are there for it. */
  async close(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#lines.values()].map(({ confirming }) => confirming.drained()));
    for (const { confirming } of this.#lines.values()) confirming.stop();
    this.#lines.clear();
  }

  #line(rights: Rights, own: ValidIdentity, writer: ValidIdentity, label: Label): Confirming | undefined {
    const member = memberOf(rights.roster, own);
    if (this.#stopped || this.#context.qos === 0 || member === null || !doesConfirm(rights.channel, member)) {
      return undefined;
    }
    const key = bytesToHex(label.ratchetId);
    const nowMs = this.#context.clock.elapsed();
    const line = this.#lines.get(key) ?? { confirming: this.#begin(writer, label), usedAtMs: nowMs };
    line.usedAtMs = nowMs;
    this.#lines.delete(key);
    this.#lines.set(key, line);
    this.#dropIdle(nowMs);
    return line.confirming;
  }

  #begin(writer: ValidIdentity, { ratchetId }: Label): Confirming {
    const { sessions } = this.#context;
    const context = { ...this.#context, peerId: writer.id };
    return new Confirming(context, ratchetId.slice(), async (content) => {
      const open = this.#stopped ? sessions.current(writer.id) : await sessions.open(writer.id).catch(() => undefined);
      // What is not confirmed comes again, and is confirmed then.
      await open?.sendReceipt(content).catch(() => {});
    });
  }

  /** After so long its writer does not send anything again. */
  #dropIdle(nowMs: number): void {
    for (const [key, { confirming, usedAtMs }] of this.#lines) {
      if (nowMs - usedAtMs <= this.#context.tuning.unconfirmedMaxMs) break;
      confirming.stop();
      this.#lines.delete(key);
    }
  }
}
