import type { Crypto } from '../../core/crypto/port.ts';
import type { DeliveryStore } from '../../core/delivery.ts';
import { TUNING } from '../../core/limits.ts';
import type { Clock, Eventually } from '../../core/ports.ts';
import type { Addressee } from '../bus/bus-sessions.ts';
import type { Session } from '../session.ts';
import { GroupCommit } from './group-commit.ts';
import { memoryDelivery } from './memory-delivery.ts';
import { type InboxMessage, MessageInbox } from './message-inbox.ts';
import { Outbox, type OutboxBounds } from './outbox.ts';

/** Where a side keeps what it sends to single readers, and what it gets from them. */
export interface DeliveryOptions {
  readonly store: DeliveryStore;
  /** How much waits to be confirmed at most; `send` waits for room unless told to refuse. */
  readonly bounds?: Partial<OutboxBounds>;
  /**
   * `next`, unless told: whoever iterates has done with a message when it asks for the next one, or closes in order.
   * `manual`: with `message.ack()` only.
   */
  readonly acknowledge?: 'next' | 'manual';
}

/** What a {@link Delivery} takes of its surroundings. */
export interface DeliverySurroundings {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly isLogged: boolean;
  readonly open: (to: Addressee) => Promise<Session>;
  /** False once there is a newer session with the same peer. */
  readonly isCurrent: (session: Session) => boolean;
  /** Hands a message to the application; resolves once there is room for more. */
  readonly deliver: (message: InboxMessage) => Eventually<void>;
}

/** The outbox and the inbox of one side, which write to the disk together. Without a store there is no outbox. */
export class Delivery {
  readonly inbox: MessageInbox;
  readonly outbox: Outbox | undefined;

  constructor(options: DeliveryOptions | undefined, surroundings: DeliverySurroundings) {
    const { crypto, clock, isLogged, open, isCurrent, deliver } = surroundings;
    const store = options?.store ?? memoryDelivery();
    const commits = new GroupCommit(store, clock);
    // Who keeps nothing has nothing to acknowledge.
    const unacknowledgedMax = options ? TUNING.inboxUnacknowledgedMax : Number.POSITIVE_INFINITY;
    this.inbox = new MessageInbox({ store, commits, clock, tuning: { ...TUNING, unacknowledgedMax }, deliver });
    if (!options) return;
    const { outboxMessagesMax: messagesMax, outboxBytesMax: bytesMax } = TUNING;
    this.outbox = new Outbox({
      ...{ store: options.store, commits, clock, isLogged, open, isCurrent },
      random: (length) => crypto.random(length),
      bounds: { messagesMax, bytesMax, whenFull: 'wait', ...options.bounds },
    });
  }
}
