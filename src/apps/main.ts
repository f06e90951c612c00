import { registerBroker } from './broker.ts';
import { registerBus } from './bus.ts';
import { registerIdentity } from './identity-commands.ts';
import { registerLedger } from './ledger.ts';
import { registerNotary } from './notary.ts';
import { type Family, runProgram } from './program.ts';
import { registerSession } from './session.ts';
import { registerTour } from './tour.ts';

/** The command families, in the order in which `--help` shows them. */
const families: readonly Family[] = [
  registerIdentity,
  registerSession,
  registerBus,
  registerBroker,
  registerNotary,
  registerLedger,
  registerTour,
];

await runProgram(process.argv.slice(2), families);
