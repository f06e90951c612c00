import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { SqlitePeer } from '../../src/node/sqlite-peer.ts';
import type { BusMessage } from '../../src/roles/bus/bus.ts';
import { Square, tell, type Visitor } from '../support/bus.ts';

const seed = 20261124;

type Step =
  | { readonly type: 'send'; readonly count: number }
  | { readonly type: 'sender dies' | 'reader dies' | 'broker drops' | 'broker delivers' }
  | { readonly type: 'time'; readonly ms: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant('send' as const), count: fc.integer({ min: 1, max: 5 }) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constantFrom('sender dies', 'reader dies', 'broker drops', 'broker delivers'),
      }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 8000 }) }) },
  ),
  { maxLength: 14 },
);

/** A side whose process can die and come back over the same file. */
class Side {
  readonly #square: Square;
  readonly #name: string;
  readonly #path: string;
  #store: SqlitePeer | undefined;
  #visitor: Visitor | undefined;
  #lives = 0;

  constructor(square: Square, name: string, directory: string) {
    this.#square = square;
    this.#name = name;
    this.#path = join(directory, `${name}.db`);
  }

  get visitor(): Visitor {
    return this.#visitor ?? assert.fail();
  }

  async live(): Promise<Visitor> {
    this.#store = new SqlitePeer(this.#path);
    const delivery = { store: this.#store, acknowledge: 'manual' } as const;
    this.#visitor = await this.#square.enter(this.#name, { delivery }, `${this.#name} ${++this.#lives}`);
    await this.#visitor.bus.subscribe('a');
    return this.#visitor;
  }

  async die(): Promise<void> {
    await this.#visitor?.vanish();
    this.close();
  }

  close(): void {
    this.#store?.close();
  }
}

test('whatever dies and whatever a broker drops: what was queued comes once, and in the order of each process', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (plan) => {
      const directory = mkdtempSync(join(tmpdir(), 'sealwire-test-'));
      const square = new Square();
      const [alice, bob] = [new Side(square, 'alice', directory), new Side(square, 'bob', directory)];
      const came: string[] = [];
      const acknowledged = new Set<string>();
      let queued = 0;
      const read = async ({ bus }: Visitor): Promise<void> => {
        for await (const message of bus) await take(message);
      };
      const take = async ({ payload, redelivered, ack }: BusMessage): Promise<void> => {
        const text = new TextDecoder().decode(payload);
        assert.ok(!acknowledged.has(text), `${text} comes after it was acknowledged`);
        if (came.includes(text)) assert.ok(redelivered, `${text} comes twice, unmarked`);
        else came.push(text);
        await ack();
        acknowledged.add(text);
      };
      const violations: unknown[] = [];
      const start = async (side: Side): Promise<void> => {
        read(await side.live()).catch((error: unknown) => {
          // That a process that died can write no more is no violation.
          if (error instanceof assert.AssertionError) violations.push(error);
        });
      };
      try {
        await Promise.all([alice.live(), start(bob)]);
        for (const step of plan) {
          if (step.type === 'send')
            for (let i = 0; i < step.count; i++)
              await tell(alice.visitor, 'bob', 'a', `${queued++}`, { until: 'queued' });
          else if (step.type === 'time') await square.wait(step.ms);
          else if (step.type === 'broker drops') square.broker.tamper(() => {});
          else if (step.type === 'broker delivers') square.broker.tamper();
          else if (step.type === 'sender dies') await alice.die().then(() => alice.live());
          else await bob.die().then(() => start(bob));
        }
        square.broker.tamper();
        for (let waited = 0; came.length < queued && waited < 40; waited++) await square.wait(5000);
        assert.deepEqual(violations, []);
        assert.deepEqual(
          came,
          Array.from({ length: queued }, (_, i) => `${i}`),
        );
      } finally {
        await square[Symbol.asyncDispose]();
        for (const side of [alice, bob]) side.close();
        rmSync(directory, { recursive: true, force: true });
      }
    }),
    { seed, numRuns: 40 },
  );
});
