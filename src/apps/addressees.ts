import { SealwireError } from '../core/errors.ts';
import { pinByName } from '../core/identity/trust.ts';
import type { Clock } from '../core/ports.ts';
import type { RosterView } from '../core/roster/roster.ts';
import { type Home, readTrust } from '../node/home.ts';
import type { Addressee } from '../roles/bus/bus-sessions.ts';
import { Turns } from '../roles/turns.ts';

/** How long a name goes by what the list of trust last said of it. */
const KEEP_MS = 1_000;

interface Found {
  readonly addressee: Addressee;
  readonly untilMs: number;
}

/** Whom a home trusts or its roster names, by name. Answers come in the order of the questions, so that messages can leave in theirs. */
export class Addressees {
  readonly #home: Home;
  readonly #roster: RosterView | undefined;
  readonly #clock: Clock;
  readonly #turns = new Turns();
  readonly #found = new Map<string, Found>();

  constructor(home: Home, roster: RosterView | undefined, clock: Clock) {
    this.#home = home;
    this.#roster = roster;
    this.#clock = clock;
  }

  /** What {@link find} would give at once; undefined where the list has to be read. */
  known(name: string): Addressee | undefined {
    const found = this.#found.get(name);
    return found && this.#clock.now() < found.untilMs ? found.addressee : undefined;
  }

  /** Where a trusted name has its inbox; throws `identity-unknown`. */
  find(name: string): Promise<Addressee> {
    return this.#turns.run(async () => {
      const known = this.known(name);
      if (known) return known;
      this.#found.delete(name);
      const addressee = await this.#read(name);
      this.#found.set(name, { addressee, untilMs: this.#clock.now() + KEEP_MS });
      return addressee;
    });
  }

  async #read(name: string): Promise<Addressee> {
    const pin = pinByName(await readTrust(this.#home), name);
    const member = this.#roster?.current?.members.find((candidate) => candidate.name === name);
    if (pin) return pin;
    if (member?.type === 'pin') return member;
    throw unknown(name);
  }
}

function unknown(name: string): SealwireError {
  return new SealwireError('identity-unknown', `Nobody is trusted here under the name ${JSON.stringify(name)}.`, {
    hint: 'A reader at a broker is found by its id: `sealwire trust add` it; `sealwire trust list` shows the names.',
  });
}
