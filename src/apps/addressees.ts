import { SealwireError } from '../core/errors.ts';
import { pinByName } from '../core/identity/trust.ts';
import type { Clock } from '../core/ports.ts';
import { type Home, readTrust } from '../node/home.ts';
import type { Addressee } from '../roles/bus/bus-sessions.ts';
import { Turns } from '../roles/turns.ts';

/** How long a name goes by what the list of trust last said of it. */
const KEEP_MS = 1_000;

interface Found {
  readonly addressee: Addressee;
  readonly untilMs: number;
}

/** Whom a home trusts, by name. Answers come in the order of the questions, so that messages can leave in theirs. */
export class Addressees {
  readonly #home: Home;
  readonly #clock: Clock;
  readonly #turns = new Turns();
  readonly #found = new Map<string, Found>();

  constructor(home: Home, clock: Clock) {
    this.#home = home;
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
      const addressee = await readAddressee(this.#home, name);
      this.#found.set(name, { addressee, untilMs: this.#clock.now() + KEEP_MS });
      return addressee;
    });
  }
}

async function readAddressee(home: Home, name: string): Promise<Addressee> {
  const pin = pinByName(await readTrust(home), name);
  if (pin) return pin;
  throw new SealwireError('identity-unknown', `Nobody is trusted here under the name ${JSON.stringify(name)}.`, {
    hint: 'A reader at a broker is found by its id: `sealwire trust add` it; `sealwire trust list` shows the names.',
  });
}
