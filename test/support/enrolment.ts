import { bytesToHex, equalBytes, utf8ToBytes } from '../../src/core/bytes.ts';
import { nobleCrypto, nobleVerifier } from '../../src/core/crypto/noble.ts';
import type { RosterReference } from '../../src/core/enrolment/answer.ts';
import { type EnrolmentToken, makeToken, tokenKeys } from '../../src/core/enrolment/token.ts';
import type { IssuedToken, TokenHolder, TokenRecord, TokenStore } from '../../src/core/enrolment/tokens.ts';
import { SealwireError } from '../../src/core/errors.ts';
import { identityId } from '../../src/core/identity/id.ts';
import type { BrokerConnection, Clock, Eventually } from '../../src/core/ports.ts';
import { type Device, type EnrolmentAuthority, EnrolmentDesk } from '../../src/roles/enrolment/desk.ts';
import type { AskingOptions } from '../../src/roles/enrolment/enrolling.ts';
import { type MemoryBrokerOptions, memoryBroker } from '../../src/roles/memory-broker.ts';
import { DAY_MS, fixedHolder, fixedSigner, type Holder, NOW_MS } from './identities.ts';
import { type ManualClock, manualClock } from './manual-clock.ts';

/** Tokens that live as long as the test. */
export class MemoryTokens implements TokenStore {
  readonly records = new Map<string, TokenRecord>();

  find(tokenId: Uint8Array): TokenRecord | undefined {
    return this.records.get(bytesToHex(tokenId));
  }

  add(token: IssuedToken): void {
    this.records.set(bytesToHex(token.tokenId), { ...token, holder: null, chain: null });
  }

  claim(tokenId: Uint8Array, holder: TokenHolder): boolean {
    const record = this.#record(tokenId);
    if (record.holder) return equalBytes(record.holder.deviceId, holder.deviceId);
    this.records.set(bytesToHex(tokenId), { ...record, holder });
    return true;
  }

  complete(tokenId: Uint8Array, chain: readonly Uint8Array[]): void {
    this.records.set(bytesToHex(tokenId), { ...this.#record(tokenId), chain });
  }

  #record(tokenId: Uint8Array): TokenRecord {
    const record = this.find(tokenId);
    if (!record) throw new Error('no such token');
    return record;
  }
}

/** An authority whose roster is a list of names and ids. */
export class ListingAuthority implements EnrolmentAuthority {
  readonly id: Uint8Array;
  readonly certificate: Uint8Array;
  readonly members = new Map<string, Uint8Array>();
  readonly channels = new Map<string, readonly string[]>();
  issued = 0;
  readonly #root: Holder;
  readonly #clock: Clock;
  readonly #validDays: number;

  constructor(root: Holder, clock: Clock, validDays = 30) {
    this.#root = root;
    this.#clock = clock;
    this.#validDays = validDays;
    this.id = identityId(nobleCrypto, root.signer.publicKey);
    this.certificate = root.certificate.der;
  }

  async issue({ name, publicKey }: Device): Promise<readonly Uint8Array[]> {
    this.issued += 1;
    const { certificate } = await fixedHolder(name, 200, {
      issuer: this.#root,
      publicKey,
      serial: nobleCrypto.random(16),
      notBeforeMs: this.#clock.now(),
      notAfterMs: this.#clock.now() + this.#validDays * DAY_MS,
    });
    return [certificate.der];
  }

  async admit({ name, id }: Device, channels: readonly string[]): Promise<RosterReference> {
    const known = this.members.get(name);
    if (known && !equalBytes(known, id)) {
      throw new SealwireError('enrolment-refused', `${name} is in the roster with another key.`);
    }
    this.members.set(name, id);
    this.channels.set(name, channels);
    return this.roster();
  }

  isMember({ name, id }: Device): boolean {
    const known = this.members.get(name);
    return known !== undefined && equalBytes(known, id);
  }

  /** One version a member. */
  roster(): RosterReference {
    const hash = nobleCrypto.sha256(utf8ToBytes([...this.members.keys()].join(' ')));
    return { name: 'works', authorityId: this.id, version: this.members.size, hash };
  }
}

/** An open desk at a broker, and what to enrol with. */
export interface Desk {
  readonly tokens: MemoryTokens;
  readonly authority: ListingAuthority;
  /** Devices that have their certificates, and why others have none. */
  readonly enrolled: string[];
  readonly refused: string[];
  /** A fresh token for a name, and its keys kept at the desk. */
  token(pattern: string, lifeMs?: number): EnrolmentToken;
  /** The desk is closed, and opened again over the same tokens and roster. */
  restart(): Promise<void>;
  close(): Promise<void>;
  /** What a device with key `number` asks with. */
  device(name: string, number: number): Promise<AskingOptions>;
}

/** How long devices wait for their answers. */
export const DEVICE_WAIT_MS = 20_000;

/** Opens a desk at a broker, to which `connect` leads. Its authority is valid around {@link NOW_MS}. */
export async function openDesk(clock: Clock, connect: (name: string) => Eventually<BrokerConnection>): Promise<Desk> {
  const shared = { crypto: nobleCrypto, clock, verifierOf: nobleVerifier };
  const tokens = new MemoryTokens();
  const authority = new ListingAuthority(await fixedHolder('plant', 60, { ca: true }), clock);
  const [enrolled, refused]: [string[], string[]] = [[], []];
  const open = async (): Promise<EnrolmentDesk> =>
    EnrolmentDesk.open({
      ...shared,
      broker: await connect('desk'),
      tokens,
      authority,
      onEnrolled: ({ name }, how) => enrolled.push(`${name} by ${how}`),
      onRefused: ({ code }) => refused.push(code),
    });
  let desk = await open();
  return {
    tokens,
    authority,
    enrolled,
    refused,
    token(pattern, lifeMs = 3_600_000) {
      const token = makeToken(nobleCrypto, authority.id);
      const expiresAtS = Math.floor((clock.now() + lifeMs) / 1000);
      tokens.add({ ...tokenKeys(nobleCrypto, token), pattern, channels: ['all'], expiresAtS });
      return token;
    },
    async restart() {
      await desk.close();
      desk = await open();
    },
    close: () => desk.close(),
    device: async (name, number) => ({
      ...shared,
      name,
      signer: fixedSigner(number),
      broker: await connect(name),
      waitMs: DEVICE_WAIT_MS,
    }),
  };
}

/** A desk at a broker in memory, and a clock to move. */
export async function deskScene(options: MemoryBrokerOptions = {}): Promise<Desk & { readonly clock: ManualClock }> {
  const clock = manualClock(NOW_MS);
  const broker = memoryBroker(options);
  return { ...(await openDesk(clock, (name) => broker.connect(name))), clock };
}

/** Lets time go on until `work` is settled: in steps, so that what is due in between happens in its order. */
export async function elapse<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let settled = false;
  const done = work.finally(() => {
    settled = true;
  });
  done.catch(() => {});
  while (!settled) {
    // A few turns for what is on its way, with nothing else that could settle it sooner.
    for (let turn = 0; turn < 20 && !settled; turn++) await clock.turn();
    if (!settled) clock.advance(500);
  }
  return done;
}
