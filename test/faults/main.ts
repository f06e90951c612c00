import { parseArgs } from 'node:util';
import { runRounds } from './rounds.ts';

const HELP = `npm run faults [-- options]
  --rounds N   processes that are killed, one after the other; 50 unless told
  --seed S     what all chance follows from; drawn unless told
  --json       { "rounds", "acknowledged", "delivered", "lost", "duplicated", "keysReused", "ledger" } alone`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: `${Math.floor(Math.random() * 2 ** 31)}` },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const [rounds, seed] = [Number(values.rounds), Number(values.seed)];
if (values.help || !Number.isSafeInteger(rounds) || rounds < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write(`${HELP}\n`);
  process.exit(values.help ? 0 : 2);
}
process.stderr.write(`seed ${seed}\n`);
const ends: (() => unknown)[] = [];
const context = { after: (end: () => unknown) => void ends.push(end) };
try {
  const startMs = performance.now();
  const outcome = await runRounds(context, {
    rounds,
    seed,
    onRound: (round, victim) => {
      if (values.json) return;
      process.stderr.write(`${round + 1}/${rounds} ${victim} ${Math.round(performance.now() - startMs)} ms\n`);
    },
  });
  process.stdout.write(`${JSON.stringify(outcome, null, values.json ? 0 : 2)}\n`);
  const { lost, duplicated, keysReused, ledger } = outcome;
  if (lost + duplicated + keysReused > 0 || ledger !== 'ok') process.exitCode = 1;
} finally {
  for (const end of ends.reverse()) await end();
}
