import { bytesToHex, concatBytes, equalBytes, utf8ToBytes } from '../../src/core/bytes.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { decodeEnvelope, type Envelope } from '../../src/core/handshake/envelope.ts';
import type { Anchor } from '../../src/core/identity/path.ts';
import { TUNING } from '../../src/core/limits.ts';
import type { Eventually, Signer, VerifierFactory } from '../../src/core/ports.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { Authenticating } from '../../src/roles/authenticating.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';
import { InboxHandshakes } from '../../src/roles/inbox/inbox-handshakes.ts';
import type { InboxTuning } from '../../src/roles/inbox/inbox-tuning.ts';
import type { Initiated } from '../../src/roles/inbox/initiation.ts';
import { NOW_MS } from './identities.ts';
import { type ManualClock, manualClock } from './manual-clock.ts';
import { identityOf, pinsOf } from './session-pair.ts';
import { turn } from './turns.ts';

/** A unit on its way to somebody's handshake inbox, under a topic that names both. */
export interface Parcel {
  /** As the topic has it: the net believes it. */
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly unit: Uint8Array;
}

/** What arrives of a parcel: nothing, itself, copies or others, each so much later. */
export type Fate = (parcel: Parcel) => Eventually<readonly (Parcel & { readonly delayMs?: number })[]>;

/** Inboxes in memory, on a clock that stands still, with somebody in charge who decides on every parcel's fate. */
export class InboxNet {
  readonly clock: ManualClock = manualClock(NOW_MS);
  /** Every parcel as it was sent. */
  readonly sent: (Parcel & { readonly atMs: number })[] = [];
  fate: Fate = (parcel) => [parcel];
  readonly #inboxes = new Map<string, (parcel: Parcel) => Promise<void>>();
  readonly #running = new Set<Promise<void>>();

  /** From now on what comes for `id` goes to `take`. */
  join(id: Uint8Array, take: (from: Uint8Array, unit: Uint8Array) => Promise<void>): void {
    this.#inboxes.set(bytesToHex(id), ({ from, unit }) => take(from, unit));
  }

  /** Leaves it to fate. */
  send(parcel: Parcel): void {
    this.sent.push({ ...parcel, atMs: this.clock.now() });
    this.#track(this.#carry(parcel));
  }

  /** Puts it into the inbox now; resolves once it was taken. */
  async inject(parcel: Parcel): Promise<void> {
    await this.#inboxes.get(bytesToHex(parcel.to))?.(parcel);
  }

  /** What `from` has sent to `to`, opened. */
  envelopes(from: Uint8Array, to: Uint8Array): Envelope[] {
    return this.sent
      .filter((parcel) => equalBytes(parcel.from, from) && equalBytes(parcel.to, to))
      .map(({ unit }) => decodeEnvelope(unit));
  }

  /** Resolves once all that has arrived was taken; no time goes by. */
  async settle(): Promise<void> {
    do {
      await Promise.all(this.#running);
      await turn();
    } while (this.#running.size > 0);
  }

  /** Lets `ms` go by, a little at a time, with all that happens meanwhile. */
  async wait(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      await this.settle();
      this.clock.advance(Math.min(STEP_MS, left));
    }
    await this.settle();
  }

  /** Lets time go by until `work` has come to its end; that is what it gives. */
  async elapse<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = work.finally(() => {
      isSettled = true;
    });
    done.catch(() => {});
    await this.settle();
    while (!isSettled) await this.wait(STEP_MS);
    return await done;
  }

