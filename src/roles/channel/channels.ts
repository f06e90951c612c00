import { decodeGrant } from '../../core/channel/grant.ts';
import { decodeGrantAck } from '../../core/channel/grant-ack.ts';
import { decodeGrantRequest } from '../../core/channel/grant-request.ts';
import type { ChannelStore } from '../../core/channel/store.ts';
import { isSealwireError, SealwireError } from '../../core/errors.ts';
import type { DeliveryReceipt } from '../../core/frame/receipt.ts';
import type { ValidIdentity } from '../../core/identity/path.ts';
import { KIND } from '../../core/kinds.ts';
import type { Publication } from '../../core/ports.ts';
import { channelOfTopic } from '../../core/roster/rights.ts';
import type { SignedRoster } from '../../core/roster/roster.ts';
import type { ControlHandler, ControlKind } from '../control.ts';
import type { Sent } from '../send-queue.ts';
import type { Session } from '../session.ts';
import type { ChannelContext } from './channel-context.ts';
import { ChannelReader } from './channel-reader.ts';
import { type ChannelMessage, ChannelWriter } from './channel-writer.ts';
import { rosterNow } from './rights.ts';
import { RosterExchange, type RosterSource } from './roster-exchange.ts';
import type { Deliver } from './stream-delivery.ts';

/** One member's channels at one broker: a door to its writers, one a channel, and its reader. */
export class Channels implements ControlHandler {
  readonly #context: ChannelContext;
  readonly #own: ValidIdentity;
  readonly #reader: ChannelReader;
  readonly #exchange: RosterExchange | undefined;
  readonly #writers = new Map<string, ChannelWriter>();
  readonly #stopWatching: () => void;
  #closing: Promise<void> | undefined;

  /** `own` is this member's identity as others see it; `deliver` takes what comes; `rosters` are handed on to others. */
  constructor(
    context: ChannelContext,
    own: ValidIdentity,
    store: ChannelStore,
    deliver: Deliver,
    rosters?: RosterSource,
  ) {
    this.#context = context;
    const onRefused = (error: SealwireError, where: string): void => context.onEvent({ type: 'refused', error, where });
    this.#exchange = rosters && new RosterExchange(rosters, onRefused);
    this.#own = own;
    this.#reader = new ChannelReader(context, own, store, deliver);
    this.#stopWatching = context.roster.onChange((now) => this.#onRoster(now));
  }

  /**
   * Seals a message for every reader of the channel that its topic belongs to and publishes it. Rejects with
   * `channel-unknown` where the topic belongs to none, and as `ChannelWriter.send` does.
   */
  async publish(message: ChannelMessage): Promise<Sent> {
    const channel = channelOfTopic(rosterNow(this.#context.roster, this.#context.clock), message.topic);
    if (!channel) {
      throw new SealwireError('channel-unknown', `No channel has the topic ${JSON.stringify(message.topic)}.`, {
        hint: 'Name one reader with --to, or have the authority add a channel: sealwire roster channel.',
      });
    }
    return this.#writerIn(channel.name).send(message);
  }

  /** A session begins: both sides say which version of the roster they have. */
  greet(session: Session): void {
    this.#exchange?.greet(session);
  }

  /** Takes a frame whose label names a channel; resolves once it was taken in. Never throws for what is in it. */
  take(publication: Publication, isInbox: boolean): Promise<void> {
    return this.#reader.take(publication, isInbox);
  }

  onControl(session: Session, kind: ControlKind, payload: Uint8Array): void {
    this.#control(session, kind, payload).catch((cause: unknown) => this.#refuse(cause, session));
  }

  onReceipt(session: Session, receipt: DeliveryReceipt): void {
    try {
      const writer = [...this.#writers.values()].find((candidate) => candidate.isAbout(receipt));
      if (!writer) throw new SealwireError('wrong-session', 'A delivery receipt is about a ratchet that is not ours.');
      writer.onReceipt(session, receipt);
    } catch (cause) {
      this.#refuse(cause, session);
    }
  }

  /** Sends what is queued, confirms what came, and forgets every key. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopWatching();
    await Promise.all([...this.#writers.values()].map((writer) => writer.close()));
    await this.#reader.close();
  }

  async #control(session: Session, kind: ControlKind, payload: Uint8Array): Promise<void> {
    if (kind === KIND.grant) await this.#reader.onGrant(session, decodeGrant(payload));
    else if (kind === KIND.grantRequest) {
      const request = decodeGrantRequest(payload);
      this.#writers.get(request.channel)?.onRequest(session, request);
    } else if (kind === KIND.roster) {
      await this.#exchange?.take(session, payload);
    } else if (kind === KIND.grantAck) {
      const ack = decodeGrantAck(payload);
      this.#writers.get(ack.channel)?.onAck(session.peer.id, ack);
    }
  }

  #onRoster(now: SignedRoster): void {
    for (const writer of this.#writers.values()) writer.onRoster(now);
    // A broker that withholds it keeps it from nobody with whom there is a session.
    for (const session of this.#context.sessions.all()) this.#exchange?.announce(session);
    void this.#reader.onRoster(now);
  }

  #writerIn(name: string): ChannelWriter {
    const writer = this.#writers.get(name) ?? new ChannelWriter(this.#context, name, this.#own);
    this.#writers.set(name, writer);
    return writer;
  }

  #refuse(cause: unknown, { peer }: Session): void {
    const error = isSealwireError(cause)
      ? cause
      : new SealwireError('internal', 'Control could not be taken.', { cause });
    this.#context.onEvent({ type: 'refused', error, where: peer.name });
  }
}
