/** One thread of a run: takes shares of targets, one after the other, and tells what came of them. */
import { parentPort, workerData } from 'node:worker_threads';
import { writeCorpus } from './corpus.ts';
import { fuzz } from './fuzzing.ts';
import { TARGETS } from './targets.ts';
import { type Order, type Told, Watch } from './watch.ts';

const watch = new Watch(workerData as SharedArrayBuffer);

async function work({ target: name, share, grow }: Order): Promise<Told> {
  const target = TARGETS.find((one) => one.name === name);
  if (!target) throw new Error(`there is no target ${name}`);
  const { tally, pool } = await fuzz(target, { ...share, onInput: (input) => watch.note(input) });
  watch.rest();
  return { tally, kept: grow ? await writeCorpus(target, pool) : 0 };
}

parentPort?.on('message', (order: Order) => {
  void work(order).then((told) => parentPort?.postMessage(told));
});
