import { equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import type { Certificate } from '../core/identity/certificate.ts';
import { identityId } from '../core/identity/id.ts';
import type { BrokerConnection, Clock } from '../core/ports.ts';
import type { RosterView } from '../core/roster/roster.ts';
import { writeCertificates } from '../node/certificates.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { replaceFile } from '../node/files.ts';
import { type Home, type LoadedIdentity, readTrust, showCertificates } from '../node/home.ts';
import { renew } from '../roles/enrolment/enrolling.ts';
import { Renewing } from '../roles/enrolment/renewing.ts';

/** How long an authority that is there takes to answer, on a bad day. */
const WAIT_MS = 30_000;

/** What {@link keepRenewed} takes. */
export interface RenewingHome {
  readonly home: Home;
  readonly identity: LoadedIdentity;
  readonly roster: RosterView;
  readonly broker: BrokerConnection;
  readonly clock: Clock;
  /** Told when there is another certificate, and until when, in milliseconds since 1970. Must not throw. */
  readonly onRenewed: (untilMs: number) => void;
  readonly onFailed: (error: SealwireError) => void;
}

/**
 * Has the authority of the roster renew the home's certificate in time, if that is whom it is from. Stops when what it
 * gives is called.
 */
export async function keepRenewed(options: RenewingHome): Promise<() => void> {
  const { identity, clock, onFailed } = options;
  const [leaf] = identity.chain;
  if (!leaf || !(await isFromAuthority(options, leaf))) return () => {};
  const renewing = new Renewing({
    clock,
    validity: leaf,
    renew: (stopped) => renewOnce(options, stopped),
    onFailed,
  });
  return () => renewing.stop();
}

async function renewOnce(options: RenewingHome, stopped: Promise<void>): Promise<Certificate> {
  const { home, identity, roster, broker, clock, onRenewed } = options;
  const authorityKey = roster.current?.authorityKey;
  if (!authorityKey) throw new SealwireError('roster-missing', 'Without a roster nobody knows its authority.');
  const { name, signer } = identity;
  const shared = { crypto: nodeCrypto, verifierOf: nodeVerifier, clock, broker, name, signer, stopped };
  const { chain } = await renew(identityId(nodeCrypto, authorityKey), { ...shared, waitMs: WAIT_MS });
  const [leaf] = chain;
  if (!leaf) throw new SealwireError('internal', 'A chain of certificates is empty.');
  await replaceFile(home.certificateFile, writeCertificates(chain.map(({ der }) => der)));
  // Handshakes from now on show it; sessions that are open go on.
  showCertificates(identity, chain);
  onRenewed(leaf.notAfterMs);
  return leaf;
}

async function isFromAuthority({ home, roster }: RenewingHome, leaf: Certificate): Promise<boolean> {
  const key = roster.current?.authorityKey;
  const { authorities } = await readTrust(home);
  return authorities.some(
    ({ certificate }) =>
      key !== undefined && equalBytes(certificate.publicKey, key) && equalBytes(certificate.subject, leaf.issuer),
  );
}
