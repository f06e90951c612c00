import { memoryBroker } from '../../src/roles/memory-broker.ts';
import { brokerContract } from './broker-connection.ts';

const broker = memoryBroker();

brokerContract({ name: 'memory', qos: [0, 1, 2], connect: () => Promise.resolve(broker.connect()) });
