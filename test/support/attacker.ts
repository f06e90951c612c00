import type { ErrorCode, SealwireError } from '../../src/core/errors.ts';
import type { Connection } from '../../src/core/ports.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { dialTcp, listenTcp } from '../../src/node/tcp.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';
import { Peer } from '../../src/roles/peer.ts';
import type { Member } from './stage.ts';

/** Gathers what `connection` receives until it ends, however it ends. */
export async function drain(connection: Connection): Promise<Uint8Array[]> {
  const units: Uint8Array[] = [];
  try {
    for await (const unit of connection.receive()) units.push(unit);
  } catch {
    // Cut off: what came before is what there is.
  }
  return units;
}

/** Sends `units` to `address` as they are, whatever the answer, and gives what came back until the line went down. */
export async function throwAt(address: string, units: readonly Uint8Array[]): Promise<Uint8Array[]> {
  await using connection = await dialTcp(address);
  const answers = drain(connection);
  for (const unit of units) await connection.send(unit).catch(() => {});
  return await answers;
}

/** A machine that stands where somebody dials. */
export interface Trap extends AsyncDisposable {
  readonly address: string;
}

/** Serves each connection that comes as `serve` does, then closes it. */
export async function trap(serve: (connection: Connection) => Promise<void>): Promise<Trap> {
  const listener = await listenTcp('tcp://127.0.0.1:0');
  const serving = (async () => {
    const all: Promise<void>[] = [];
    for await (const connection of listener.accept()) {
      all.push(
        serve(connection)
          .catch(() => {})
          .finally(() => connection.close()),
      );
    }
    await Promise.all(all);
  })();
  return {
    address: listener.address,
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      await serving;
    },
  };
}

/** A peer of an attacker's making: any identity, any signer, and it trusts those it is given. */
export function roguePeer(identity: OwnIdentity, trusts: readonly Member[]): Peer {
  return new Peer({
    identity,
    anchors: () => trusts.map(({ identity: { id } }) => id),
    crypto: nodeCrypto,
    clock: systemClock,
    verifierOf: nodeVerifier,
  });
}

/** The error that `attempt` rejects with; throws where it does not. */
export async function refusalOf(attempt: Promise<unknown>): Promise<SealwireError> {
  try {
    await attempt;
  } catch (error) {
    return error as SealwireError;
  }
  throw new Error('it was not refused');
}

/** What a handshake may fail with where its messages were altered: which of them depends on where the change hit. */
export const HANDSHAKE_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'handshake-failed',
  'signature-invalid',
  'malformed',
  'unsupported',
  'key-invalid',
  'too-large',
  'certificate-invalid',
  'identity-unknown',
]);
