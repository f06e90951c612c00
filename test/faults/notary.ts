import { runNotary } from '../../src/apps/notary.ts';

/** A notary in a process of its own, to be killed. */
const [, , home = '', url = ''] = process.argv;
await runNotary({ home, address: 'tcp://127.0.0.1:0', broker: { url } });
process.stdout.write('ready\n');
