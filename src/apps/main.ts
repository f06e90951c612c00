import { registerBroker } from './broker.ts';
import { registerEnrol } from './enrol.ts';
import { registerIdentity } from './identity-commands.ts';
import { registerLedger } from './ledger.ts';
import { registerNotary } from './notary.ts';
import { type Family, runProgram } from './program.ts';
import { registerPub } from './pub.ts';
import { registerRoster } from './roster/commands.ts';
import { registerSession } from './session.ts';
import { registerSub } from './sub.ts';
import { registerToken } from './token.ts';
import { registerTour } from './tour.ts';
import { registerUp } from './up.ts';

/** The command families, in the order in which `--help` shows them. */
const families: readonly Family[] = [
  registerIdentity,
  registerUp,
  registerToken,
  registerEnrol,
  registerSession,
  registerRoster,
  registerPub,
  registerSub,
  registerBroker,
  registerNotary,
  registerLedger,
  registerTour,
];

await runProgram(process.argv.slice(2), families);
