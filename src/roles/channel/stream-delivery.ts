import type { BodyMessage } from '../../core/frame/body.ts';
import { type Ordered, StreamOrder } from '../../core/frame/order.ts';
import { KIND } from '../../core/kinds.ts';
import type { ReceivedMessage } from '../incoming.ts';
import type { Turns } from '../turns.ts';
import type { ChannelContext } from './channel-context.ts';

/** A message that came in a channel. */
export interface ChannelDelivery extends ReceivedMessage {
  readonly topic: string;
  readonly channel: string;
  /** The writer's name, as its certificate and the roster show it. */
  readonly from: string;
  /** The broker had kept it from before. */
  readonly retained: boolean;
}

/** Takes messages in order; what it waits for holds the broker back. */
export type Deliver = (message: ChannelDelivery) => Promise<void>;

/** A message that was opened and waits for its turn. */
interface Arrived {
  readonly message: BodyMessage;
  readonly topic: string;
  readonly expired: boolean;
  readonly retained: boolean;
}

/** One writer's stream in one channel at a reader: puts messages into its order and hands them on. */
export class StreamDelivery {
  /** 8 bytes. */
  readonly stream: Uint8Array;
  readonly order: StreamOrder<Arrived>;
  readonly #context: ChannelContext;
  readonly #about: { readonly channel: string; readonly from: string; readonly senderId: Uint8Array };
  readonly #deliver: Deliver;
  readonly #turns: Turns;
  #isRepaired = true;
  #cancelGapTimer: (() => void) | undefined;

  /** Begins with the first message of the stream; `turns` are those in which {@link take} is called. */
  constructor(
    context: ChannelContext,
    about: {
      readonly channel: string;
      readonly from: string;
      readonly senderId: Uint8Array;
      readonly stream: Uint8Array;
    },
    bounds: { readonly heldMessagesMax: number; readonly heldBytesMax: number },
    deliver: Deliver,
    turns: Turns,
  ) {
    this.#context = context;
    this.stream = about.stream;
    this.#about = about;
    this.order = new StreamOrder(bounds.heldMessagesMax, bounds.heldBytesMax, weigh);
    this.#deliver = deliver;
    this.#turns = turns;
  }

  /** Takes one frame's messages in; resolves once those whose turn it is were taken. */
  async take(
    messages: readonly BodyMessage[],
    facts: {
      readonly topic: string;
      readonly expired: boolean;
      readonly retained: boolean;
      readonly isRepaired: boolean;
    },
  ): Promise<void> {
    this.#isRepaired = facts.isRepaired;
    await this.#hand(messages.flatMap((message) => this.order.accept(message.n, { message, ...facts })));
    this.#watchGap();
  }

  /** Nothing follows: hands on what waits for what is missing. */
  async finish(): Promise<void> {
    this.#stopGapTimer();
    while (this.order.holding) await this.#hand(this.order.giveUp());
  }

  stop(): void {
    this.#stopGapTimer();
  }

  async #hand(ready: readonly Ordered<Arrived>[]): Promise<void> {
    const { channel, from, senderId } = this.#about;
    for (const next of ready) {
      if (next.type === 'gap') this.#context.onEvent({ type: 'gap', gap: next.gap, writer: from, channel });
      else if (next.item.expired) this.#context.onEvent({ type: 'expired', n: next.n, writer: from });
      else await this.#deliver(toDelivery(next, { channel, from, senderId }));
    }
  }

  #watchGap(): void {
    if (!this.order.holding) this.#stopGapTimer();
    else if (!this.#cancelGapTimer) {
      const { clock, tuning } = this.#context;
      const newest = this.order.newest;
      const waitMs = this.#isRepaired ? tuning.gapWaitMs : tuning.unrepairedGapWaitMs;
      this.#cancelGapTimer = clock.after(waitMs, () => void this.#losePatience(newest));
    }
  }

  /** Gives up on what was missing when patience started; what is missing since then gets its own time. */
  async #losePatience(newest: number): Promise<void> {
    this.#stopGapTimer();
    await this.#turns.run(async () => {
      while (this.order.holding && this.order.next <= newest) await this.#hand(this.order.giveUp());
    });
    this.#watchGap();
  }

  #stopGapTimer(): void {
    this.#cancelGapTimer?.();
    this.#cancelGapTimer = undefined;
  }
}

function weigh({ message }: Arrived): number {
  return message.payload.length;
}

function toDelivery(
  { n, late, item: { message, topic, retained } }: Ordered<Arrived> & { type: 'message' },
  about: { readonly channel: string; readonly from: string; readonly senderId: Uint8Array },
): ChannelDelivery {
  const { timeMs, contentType, payload } = message;
  return { kind: KIND.message, ...about, topic, n, timeMs, contentType, payload, late, retained };
}
