import { test } from 'node:test';
import { memoryBroker } from '../../src/roles/memory-broker.ts';
import { brokerContract } from './broker-connection.ts';

test('a line to a broker in memory', (t) => {
  const broker = memoryBroker();
  return brokerContract(t, { qos: [0, 1, 2], connect: () => Promise.resolve(broker.connect()) });
});
