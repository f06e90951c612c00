import { admit, isAdmitted } from '../core/enrolment/admission.ts';
import type { RosterReference } from '../core/enrolment/answer.ts';
import { SealwireError } from '../core/errors.ts';
import type { BrokerConnection, Clock } from '../core/ports.ts';
import type { SignedRoster } from '../core/roster/roster.ts';
import { rosterTopic } from '../core/roster/roster-topic.ts';
import { issueCertificate } from '../node/certificates.ts';
import type { Device, EnrolmentAuthority } from '../roles/enrolment/desk.ts';
import { Turns } from '../roles/turns.ts';
import type { AuthorityHome } from './authority-home.ts';
import { editRosterAs, ownRoster } from './roster/authority.ts';

/** What an {@link HomeAuthority} issues with. */
export interface HomeAuthorityOptions {
  readonly clock: Clock;
  readonly broker: BrokerConnection;
  /** How long the certificates of devices are valid. */
  readonly validDays: number;
}

/**
 * The authority of a home: issues with its key, and publishes its roster. That is read anew each time, since
 * `sealwire roster` may change it meanwhile.
 */
export class HomeAuthority implements EnrolmentAuthority {
  readonly id: Uint8Array;
  readonly certificate: Uint8Array;
  readonly #home: AuthorityHome;
  readonly #options: HomeAuthorityOptions;
  readonly #turns = new Turns();
  #published = 0;

  constructor(home: AuthorityHome, options: HomeAuthorityOptions) {
    const [certificate] = home.authority.certificates;
    if (!certificate) throw new SealwireError('internal', 'An authority has no certificate.');
    this.id = home.authority.id;
    this.certificate = certificate;
    this.#home = home;
    this.#options = options;
  }

  async issue({ name, publicKey }: Device): Promise<readonly Uint8Array[]> {
    const { clock, validDays } = this.#options;
    const chain = await issueCertificate(this.#home.authority, publicKey, { name, nowMs: clock.now(), validDays });
    return chain.map(({ der }) => der);
  }

  admit(device: Device, channels: readonly string[]): Promise<RosterReference> {
    return this.#turns.run(async () => {
      const { directory, authority, trust } = this.#home;
      const { now } = await ownRoster(directory);
      if (admit(now, device, channels) !== now) {
        await editRosterAs(authority, directory, (roster) => admit(roster, device, channels));
      }
      const { name, version, hash } = await this.publish();
      return { name, version, hash, authorityId: trust.authorityId };
    });
  }

  async isMember(device: Device): Promise<boolean> {
    const { now } = await ownRoster(this.#home.directory);
    return isAdmitted(now, device);
  }

  /** Has the broker keep every version that it was not given before; gives the newest. */
  async publish(): Promise<SignedRoster> {
    const { keeper, now } = await ownRoster(this.#home.directory);
    for (let version = this.#published + 1; version <= now.version; version++) {
      const bytes = keeper.bytesOf(version);
      if (bytes) await this.#options.broker.publish(rosterTopic(now.name, version), bytes, { qos: 1, retain: true });
      this.#published = version;
    }
    return now;
  }
}
