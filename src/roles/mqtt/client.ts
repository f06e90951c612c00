import mqtt, {
  type IClientOptions,
  type IConnackPacket,
  type IPublishPacket,
  type MqttClient,
  type Packet,
} from 'mqtt';
import { FRAME_BYTES_MAX } from '../../core/limits.ts';
import type { MqttSettings, MqttVersion } from './options.ts';
import { PacketGuard } from './packet-guard.ts';

/** Where MQTT.js takes ids of packets from. */
export const PacketIds: typeof mqtt.DefaultMessageIdProvider = mqtt.DefaultMessageIdProvider;

export type { IConnackPacket, IPublishPacket, MqttClient, Packet };

/** A frame, a topic, and room for properties that brokers add. */
const PACKET_BYTES_MAX: number = FRAME_BYTES_MAX + 16 * 1024;
/**
 * MQTT 3.1.1 has no way to say it: whoever may write where we read would break our connection by a packet over the
 * bound, again and again if it is retained. So it is wide there, and what is over ours is read and dropped.
 */
const PACKET_BYTES_MAX_311: number = 16 * 1024 * 1024;
const ID_MAX = 0xffff;
/** MQTT.js has a timer of its own that cannot be left out: ours comes first. */
const NEVER_MS = 2 ** 31 - 1;

/** What a connection has of those before it. */
export interface Past {
  /** The broker's session goes on, where it is still there. */
  readonly resume: boolean;
  /** Ids go on too: the broker may still know those of the connection before. */
  readonly ids: InstanceType<typeof PacketIds>;
}

/**
 * MQTT.js's client for one network connection, which it has begun to make. Nothing of MQTT.js that would go on over
 * several connections is in use: no reconnecting, no resubscribing, no queue, no store. Throws what TLS throws for
 * certificates or keys that it cannot read.
 */
export function startClient(settings: MqttSettings, version: MqttVersion, past: Past): MqttClient {
  const client = mqtt.connect(clientOptions(settings, version, past));
  const { stream } = client;
  // Or each publication waits for the acknowledgement of the last packet, up to 40 ms.
  if ('setNoDelay' in stream) (stream as { setNoDelay(noDelay: boolean): void }).setNoDelay(true);
  const guard = new PacketGuard(version === 5 ? PACKET_BYTES_MAX : PACKET_BYTES_MAX_311);
  stream.on('data', (chunk: Uint8Array) => {
    if (!guard.admits(chunk)) stream.destroy(tooLarge());
  });
  client.on('packetreceive', (packet) => {
    if (hasId(packet)) return;
    stream.destroy(malformed());
    // It goes on with the packet all the same, and would throw where nobody catches it.
    packet.cmd = 'pingresp';
  });
  return client;
}

/** False for an id that is none (MQTT 5.0, section 2.2.1), −1 for one that was cut: MQTT.js answers under it and fails. */
function hasId({ messageId }: Packet): boolean {
  return messageId === undefined || (messageId > 0 && messageId <= ID_MAX);
}

/** What is the error's own reason code, where the broker gave one (MQTT 3.1.1, section 3.2.2.3; 5.0, section 2.4). */
export function reasonCode(error: unknown): number | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code : undefined;
}

/** A reason code in words. */
export function reasonText(code: number): string {
  const text = mqtt.ReasonCodes[code as keyof typeof mqtt.ReasonCodes];
  return text ? text.toLowerCase() : `reason code ${code}`;
}

/**
 * The payload as MQTT.js should get it: it clones what it sends, and of a view it clones the whole buffer that lies
 * beneath. Of Node's own kind of view it takes the part.
 */
export function packetPayload(payload: Uint8Array): Buffer {
  const own = globalThis.Buffer as typeof Buffer | undefined;
  if (own) return own.from(payload.buffer, payload.byteOffset, payload.length);
  const isWhole = payload.length === payload.buffer.byteLength;
  return (isWhole ? payload : payload.slice()) as Buffer;
}

function clientOptions(settings: MqttSettings, version: MqttVersion, { resume, ids }: Past): IClientOptions {
  const { address, clientId, username, password, tls, keepaliveS, keepSessionS, resumeS, intakeMax } = settings;
  const sessionExpiryInterval = keepSessionS || resumeS;
  const { scheme: protocol, host, port, path } = address;
  return {
    protocol,
    host,
    hostname: protocol.startsWith('ws') && host.includes(':') ? `[${host}]` : host,
    port,
    ...(protocol.startsWith('ws')
      ? { path, wsOptions: { perMessageDeflate: false, maxPayload: PACKET_BYTES_MAX_311 } }
      : {}),
    clientId,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...tls,
    rejectUnauthorized: true,
    protocolVersion: version,
    clean: keepSessionS === 0 && !resume,
    messageIdProvider: ids,
    keepalive: keepaliveS,
    connectTimeout: NEVER_MS,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    outgoingStore: new NoStore(),
    incomingStore: new NoStore(),
    ...(version === 5
      ? {
          properties: {
            receiveMaximum: Math.min(intakeMax, 65_535),
            maximumPacketSize: PACKET_BYTES_MAX,
            ...(sessionExpiryInterval === 0 ? {} : { sessionExpiryInterval }),
          },
        }
      : {}),
  };
}

function malformed(): Error {
  return Object.assign(new Error('the broker sends a packet without its id'), { code: 'PACKET_MALFORMED' });
}

function tooLarge(): Error {
  return Object.assign(new Error('the broker sends a packet over the bound'), { code: 'PACKET_TOO_LARGE' });
}

/** The window keeps what is under way, and acknowledgements are ours: MQTT.js keeps nothing. */
class NoStore extends mqtt.Store {
  override put(_packet: unknown, done?: () => void): this {
    done?.();
    return this;
  }

  override del(_packet: unknown, done?: () => void): this {
    done?.();
    return this;
  }
}
