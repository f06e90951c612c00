import type { TestContext } from 'node:test';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';

/** A publication that a client without any keys got to see. */
export interface Overheard {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained: boolean;
}

/** Somebody who may do everything at a broker that a plain client can, and has nobody's keys. */
export interface ThirdParty {
  readonly client: MqttClient;
  /** Everything that was published since it came, its own publications too. */
  readonly heard: readonly Overheard[];
  /** Resolves with the first `count` of what was heard that `which` holds for, once there are so many. */
  hear(count: number, which?: (one: Overheard) => boolean): Promise<Overheard[]>;
  /** Does something about each publication as it comes; its own come as well. */
  react(reaction: (one: Overheard) => void): void;
  /** Resolves once the broker has taken it. */
  publish(topic: string, payload: Uint8Array, retain?: boolean): Promise<void>;
}

/** A plain MQTT.js client that listens to everything, gone after the test. */
export async function thirdParty(context: TestContext, url: string, options: IClientOptions = {}): Promise<ThirdParty> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options });
  context.after(() => client.endAsync(true));
  const heard: Overheard[] = [];
  let change = Promise.withResolvers<void>();
  let reaction = (_: Overheard): void => {};
  client.on('message', (topic, payload, { retain }) => {
    const one = { topic, payload: new Uint8Array(payload), retained: retain };
    heard.push(one);
    reaction(one);
    change.resolve();
    change = Promise.withResolvers();
  });
  await client.subscribeAsync('#', { qos: 1 });
  return {
    client,
    heard,
    hear: async (count, which = () => true) => {
      for (;;) {
        const found = heard.filter(which);
        if (found.length >= count) return found.slice(0, count);
        await change.promise;
      }
    },
    react: (next) => {
      reaction = next;
    },
    publish: async (topic, payload, retain = false) => {
      await client.publishAsync(topic, Buffer.from(payload), { qos: 1, retain });
    },
  };
}
