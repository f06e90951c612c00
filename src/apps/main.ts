import { type Family, runProgram } from './program.ts';

/** The command families, in the order in which `--help` shows them. */
const families: readonly Family[] = [];

await runProgram(process.argv.slice(2), families);
