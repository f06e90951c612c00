import { bytesToHex } from '../core/bytes.ts';
import { formatId } from '../core/identity/id.ts';
import { parseInboxTopic } from '../core/inbox.ts';
import type { BrokerConnection } from '../core/ports.ts';
import type { LoadedIdentity } from '../node/home.ts';
import { writePem } from '../node/pem.ts';
import { connectMqtt } from '../roles/mqtt/connection.ts';
import type { OnBrokerEvent } from '../roles/mqtt/events.ts';
import type { MqttTls, MqttVersion } from '../roles/mqtt/options.ts';
import type { PeerOptions } from '../roles/peer.ts';

/** How a broker lets one in. */
export interface BrokerAccess {
  readonly username?: string;
  readonly password?: string;
  /** 5 unless told; a broker that speaks 3.1.1 only is met on that. */
  readonly protocolVersion?: MqttVersion;
  /** PEM. Without a certificate of its own the identity's is shown, if it is asked for. */
  readonly tls?: MqttTls;
  readonly onEvent?: OnBrokerEvent;
  /**
   * Seconds for which the broker keeps what comes while this client is away; 0 unless told. It then goes by `clientId`,
   * or by an id made of the identity's, so that one identity has one such client at a broker unless told.
   */
  readonly keepSessionS?: number;
  readonly clientId?: string;
}

/**
 * Connects to `mqtt://`, `mqtts://`, `ws://` or `wss://` as an identity. Rejects with `address-invalid`,
 * `broker-unreachable` or `broker-refused`.
 */
export function connectAs(
  identity: LoadedIdentity,
  url: string,
  { clock, crypto }: Pick<PeerOptions, 'clock' | 'crypto'>,
  { tls, ...access }: BrokerAccess,
): Promise<BrokerConnection> {
  const shown = /^(mqtts|wss):/i.test(url) ? ownCertificate(identity) : {};
  const stable = access.keepSessionS ? { clientId: `sw${bytesToHex(identity.id.subarray(0, 10))}` } : {};
  return connectMqtt({ url, ...stable, ...access, tls: { ...shown, ...tls }, clock, random: crypto.random });
}

/** For people: whom a publication in an inbox says that it is from, by its topic; elsewhere the topic. */
export function claimedSender(topic: string): string {
  const address = parseInboxTopic(topic);
  return address === null ? topic : formatId(address.from);
}

/** The pair serves TLS as well: a broker may hold its clients to the same identities. */
function ownCertificate({ certificates, privateKey }: LoadedIdentity): { readonly cert: string; readonly key: string } {
  return {
    cert: certificates.map((der) => writePem('CERTIFICATE', der)).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
