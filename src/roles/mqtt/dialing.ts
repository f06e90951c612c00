import type { SealwireError } from '../../core/errors.ts';
import { type IConnackPacket, type MqttClient, type Past, startClient } from './client.ts';
import type { MqttSettings, MqttVersion } from './options.ts';
import { connectFailure, type Failure, mayBeVersion } from './refusals.ts';

/** Why an attempt failed. */
export interface DialFailure {
  readonly error: SealwireError;
  /** The broker may be one of MQTT 3.1.1 that was asked for 5.0. */
  readonly mayBeVersion: boolean;
}

/** An attempt to connect. */
export interface Dialling {
  /** Undefined for success; never rejects. */
  readonly result: Promise<DialFailure | undefined>;
  /** Gives it up; without effect once it has ended. */
  abort(): void;
}

/** Is called with the broker's yes, at once: what comes next is for whom it makes listen. */
export type OnYes = (client: MqttClient, connack: IConnackPacket) => void;

/** Makes one network connection and waits for the broker's yes. */
export function dial(settings: MqttSettings, version: MqttVersion, past: Past, onYes: OnYes): Dialling {
  const { address, clock, connectTimeoutMs } = settings;
  const { promise: result, resolve } = Promise.withResolvers<DialFailure | undefined>();
  const refused = (failure: Failure): DialFailure => ({
    error: connectFailure(address.remote, failure),
    mayBeVersion: mayBeVersion(failure),
  });
  let client: MqttClient;
  try {
    client = startClient(settings, version, past);
  } catch (error) {
    resolve(refused({ kind: 'error', error }));
    return { result, abort: () => {} };
  }
  const { stream } = client;
  let hasEnded = false;
  const fail = (failure: Failure): void => {
    if (hasEnded) return;
    settle();
    // Whatever it still says is of no interest, but must be listened to.
    stream.on('error', () => {});
    stream.destroy();
    resolve(refused(failure));
  };
  const onConnect = (connack: IConnackPacket): void => {
    settle();
    onYes(client, connack);
    resolve(undefined);
  };
  const onError = (error: unknown): void => fail({ kind: 'error', error });
  const onClose = (): void => fail({ kind: 'closed' });
  const stopTimer = clock.after(connectTimeoutMs, () => fail({ kind: 'silent', timeoutMs: connectTimeoutMs }));
  const settle = (): void => {
    hasEnded = true;
    stopTimer();
    client.off('connect', onConnect).off('error', onError).off('close', onClose);
    stream.off('error', onError);
  };
  client.on('connect', onConnect).on('error', onError).on('close', onClose);
  // MQTT.js keeps errors without a code to itself, such as an HTTP answer to a WebSocket's opening.
  stream.on('error', onError);
  return { result, abort: onClose };
}
