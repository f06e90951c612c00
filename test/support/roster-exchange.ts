import type { SealwireError } from '../../src/core/errors.ts';
import { KIND } from '../../src/core/kinds.ts';
import { RosterExchange, type RosterSession, type RosterSource } from '../../src/roles/channel/roster-exchange.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';
import { identityOf } from './session-pair.ts';
import { standstill } from './turns.ts';

/** One side of an exchange, and what happened there. */
export interface ExchangeSide {
  readonly exchange: RosterExchange;
  /** Its end of the session. */
  readonly session: RosterSession;
  /** What it said, as it went over the session. */
  readonly said: readonly Uint8Array[];
  readonly refused: readonly { readonly error: SealwireError; readonly from: string }[];
}

/** Alice and Bob with a session between their exchanges; what one says the other takes, in order, a turn later. */
export async function exchangeBetween(
  sources: readonly [RosterSource, RosterSource],
): Promise<{ readonly alice: ExchangeSide; readonly bob: ExchangeSide; settle(): Promise<void> }> {
  const [alice, bob] = [new Side(await identityOf('alice'), sources[0]), new Side(await identityOf('bob'), sources[1])];
  alice.joinTo(bob);
  bob.joinTo(alice);
  return { alice, bob, settle: () => standstill(() => alice.said.length + bob.said.length + alice.taken + bob.taken) };
}

class Side implements ExchangeSide {
  readonly exchange: RosterExchange;
  readonly said: Uint8Array[] = [];
  readonly refused: { readonly error: SealwireError; readonly from: string }[] = [];
  taken = 0;
  readonly #own: OwnIdentity;
  #session: RosterSession | undefined;
  #taking: Promise<void> = Promise.resolve();

  constructor(own: OwnIdentity, source: RosterSource) {
    this.#own = own;
    this.exchange = new RosterExchange(source, (error, from) => void this.refused.push({ error, from }));
  }

  get session(): RosterSession {
    if (!this.#session) throw new Error('nobody is at the other end');
    return this.#session;
  }

  joinTo(other: Side): void {
    const { id, name, signer, certificates } = other.#own;
    const peer = { id, name, publicKey: signer.publicKey, trust: 'pin', authority: null, certificates } as const;
    this.#session = {
      peer,
      sendControl: async (kind, payload) => {
        if (kind !== KIND.roster) throw new Error(`a frame of kind ${kind} is not about rosters`);
        this.said.push(payload);
        other.#take(payload);
        return { n: this.said.length, seq: this.said.length, logged: null };
      },
    };
  }

  #take(payload: Uint8Array): void {
    this.#taking = this.#taking.then(async () => {
      await this.exchange.take(this.session, payload);
      this.taken += 1;
    });
  }
}
