import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { BrokerConnection, Publication, Qos, TakePublication } from '../../src/core/ports.ts';
import { refused } from '../support/refused.ts';
import { turn } from '../support/turns.ts';
import { pattern } from '../support/units.ts';

/** What the suite needs of a broker and of the way to it. */
export interface BrokerUnderTest {
  /** Qualities of service that it grants. */
  readonly qos: readonly Qos[];
  /** A line to the broker; the test closes it. */
  connect(): Promise<BrokerConnection>;
}

const TIMEOUT = { timeout: 60_000 };

/** Keeps what a line gets, and waits for it. */
class Mailbox {
  readonly got: Publication[] = [];
  #change = Promise.withResolvers<void>();

  readonly take: TakePublication = (publication) => {
    this.got.push(publication);
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  };

  async atLeast(count: number): Promise<Publication[]> {
    while (this.got.length < count) await this.#change.promise;
    return this.got;
  }

  /** Resolves when what is published on `topic` has come. */
  async until(topic: string): Promise<Publication[]> {
    while (!this.got.some((publication) => publication.topic === topic)) await this.#change.promise;
    return this.got;
  }

  get topics(): string[] {
    return this.got.map(({ topic }) => topic);
  }
}

let places = 0;

/** Runs the contract of `BrokerConnection` (src/core/ports.ts) against one broker, as parts of the test `t`. */
export async function brokerContract(t: TestContext, broker: BrokerUnderTest): Promise<void> {
  const promises: { readonly what: string; readonly body: (t: TestContext, root: string) => Promise<void> }[] = [];
  const qosMax = broker.qos.at(-1) ?? 0;
  const line = async (t: TestContext): Promise<BrokerConnection> => {
    const made = await broker.connect();
    t.after(() => made.close());
    return made;
  };
  /** `root` begins the topics of one test: a broker keeps what is retained. */
  const promise = (what: string, body: (t: TestContext, root: string) => Promise<void>): void => {
    promises.push({ what, body });
  };

  for (const qos of broker.qos) {
    promise(`publications arrive whole and in order at QoS ${qos}`, async (t, root) => {
      const [writer, reader] = [await line(t), await line(t)];
      const mailbox = new Mailbox();
      const granted = await reader.subscribe(`${root}/a`, qos, mailbox.take);
      assert.equal(granted.qos, qos);
      const sent = [0, 1, 2, 127, 128, 4096, 16_384, 65_536, 131_072].map((size, i) => pattern(size, i));
      for (const payload of sent) await writer.publish(`${root}/a`, payload.slice(), { qos });
      const got = await mailbox.atLeast(sent.length);
      assert.deepEqual(
        got.map(({ payload }) => new Uint8Array(payload)),
        sent,
      );
      assert.ok(got.every(({ topic, retained }) => topic === `${root}/a` && !retained));
    });

    promise(`publications that are not awaited keep their order at QoS ${qos}`, async (t, root) => {
      const [writer, reader] = [await line(t), await line(t)];
      const mailbox = new Mailbox();
      await reader.subscribe(`${root}/a`, qos, mailbox.take);
      const sent = Array.from({ length: 500 }, (_, i) => pattern(1 + (i % 300), i));
      const publishing = Promise.all(sent.map((payload) => writer.publish(`${root}/a`, payload.slice(), { qos })));
      const got = await mailbox.atLeast(sent.length);
      assert.deepEqual(
        got.map(({ payload }) => new Uint8Array(payload)),
        sent,
      );
      await publishing;
    });
  }

  promise('a line gets what matches its filters, and nothing else', async (t, root) => {
    const [writer, reader] = [await line(t), await line(t)];
    const [one, all] = [new Mailbox(), new Mailbox()];
    await reader.subscribe(`${root}/+/c`, qosMax, one.take);
    await reader.subscribe(`${root}/all/#`, qosMax, all.take);
    for (const topic of ['a/c', 'a/d', 'a/b/c', 'all', 'all/x/y', 'c', 'last/c', 'all/last']) {
      await writer.publish(`${root}/${topic}`, pattern(3, 1), { qos: qosMax });
    }
    await one.until(`${root}/last/c`);
    await all.atLeast(3);
    assert.deepEqual(one.topics, [`${root}/a/c`, `${root}/last/c`]);
    // MQTT keeps the order of one topic only.
    assert.deepEqual(all.topics.toSorted(), [`${root}/all`, `${root}/all/last`, `${root}/all/x/y`]);
  });

  promise('each of several subscriptions that match gets a publication', async (t, root) => {
    const [writer, reader] = [await line(t), await line(t)];
    const mailboxes = [new Mailbox(), new Mailbox(), new Mailbox()];
    const filters = [`${root}/#`, `${root}/a`, `${root}/a`];
    for (const [i, { take }] of mailboxes.entries()) await reader.subscribe(filters[i] ?? '', qosMax, take);
    await writer.publish(`${root}/a`, pattern(5, 1), { qos: qosMax });
    for (const mailbox of mailboxes) {
      const [first] = await mailbox.atLeast(1);
      assert.deepEqual(new Uint8Array(first?.payload ?? []), pattern(5, 1));
    }
  });

  promise('a line that publishes gets it as well where it has subscribed', async (t, root) => {
    const both = await line(t);
    const mailbox = new Mailbox();
    await both.subscribe(`${root}/a`, qosMax, mailbox.take);
    await both.publish(`${root}/a`, pattern(5, 1), { qos: qosMax });
    await mailbox.atLeast(1);
  });

  promise(
    'nothing comes any more once unsubscribe was called, and the same filter’s other readers stay',
    async (t, root) => {
      const [writer, reader] = [await line(t), await line(t)];
      const [gone, stays] = [new Mailbox(), new Mailbox()];
      const subscription = await reader.subscribe(`${root}/+`, qosMax, gone.take);
      await reader.subscribe(`${root}/+`, qosMax, stays.take);
      await writer.publish(`${root}/1`, pattern(1, 1), { qos: qosMax });
      await gone.until(`${root}/1`);
      await Promise.all([subscription.unsubscribe(), subscription.unsubscribe()]);
      await subscription.unsubscribe();
      await writer.publish(`${root}/2`, pattern(1, 1), { qos: qosMax });
      await stays.until(`${root}/2`);
      assert.deepEqual(gone.topics, [`${root}/1`]);
    },
  );

  promise('what is retained comes to who subscribes later, and says so', async (t, root) => {
    const [writer, reader] = [await line(t), await line(t)];
    const [early, late] = [new Mailbox(), new Mailbox()];
    await reader.subscribe(`${root}/+`, qosMax, early.take);
    await writer.publish(`${root}/kept`, pattern(9, 1), { qos: qosMax, retain: true });
    await writer.publish(`${root}/kept`, pattern(9, 2), { qos: qosMax, retain: true });
    await writer.publish(`${root}/gone`, pattern(9, 3), { qos: qosMax, retain: true });
    await writer.publish(`${root}/gone`, new Uint8Array(0), { qos: qosMax, retain: true });
    // The embedded broker loses what is retained where something else overtakes it.
    await early.atLeast(4);
    await writer.publish(`${root}/passing`, pattern(9, 4), { qos: qosMax });
    assert.ok((await early.atLeast(5)).every(({ retained }) => !retained));
    const second = await line(t);
    await second.subscribe(`${root}/+`, qosMax, late.take);
    await writer.publish(`${root}/end`, pattern(1, 1), { qos: qosMax });
    const seen = (await late.until(`${root}/end`)).map(({ topic, retained }) => [topic, retained]);
    assert.deepEqual(seen.toSorted(), [
      [`${root}/end`, false],
      [`${root}/kept`, true],
    ]);
    assert.deepEqual(new Uint8Array(late.got.find(({ retained }) => retained)?.payload ?? []), pattern(9, 2));
    await writer.publish(`${root}/kept`, new Uint8Array(0), { qos: qosMax, retain: true });
  });

  promise('a line takes one publication at a time, whichever of its subscriptions it is for', async (t, root) => {
    const [writer, reader] = [await line(t), await line(t)];
    let taking = 0;
    let mostAtOnce = 0;
    const got: string[] = [];
    const done = Promise.withResolvers<void>();
    const sent = Array.from({ length: 60 }, (_, i) => `${root}/${i % 2 ? 'a' : 'b'}/${i}`);
    const take: TakePublication = async ({ topic }) => {
      taking += 1;
      mostAtOnce = Math.max(mostAtOnce, taking);
      for (let i = 0; i < 3; i++) await turn();
      taking -= 1;
      got.push(topic);
      if (got.length === sent.length) done.resolve();
    };
    await reader.subscribe(`${root}/a/+`, qosMax, take);
    await reader.subscribe(`${root}/b/+`, qosMax, take);
    for (const topic of sent) await writer.publish(topic, pattern(1, 1), { qos: qosMax });
    await done.promise;
    assert.deepEqual(got.toSorted(), sent.toSorted());
    assert.equal(mostAtOnce, 1);
  });

  promise('what takes may publish, subscribe and unsubscribe', async (t, root) => {
    const [writer, reader] = [await line(t), await line(t)];
    const [answers, later] = [new Mailbox(), new Mailbox()];
    await writer.subscribe(`${root}/answer/+`, qosMax, answers.take);
    const first = await reader.subscribe(`${root}/ask/+`, qosMax, async ({ topic }) => {
      const subscription = await reader.subscribe(`${root}/later/+`, qosMax, later.take);
      if (topic.endsWith('unsubscribe')) await subscription.unsubscribe();
      for (let i = 0; i < 300; i++) await reader.publish(`${root}/answer/${i}`, pattern(500, i), { qos: qosMax });
    });
    await writer.publish(`${root}/ask/unsubscribe`, pattern(1, 1), { qos: qosMax });
    await writer.publish(`${root}/ask/stay`, pattern(1, 1), { qos: qosMax });
    await answers.atLeast(600);
    await first.unsubscribe();
    await writer.publish(`${root}/later/x`, pattern(1, 1), { qos: qosMax });
    await later.atLeast(1);
  });

  promise('what cannot be published or subscribed to is refused and does no harm', async (t, root) => {
    const both = await line(t);
    const mailbox = new Mailbox();
    await both.subscribe(`${root}/a`, qosMax, mailbox.take);
    for (const topic of ['', 'a/+', '#', '$SYS/x', 'a\u0000b', 'x'.repeat(300)]) {
      await refused(both.publish(topic, pattern(1, 1), { qos: qosMax }), 'topic-invalid', /cannot be used/);
    }
    for (const filter of ['', 'a#', 'a/#/b', '\ud800']) {
      await refused(both.subscribe(filter, qosMax, mailbox.take), 'topic-invalid', /cannot be used/);
    }
    await refused(both.publish(`${root}/a`, new Uint8Array(131_073), { qos: qosMax }), 'too-large', /131073 bytes/);
    await both.publish(`${root}/a`, pattern(2, 1), { qos: qosMax });
    assert.deepEqual(new Uint8Array((await mailbox.atLeast(1))[0]?.payload ?? []), pattern(2, 1));
  });

  promise('control topics of our own are topics like others', async (t) => {
    const both = await line(t);
    const mailbox = new Mailbox();
    const topic = `sealwire/1/${'A'.repeat(43)}/frames/${'B'.repeat(42)}${++places}`.slice(0, 110);
    await both.subscribe('sealwire/1/+/frames/+', qosMax, mailbox.take);
    await both.publish(topic, pattern(2, 1), { qos: qosMax });
    await mailbox.until(topic);
  });

  promise(
    'close lets the broker take what was published, is idempotent, and refuses what comes later',
    async (t, root) => {
      const [writer, reader] = [await line(t), await line(t)];
      const [mailbox, none] = [new Mailbox(), new Mailbox()];
      await reader.subscribe(`${root}/a`, qosMax, mailbox.take);
      const subscription = await writer.subscribe(`${root}/b`, qosMax, none.take);
      const sent = Array.from({ length: 100 }, (_, i) => pattern(1000, i));
      const publishing = sent.map((payload) => writer.publish(`${root}/a`, payload, { qos: qosMax }));
      await Promise.all([writer.close(), writer.close()]);
      await writer.close();
      await Promise.all(publishing);
      await mailbox.atLeast(sent.length);
      await refused(writer.publish(`${root}/a`, pattern(1, 1), { qos: qosMax }), 'session-closed', /closed/);
      await refused(writer.subscribe(`${root}/a`, qosMax, none.take), 'session-closed', /closed/);
      await subscription.unsubscribe();
      await reader.publish(`${root}/b`, pattern(1, 1), { qos: qosMax });
      await reader.publish(`${root}/a`, pattern(1, 1), { qos: qosMax });
      await mailbox.atLeast(sent.length + 1);
      assert.deepEqual(none.got, []);
    },
  );

  promise('a line may be closed by who is taking', async (t, root) => {
    const [writer, reader] = [await line(t), await line(t)];
    const closed = Promise.withResolvers<void>();
    let taken = 0;
    await reader.subscribe(`${root}/a`, qosMax, async () => {
      taken += 1;
      await reader.close();
      closed.resolve();
    });
    for (let i = 0; i < 10; i++) await writer.publish(`${root}/a`, pattern(1, i), { qos: qosMax });
    await closed.promise;
    await turn();
    assert.equal(taken, 1);
  });

  for (const { what, body } of promises) await t.test(what, TIMEOUT, (part) => body(part, `place${++places}`));
}
