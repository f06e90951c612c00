import { type Family, runProgram, wholeNumber } from '../../src/apps/program.ts';
import { SealwireError } from '../../src/core/errors.ts';

/** Commands that end in every way a command can end. */
const sample: Family = (program, context) => {
  program
    .command('greet')
    .argument('<name>')
    .option('--times <n>', 'how often', wholeNumber(1, 9), 1)
    .action(async (name: string, { times }: { times: number }) => {
      for (let i = 0; i < times; i++) await context.console.line(`hello ${name} of ${context.home}`);
    });
  program.command('refuse').action(() => {
    throw new SealwireError('mac-invalid', 'Frame 7 does not hold.', { hint: 'Ask for it again.' });
  });
  program.command('crash').action(() => {
    throw new TypeError('undefined is not a function\n  secret second line');
  });
  program.command('crash-later').action(async () => {
    setImmediate(() => Promise.reject(new RangeError('lost promise')));
    await new Promise(() => setInterval(() => {}, 1000));
  });
  program.command('wait').action(async () => {
    const keepAlive = setInterval(() => {}, 1000);
    const aborted = new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }));
    await context.console.line('waiting');
    await aborted;
    clearInterval(keepAlive);
    context.console.note(`ended by ${context.signal.reason}`);
  });
  program.command('flood').action(async () => {
    while (!context.signal.aborted) await context.console.line('x'.repeat(1000));
  });
};

await runProgram(process.argv.slice(2), [sample]);
