import { admitted, isAdmitted } from '../core/enrolment/admission.ts';
import type { RosterReference } from '../core/enrolment/answer.ts';
import { SealwireError } from '../core/errors.ts';
import type { BrokerConnection, Clock } from '../core/ports.ts';
import { rosterTopic } from '../core/roster/roster-topic.ts';
import { issueCertificate } from '../node/certificates.ts';
import type { Device, EnrolmentAuthority } from '../roles/enrolment/desk.ts';
import type { AuthorityHome } from './authority-home.ts';

/** What an {@link HomeAuthority} issues with. */
export interface HomeAuthorityOptions {
  readonly clock: Clock;
  readonly broker: BrokerConnection;
  /** How long the certificates of devices are valid. */
  readonly validDays: number;
}

/** The authority of a home: issues with its key, and publishes each version of its roster. */
export class HomeAuthority implements EnrolmentAuthority {
  readonly id: Uint8Array;
  readonly certificate: Uint8Array;
  readonly #home: AuthorityHome;
  readonly #options: HomeAuthorityOptions;

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

  async admit(device: Device, channels: readonly string[]): Promise<RosterReference> {
    const { author, keeper } = this.#home;
    const before = keeper.current?.version;
    const { name, version, hash, bytes } = await author.change((roster) => admitted(roster, device, channels));
    if (version !== before) {
      await this.#options.broker.publish(rosterTopic(name, version), bytes, { qos: 1, retain: true });
    }
    return { name, version, hash, authorityId: this.#home.rosterAuthorityId };
  }

  isMember(device: Device): boolean {
    const { current } = this.#home.keeper;
    return current !== null && isAdmitted(current, device);
  }
}