  async #carry(parcel: Parcel): Promise<void> {
    for (const { delayMs = 0, ...arriving } of await this.fate(parcel)) {
      if (delayMs === 0) this.#track(this.inject(arriving));
      else this.clock.after(delayMs, () => this.#track(this.inject(arriving)));
    }
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    work.finally(() => this.#running.delete(work)).catch(() => {});
  }
}

const STEP_MS = 20;

/** Somebody with an inbox, and what is told to it. */
export interface InboxActor {
  readonly identity: OwnIdentity;
  readonly id: Uint8Array;
  readonly handshakes: InboxHandshakes;
  /** Those that others began. */
  readonly sessions: Initiated[];
  /** Codes of what was refused. */
  readonly refused: string[];
  /** What it has spent on others so far. */
  readonly work: Readonly<Work>;
}

/** How often the costly steps were taken. */
interface Work {
  ecdh: number;
  sign: number;
  verify: number;
}

/** How {@link enter} differs. */
export interface ActorOptions {
  readonly trusts?: readonly string[];
  /** Asked anew for each handshake; instead of `trusts`. */
  readonly anchors?: () => Eventually<readonly Anchor[]>;
  readonly identity?: OwnIdentity;
  readonly signer?: (own: Signer) => Signer;
  readonly tuning?: Partial<InboxTuning>;
  readonly seed?: number;
  /** Instead of leaving it to the net. */
  readonly send?: (to: Uint8Array, unit: Uint8Array) => Promise<void>;
  /** Takes part, but what comes for its id goes elsewhere. */
  readonly isAway?: boolean;
}

/** Gives `name` (`alice`, `bob`, `carol` or `notary`) an inbox; all of them trust each other unless told. */
export async function enter(net: InboxNet, name: string, options: ActorOptions = {}): Promise<InboxActor> {
  const { clock } = net;
  const work: Work = { ecdh: 0, sign: 0, verify: 0 };
  const own = options.identity ?? (await identityOf(name));
  const identity = { ...own, signer: counted(options.signer?.(own.signer) ?? own.signer, work) };
  const pins = await pinsOf(options.trusts ?? ['alice', 'bob', 'carol', 'notary'].filter((other) => other !== name));
  const crypto = seededCrypto(`${name} ${options.seed ?? 0}`, work);
  const verifierOf: VerifierFactory = (publicKey) => {
    const { verify } = nodeVerifier(publicKey);
    return {
      verify: (toBeVerified, signature) => {
        work.verify += 1;
        return verify(toBeVerified, signature);
      },
    };
  };
  const authenticating = new Authenticating({
    crypto,
    clock,
    verifierOf,
    anchors: options.anchors ?? (() => pins),
  });
  const { id } = identity;
  const [sessions, refused]: [Initiated[], string[]] = [[], []];
  const handshakes = new InboxHandshakes({
    party: { crypto, clock, identity, verifierOf, authenticating, timeoutMs: TUNING.handshakeTimeoutMs },
    send: options.send ?? (async (to, unit) => net.send({ from: id, to, unit })),
    onSession: (start, { overlapped }) => void sessions.push({ start, overlapped }),
    onRefused: ({ code }) => void refused.push(code),
    ...(options.tuning ? { tuning: options.tuning } : {}),
  });
  if (!options.isAway) net.join(id, (from, unit) => handshakes.take(from, unit));
  return { identity, id, handshakes, sessions, refused, work };
}

function counted(signer: Signer, work: Work): Signer {
  return {
    publicKey: signer.publicKey,
    sign: (toBeSigned) => {
      work.sign += 1;
      return signer.sign(toBeSigned);
    },
  };
}

/** Node's primitives with random bytes that follow from `seed`; ephemeral keys are fresh all the same. */
function seededCrypto(seed: string, work: Work): Crypto {
  let count = 0;
  const next = (): Uint8Array => {
    count += 1;
    return nodeCrypto.sha256(concatBytes(utf8ToBytes(seed), Uint8Array.of(count >> 16, count >> 8, count)));
  };
  return {
    ...nodeCrypto,
    ecdh: (privateKey, peerX) => {
      work.ecdh += 1;
      return nodeCrypto.ecdh(privateKey, peerX);
    },
    random: (length) => {
      let bytes = next();
      while (bytes.length < length) bytes = concatBytes(bytes, next());
      return bytes.slice(0, length);
    },
  };
}
