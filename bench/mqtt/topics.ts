import type { SessionTuning } from '../../src/roles/session-context.ts';
import type { SigningKey } from './signed.ts';

/** Bytes of each message. */
export const PAYLOAD_BYTES = 256;

/**
 * Where plain MQTT.js publishes one payload at a time, where it publishes packed ones, where each with a bare signature,
 * and where we publish.
 */
export const TOPIC = {
  plain: 'bench/plain',
  packed: 'bench/packed',
  signed: 'bench/signed',
  sealed: 'bench/sealed',
} as const;

/** What is measured. */
export type Line = keyof typeof TOPIC;

/** Everything that a helper needs to take part. */
export interface Place {
  /** The broker. */
  readonly url: string;
  /** A home that trusts the other side, which goes by `writer` or `reader`. */
  readonly home: string;
  readonly qos: 0 | 1 | 2;
  readonly tuning: Partial<SessionTuning>;
  /** Where messages are kept. */
  readonly store: 'disk' | 'memory';
  /** Of what is only signed. */
  readonly signingKey: SigningKey;
}

/** When a payload left, in its first 8 bytes: nanoseconds of a clock that all processes of a machine share. */
export function stamp(payload: Uint8Array): void {
  new DataView(payload.buffer, payload.byteOffset).setBigUint64(0, process.hrtime.bigint());
}

/** Milliseconds since {@link stamp}. */
export function ageMs(payload: Uint8Array): number {
  const left = new DataView(payload.buffer, payload.byteOffset).getBigUint64(0);
  return Number(process.hrtime.bigint() - left) / 1e6;
}
