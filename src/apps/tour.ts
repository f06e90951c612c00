import type { Command } from 'commander';
import { systemClock } from '../node/clock.ts';
import type { Context } from './context.ts';
import { duration } from './duration.ts';
import { EXIT } from './report.ts';
import { makeCast } from './tour/cast.ts';
import { consoleNarrator, silentNarrator } from './tour/narrator.ts';
import { playStory } from './tour/story.ts';

/** Between two readings, unless the whole tour is shorter. */
const EVERY_MS = 1000;
/** So many readings have to fit in before the last scene is played. */
const READINGS_MIN = 10;

interface TourFlags {
  /** Milliseconds. */
  readonly for?: number;
  readonly embedded?: boolean;
}

/** `tour`, which `npm start` runs: everything at work on this machine's own readings. */
export function registerTour(program: Command, context: Context): void {
  program
    .command('tour')
    .description('show it all at work: a sensor, an operator, a notary, a broker, and somebody in the middle')
    .option('--for <time>', 'end by itself after that long, for example 10s (default: until Ctrl-C)', duration)
    .option('--embedded', 'with the broker that is built in, even where Mosquitto is installed')
    .action((flags: TourFlags) => tour(context, flags));
}

async function tour(context: Context, { for: forMs, embedded = false }: TourFlags): Promise<void> {
  const narrator = context.json ? silentNarrator : consoleNarrator(context.console);
  const everyMs = Math.min(EVERY_MS, Math.ceil((forMs ?? Number.POSITIVE_INFINITY) / READINGS_MIN));
  const timeUp = new AbortController();
  const cancel = forMs === undefined ? () => {} : systemClock.after(forMs, () => timeUp.abort());
  await using cast = await makeCast(systemClock.now());
  try {
    const outcome = await playStory(cast, narrator, {
      embedded,
      everyMs,
      fasterMs: Math.ceil(everyMs / 2),
      timeUp: timeUp.signal,
      abandon: context.signal,
    });
    if (context.json) await context.console.json(outcome);
    else for (const [name, value] of Object.entries(outcome)) narrator.fact(name, String(value));
    if (outcome.ledger !== 'valid') process.exitCode = EXIT.refused;
  } finally {
    cancel();
  }
}
