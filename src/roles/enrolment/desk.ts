import { bytesToHex, equalBytes } from '../../core/bytes.ts';
import type { Crypto } from '../../core/crypto/port.ts';
import {
  type Enrolled,
  type EnrolmentAnswer,
  encodeAnswer,
  type RosterReference,
} from '../../core/enrolment/answer.ts';
import { type Asker, answerTopic, parseRequestTopic, requestFilter } from '../../core/enrolment/enrolment-topic.ts';
import { decodeRequest, isTokenRequest } from '../../core/enrolment/request.ts';
import type { TokenRecord, TokenStore } from '../../core/enrolment/tokens.ts';
import { isSealwireError, SealwireError } from '../../core/errors.ts';
import { identityId } from '../../core/identity/id.ts';
import { checkClock } from '../../core/identity/path.ts';
import { readSigningRequest } from '../../core/identity/signing-request.ts';
import type {
  BrokerConnection,
  Clock,
  Eventually,
  Publication,
  Subscription,
  VerifierFactory,
} from '../../core/ports.ts';
import { matchesPattern } from '../../core/roster/membership.ts';
import { TokenBucket } from '../inbox/token-bucket.ts';

/** Somebody whom the authority vouches for. */
export interface Device {
  readonly name: string;
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** Uncompressed point, 65 bytes. */
  readonly publicKey: Uint8Array;
}

/** Issues certificates and keeps the roster. */
export interface EnrolmentAuthority {
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** Its own certificate, DER. */
  readonly certificate: Uint8Array;
  /** A certificate chain for a device, leaf first. */
  issue(device: Device): Promise<readonly Uint8Array[]>;
  /**
   * Puts a device into the roster and publishes that, unless it stands there; says which that is. Rejects with `enrolment-refused` where the name is another key's, or the key was revoked.
   */
  admit(device: Device, channels: readonly string[]): Promise<RosterReference>;
  /** True where the device was admitted and is not revoked. */
  isMember(device: Device): Eventually<boolean>;
}

/** What a desk is made of. */
export interface DeskOptions {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly verifierOf: VerifierFactory;
  readonly broker: BrokerConnection;
  readonly tokens: TokenStore;
  readonly authority: EnrolmentAuthority;
  /** Told of each device that has its certificate; again where it asked again. Must not throw. */
  readonly onEnrolled?: (device: Device, how: 'token' | 'renewal') => void;
  /** Told of what was refused to somebody with a token, and of faults. Must not throw. */
  readonly onRefused?: (error: SealwireError) => void;
}

/** How often one request is worked for: nobody has to ask more often, but everybody can repeat what they saw. */
const REQUEST_RATE = { burst: 4, perSecond: 0.5 } as const;
/** Signatures of renewals that are checked, all together: anybody can make up such requests. */
const RENEWAL_RATE = { burst: 50, perSecond: 20 } as const;
/** How long a device that asks again is given the same certificate. */
const RENEWED_KEEP_MS: number = 60 * 60_000;
const KEPT_MAX = 1024;

interface Renewed {
  readonly chain: readonly Uint8Array[];
  readonly untilMs: number;
}

/**
 * Where devices enrol: answers to whoever holds a token, once a token, and renews certificates of members. What a
 * stranger sends costs a look-up and at most one HMAC over 2 KiB, or one of the few signatures a second that are
 * checked for renewals.
 */
export class EnrolmentDesk implements AsyncDisposable {
  readonly #options: DeskOptions;
  readonly #rates = new Map<string, TokenBucket>();
  readonly #renewals: TokenBucket;
  readonly #renewed = new Map<string, Renewed>();
  #subscription: Subscription | undefined;

  /** Begins to listen. Rejects with `clock-unset` and `broker-refused`. */
  static async open(options: DeskOptions): Promise<EnrolmentDesk> {
    checkClock(options.clock.now());
    const desk = new EnrolmentDesk(options);
    const filter = requestFilter(options.authority.id);
    desk.#subscription = await options.broker.subscribe(filter, 1, (publication) => desk.#take(publication));
    return desk;
  }

  private constructor(options: DeskOptions) {
    this.#options = options;
    this.#renewals = new TokenBucket(options.clock, RENEWAL_RATE);
  }

