import { bytesToHex } from '../../core/bytes.ts';
import type { Crypto } from '../../core/crypto/port.ts';
import { SealwireError } from '../../core/errors.ts';
import { TUNING } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import { type BrokerAddress, parseBrokerUrl, usesTls } from './address.ts';
import type { OnBrokerEvent } from './events.ts';

/** MQTT 3.1.1 and MQTT 5.0, as CONNECT numbers them. */
export type MqttVersion = 4 | 5;

/** Whom TLS believes, and who we are in it; PEM. A browser takes no notice of it: its own settings count. */
export interface MqttTls {
  /** Authorities that the broker's certificate may come from, in the place of the system's. */
  readonly ca?: string;
  /** Our own certificate, then what leads to its authority. */
  readonly cert?: string;
  readonly key?: string;
}

/** What `connectMqtt` takes; times in milliseconds unless they say otherwise. */
export interface MqttOptions {
  /** `mqtt://host:1883`, `mqtts://`, `ws://` or `wss://`; a user name and password may stand in it. */
  readonly url: string;
  /** Without it MQTT 5.0 is tried, then 3.1.1. */
  readonly protocolVersion?: MqttVersion;
  /** Random unless told. Two clients with one id throw each other out. */
  readonly clientId?: string;
  /**
   * Seconds for which the broker keeps what comes for this client while it is away, with its subscriptions: a persistent
   * session, which takes a `clientId` of one's own. 0 unless told. MQTT 3.1.1 knows no such time: the broker decides.
   */
  readonly keepSessionS?: number;
  /**
   * Seconds for which a broker of MQTT 5.0 keeps what comes while a broken connection is made again, so that nothing is
   * lost between; 120 unless told, 0 for none. Nothing is kept after `close`, nor where anything was published at QoS 2.
   */
  readonly resumeS?: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: MqttTls;
  readonly clock: Clock;
  /** `crypto.random`. */
  readonly random: Crypto['random'];
  /** Publications under way before `publish` waits. */
  readonly windowMax?: number;
  /** The same in bytes of payloads. */
  readonly windowBytesMax?: number;
  /** Publications that wait to be taken before no more is read, in number and in bytes of payloads. */
  readonly intakeMax?: number;
  readonly intakeBytesMax?: number;
  /** From the start of a connection to the broker's yes, and how long it may take to answer a subscription. */
  readonly connectTimeoutMs?: number;
  readonly closeTimeoutMs?: number;
  /** Seconds of silence after which the broker is asked whether it is still there. */
  readonly keepaliveS?: number;
  /** Bounds of the pause before a lost connection is made again. */
  readonly pauseMinMs?: number;
  readonly pauseMaxMs?: number;
  readonly onEvent?: OnBrokerEvent;
}

/** The options with what was left out filled in. */
export interface MqttSettings extends Required<Omit<MqttOptions, 'url' | 'protocolVersion' | 'username' | 'password'>> {
  readonly address: BrokerAddress;
  readonly protocolVersion: MqttVersion | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** aedes has at most 1,000 publications of QoS 2 under way, and breaks the connection beyond. */
const WINDOW_MAX = 1000;

/** Fills in; throws `address-invalid` for a URL that is none, or whose scheme does without the TLS that was asked for. */
export function mqttSettings(options: MqttOptions): MqttSettings {
  const { url, protocolVersion, username, password, tls = {}, ...rest } = options;
  const address = parseBrokerUrl(url);
  if (!usesTls(address) && Object.values(tls).some((pem) => pem !== undefined)) {
    throw new SealwireError('address-invalid', `${address.remote} is without TLS, but certificates are given for it.`, {
      hint: 'Use mqtts:// or wss://.',
    });
  }
  return {
    // 22 letters and digits: what every broker of MQTT 3.1.1 takes (section 3.1.3.1).
    clientId: `sw${bytesToHex(options.random(10))}`,
    windowMax: WINDOW_MAX,
    windowBytesMax: TUNING.windowBytesMax,
    intakeMax: TUNING.windowFramesMax,
    intakeBytesMax: TUNING.windowBytesMax,
    connectTimeoutMs: TUNING.connectTimeoutMs,
    closeTimeoutMs: TUNING.closeTimeoutMs,
    keepSessionS: 0,
    resumeS: TUNING.unconfirmedMaxMs / 1000,
    keepaliveS: 30,
    pauseMinMs: 200,
    pauseMaxMs: 30_000,
    onEvent: () => {},
    ...rest,
    tls,
    address,
    protocolVersion,
    username: username ?? address.username,
    password: password ?? address.password,
  };
}