  /** Listens no more. */
  async close(): Promise<void> {
    await this.#subscription?.unsubscribe();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #take({ topic, payload, retained }: Publication): Promise<void> {
    const asker = parseRequestTopic(topic);
    if (retained || asker === null) return;
    try {
      if (asker.type === 'token') await this.#serveToken(asker, payload);
      else await this.#serveDevice(asker, payload);
    } catch (error) {
      // Noise is nobody's news; what is wrong here is.
      if (isSealwireError(error, 'malformed') || isSealwireError(error, 'too-large')) return;
      this.#options.onRefused?.(
        isSealwireError(error) ? error : new SealwireError('internal', 'A device was not enrolled.', { cause: error }),
      );
    }
  }

  async #serveToken(asker: Asker & { readonly type: 'token' }, payload: Uint8Array): Promise<void> {
    const { crypto, tokens } = this.#options;
    const record = await tokens.find(asker.tokenId);
    if (!record) return;
    const request = decodeRequest(payload);
    // Without the secret nothing is answered: whoever altered the request learns nothing, and the device asks again.
    const { signingRequest } = request;
    if (!isTokenRequest(crypto, record.requestKey, request) || !this.#isTimely(signingRequest)) return;
    const answer = await this.#judge(record, signingRequest);
    await this.#answer(asker, encodeAnswer(crypto, record.answerKey, signingRequest, answer));
  }

  async #judge(record: TokenRecord, signingRequest: Uint8Array): Promise<EnrolmentAnswer> {
    try {
      return { type: 'enrolled', ...(await this.#enrol(record, signingRequest)) };
    } catch (error) {
      if (!isSealwireError(error)) throw error;
      this.#options.onRefused?.(error);
      const code = error.code === 'token-invalid' ? error.code : 'enrolment-refused';
      return { type: 'refused', code, reason: error.message };
    }
  }

  async #enrol(record: TokenRecord, signingRequest: Uint8Array): Promise<Enrolled> {
    const { tokens, authority, clock } = this.#options;
    const device = await this.#deviceOf(signingRequest);
    if (clock.now() >= record.expiresAtS * 1000) throw expired(record);
    if (!matchesPattern(record.pattern, device.name)) throw otherName(record, device.name);
    if (record.holder && !isHolder(record.holder, device)) throw used();
    if (!(await tokens.claim(record.tokenId, { deviceId: device.id, name: device.name }))) throw used();
    const roster = await authority.admit(device, record.channels);
    const chain = record.chain ?? (await authority.issue(device));
    if (!record.chain) await tokens.complete(record.tokenId, chain);
    this.#options.onEnrolled?.(device, 'token');
    return { chain, authority: authority.certificate, roster };
  }

  async #serveDevice(asker: Asker & { readonly type: 'device' }, payload: Uint8Array): Promise<void> {
    const { crypto, authority } = this.#options;
    const { signingRequest } = decodeRequest(payload);
    const { publicKey } = readSigningRequest(signingRequest);
    if (!equalBytes(identityId(crypto, publicKey), asker.deviceId)) return;
    if (!this.#isTimely(signingRequest) || !this.#renewals.take()) return;
    const device = await this.#deviceOf(signingRequest);
    if (!(await authority.isMember(device))) return;
    const chain = await this.#renew(device);
    const enrolled = { type: 'enrolled', chain, authority: authority.certificate, roster: null } as const;
    await this.#answer(asker, encodeAnswer(crypto, null, signingRequest, enrolled));
  }

  async #renew(device: Device): Promise<readonly Uint8Array[]> {
    const { authority, clock } = this.#options;
    const key = bytesToHex(device.id);
    const known = this.#renewed.get(key);
    if (known && clock.elapsed() < known.untilMs) return known.chain;
    const chain = await authority.issue(device);
    keep(this.#renewed, key, { chain, untilMs: clock.elapsed() + RENEWED_KEEP_MS });
    this.#options.onEnrolled?.(device, 'renewal');
    return chain;
  }

  async #deviceOf(signingRequest: Uint8Array): Promise<Device> {
    const { crypto, verifierOf } = this.#options;
    const { name, publicKey, toBeVerified, signature } = readSigningRequest(signingRequest);
    if (!(await verifierOf(publicKey).verify(toBeVerified, signature))) {
      throw new SealwireError('signature-invalid', 'A certification request is not signed by its own key.');
    }
    return { name, publicKey, id: identityId(crypto, publicKey) };
  }

  #isTimely(signingRequest: Uint8Array): boolean {
    const { crypto, clock } = this.#options;
    const key = bytesToHex(crypto.sha256(signingRequest));
    const rate = this.#rates.get(key) ?? new TokenBucket(clock, REQUEST_RATE);
    keep(this.#rates, key, rate);
    return rate.take();
  }

  async #answer(asker: Asker, payload: Uint8Array): Promise<void> {
    await this.#options.broker.publish(answerTopic(this.#options.authority.id, asker), payload, { qos: 1 });
  }
}

/** The one used longest ago makes room. */
function keep<T>(table: Map<string, T>, key: string, value: T): void {
  table.delete(key);
  const [oldest] = table.keys();
  if (table.size >= KEPT_MAX && oldest !== undefined) table.delete(oldest);
  table.set(key, value);
}

function isHolder(holder: { readonly deviceId: Uint8Array; readonly name: string }, device: Device): boolean {
  return holder.name === device.name && equalBytes(holder.deviceId, device.id);
}

function expired({ expiresAtS }: TokenRecord): SealwireError {
  return new SealwireError('token-invalid', `The token expired on ${new Date(expiresAtS * 1000).toISOString()}.`);
}

function used(): SealwireError {
  return new SealwireError('token-invalid', 'The token was used already, with another key or name.');
}

function otherName({ pattern }: TokenRecord, name: string): SealwireError {
  return new SealwireError('enrolment-refused', `The token was made for ${pattern}, not for ${name}.`);
}
