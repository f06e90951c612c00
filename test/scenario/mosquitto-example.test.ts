import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { connectAsync } from 'mqtt';
import { base64urlnopad } from '../../src/core/bytes.ts';
import { inboxTopic } from '../../src/core/inbox.ts';
import { noMosquitto, noMosquittoClients } from '../support/brokers.ts';
import { type Guest, MosquittoExample } from '../support/mosquitto-example.ts';
import { noOpenssl, openssl } from '../support/openssl.ts';

const skip = noMosquitto || noMosquittoClients || noOpenssl;

interface Plant {
  readonly example: MosquittoExample;
  readonly notary: Guest;
  readonly sensor: Guest;
  readonly operator: Guest;
  /** Its certificate was issued by the plant's authority. */
  readonly valve: Guest;
  /** Issued too, but no member. */
  readonly spare: Guest;
  /** What setup.sh is given for all of them but the spare. */
  readonly members: readonly string[];
}

/** The broker of a plant at work, set up as the example's README says. */
async function openPlant(): Promise<Plant> {
  const example = await MosquittoExample.open();
  const authority = await example.init('plant authority', ['--ca']);
  const issued = ['--issuer', join(example.directory, 'plant authority')];
  const [notary, sensor, operator, valve, spare] = await Promise.all([
    ...[example.init('notary'), example.init('sensor'), example.init('operator')],
    ...[example.init('valve', issued), example.init('spare', issued)],
  ]);
  if (!notary || !sensor || !operator || !valve || !spare) throw new Error('five were made');
  const members = [
    ...['--authority', authority.certificateFile, '--notary', notary.certificateFile],
    ...[sensor, operator, valve].map(({ certificateFile }) => certificateFile),
  ];
  const made = await example.setup(members);
  assert.equal(made.code, 0, made.stderr);
  await example.start();
  return { example, notary, sensor, operator, valve, spare, members };
}

let plant: Plant;

before(async () => {
  if (skip === false) plant = await openPlant();
});

after(async () => {
  if (skip === false) await plant.example[Symbol.asyncDispose]();
});

const inbox = (to: Guest, from: Guest, kind = 'frames'): string => `sealwire/1/${to.id}/${kind}/${from.id}`;

test('members write into each other’s inboxes as themselves, and read their own; the notary reads all', {
  skip,
}, async () => {
  const { example, notary, sensor, operator, valve } = plant;
  const [to, from] = [base64urlnopad.decode(operator.id), base64urlnopad.decode(sensor.id)];
  assert.equal(inbox(operator, sensor), inboxTopic({ to, lane: 'frames', from }));
  const notaryHears = await example.subscribe(notary, '#');
  const members = [sensor, operator, valve, notary];
  const all: string[] = [];
  for (const reader of members) {
    const hears = await example.subscribe(reader, `sealwire/1/${reader.id}/#`);
    const expected: string[] = [];
    for (const kind of ['handshake', 'frames']) {
      for (const writer of members.filter((one) => one !== reader)) {
        assert.equal(await example.publish(writer, inbox(reader, writer, kind), `from ${writer.name}`), 'taken');
        expected.push(`${inbox(reader, writer, kind)} from ${writer.name}`);
      }
    }
    assert.deepEqual(await hears(expected.length), expected);
    all.push(...expected);
  }
  assert.deepEqual(await notaryHears(all.length), all);
});

test('nobody writes as somebody else, or anything else below sealwire/', { skip }, async () => {
  const { example, notary, sensor, operator, valve } = plant;
  const notaryHears = await example.subscribe(notary, '#');
  for (const writer of [sensor, valve, notary]) {
    const forbidden = [
      inbox(operator, operator),
      inbox(operator, operator, 'handshake'),
      inbox(sensor, operator),
      inbox(writer, operator),
      inbox(operator, writer, 'other'),
      `${inbox(operator, writer)}/more`,
      `sealwire/1/${operator.id}`,
      `sealwire/1/${operator.id}/frames`,
      `sealwire/2/${operator.id}/frames/${writer.id}`,
      `sealwire/1/${operator.id}/x/frames/${writer.id}`,
      `sealwire/${writer.id}`,
      '$SYS/broker/version',
    ];
    for (const topic of forbidden) assert.equal(await example.publish(writer, topic, 'forged'), 'denied', topic);
    // Whatever user name it gives: the certificate's counts.
    assert.equal(await example.publish(writer, inbox(sensor, operator), 'forged', ['-u', 'operator']), 'denied');
    // MQTT 3.1.1 cannot say so, and drops it all the same.
    assert.equal(await example.publish(writer, inbox(operator, operator), 'forged', ['-V', '311']), 'taken');
    assert.equal(await example.publish(writer, inbox(operator, writer), 'genuine'), 'taken');
    assert.deepEqual(await notaryHears(1), [`${inbox(operator, writer)} genuine`]);
  }
});

test('a last will is under the same rules', { skip }, async () => {
  const { example, notary, sensor, operator } = plant;
  const notaryHears = await example.subscribe(notary, '#');
  for (const [topic, arrives] of [
    [inbox(operator, sensor), true],
    [inbox(operator, operator), false],
  ] as const) {
    const will = { topic, payload: Buffer.from('last will'), qos: 1 as const };
    const dying = await example.connect(sensor, { clientId: 'dying', will });
    // Whoever takes the client id over ends the first, and is let in after its will was done.
    const next = await example.connect(sensor, { clientId: 'dying' });
    await next.endAsync();
    dying.end(true);
    assert.equal(await example.publish(sensor, inbox(operator, sensor), 'after'), 'taken');
    const after = `${inbox(operator, sensor)} after`;
    assert.deepEqual(await notaryHears(arrives ? 2 : 1), arrives ? [`${topic} last will`, after] : [after]);
  }
});

test('nobody reads another’s inbox, however it asks', { skip }, async () => {
  const { example, sensor, operator, valve } = plant;
  const filters = [
    ...['#', '+/#', 'sealwire/#', 'sealwire/1/#', 'sealwire/1/+/#', 'sealwire/1/+/+/+', '+/+/+/frames/+'],
    ...[`sealwire/1/${operator.id}/#`, inbox(operator, sensor), inbox(operator, sensor, 'handshake'), '$SYS/#'],
    ...['$share/thieves/#', `$share/thieves/sealwire/1/${operator.id}/#`],
  ];
  const valveHears = await example.subscribe(valve, ...filters);
  const operatorHears = await example.subscribe(operator, `sealwire/1/${operator.id}/#`);
  for (const kind of ['handshake', 'frames']) {
    assert.equal(await example.publish(sensor, inbox(operator, sensor, kind), 'for the operator'), 'taken');
  }
  assert.equal((await operatorHears(2)).length, 2);
  // What it may read comes after what it may not, so it would be second.
  assert.equal(await example.publish(sensor, inbox(valve, sensor), 'for the valve'), 'taken');
  const [first] = await valveHears(1);
  assert.equal(first, `${inbox(valve, sensor)} for the valve`);
});

test('topics of the plant’s own are as its list says', { skip }, async () => {
  const { example, sensor, operator, valve } = plant;
  const operatorHears = await example.subscribe(operator, 'plant/#');
  const sensorHears = await example.subscribe(sensor, 'plant/#');
  const verdicts = [
    await example.publish(sensor, 'plant/sensor/load', '1'),
    await example.publish(valve, 'plant/valve/position', '2'),
    await example.publish(sensor, 'plant/valve/position', '3'),
    await example.publish(valve, 'plant/sensor/set', '4'),
    await example.publish(operator, 'plant/sensor/load', '5'),
    await example.publish(sensor, 'elsewhere', '6'),
    await example.publish(operator, 'plant/sensor/set', '7'),
  ];
  assert.deepEqual(verdicts, ['taken', 'taken', 'denied', 'denied', 'denied', 'denied', 'taken']);
  assert.deepEqual(await operatorHears(3), ['plant/sensor/load 1', 'plant/valve/position 2', 'plant/sensor/set 7']);
  assert.deepEqual(await sensorHears(1), ['plant/sensor/set 7']);
});

test('strangers do not get in, and whoever was issued a certificate but is no member may do nothing', {
  skip,
}, async () => {
  const { example, sensor, operator, valve, spare } = plant;
  const stranger = await example.init('stranger');
  const namesake = await example.init('operator', [], 'namesake');
  for (const outsider of [stranger, namesake]) {
    assert.equal(await example.publish(outsider, inbox(operator, outsider), 'x'), 'refused');
  }
  // A member's own key certifies nobody: here the valve tries to pass for the operator.
  const forger = await forge(example, valve, 'operator');
  assert.equal(await example.publish(forger, inbox(sensor, operator), 'x'), 'refused');
  assert.equal(await example.publish(spare, inbox(operator, spare), 'x'), 'denied');
  assert.equal(await example.publish(spare, 'plant/other/load', 'x'), 'denied');
  const heard: string[] = [];
  const listening = await example.connect(spare);
  listening.on('message', (topic) => heard.push(topic));
  await listening.subscribeAsync('#');
  assert.equal(await example.publish(sensor, inbox(operator, sensor), 'x'), 'taken');
  // The answer would come behind what it had been sent.
  await listening.unsubscribeAsync('#');
  assert.deepEqual(heard, []);
  await listening.endAsync();
});

test('only TLS 1.3 with a certificate will do', { skip }, async () => {
  const { example, sensor } = plant;
  await (await example.connect(sensor)).endAsync();
  const ca = await readFile(join(example.out, 'broker.crt'));
  const bare = { reconnectPeriod: 0, ca };
  await assert.rejects(connectAsync(`mqtts://localhost:${example.port}`, bare, false));
  await assert.rejects(connectAsync(`mqtt://localhost:${example.port}`, bare, false));
  const old = connectTls({
    ...{ host: 'localhost', port: example.port, ca, maxVersion: 'TLSv1.2' },
    cert: await readFile(sensor.certificateFile),
    key: await readFile(sensor.keyFile),
  });
  await assert.rejects(once(old, 'secureConnect'), /protocol version/);
});

test('a member that leaves is kept out from the next start on, one that comes is let in', { skip }, async () => {
  const { example, sensor, operator, valve, members } = plant;
  const newcomer = await example.init('newcomer');
  const now = [...members.filter((one) => one !== sensor.certificateFile), newcomer.certificateFile];
  await example.stop();
  const broker = await readFile(join(example.out, 'broker.crt'), 'utf8');
  const made = await example.setup(now);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(await readFile(join(example.out, 'broker.crt'), 'utf8'), broker);
  await example.start();
  assert.equal(await example.publish(sensor, inbox(operator, sensor), 'x'), 'refused');
  assert.equal(await example.publish(newcomer, inbox(operator, newcomer), 'x'), 'taken');
  assert.equal(await example.publish(valve, inbox(operator, valve), 'x'), 'taken');
});

test('setup.sh refuses members and rules that would let others speak in their name', { skip }, async () => {
  await using example = await MosquittoExample.open();
  const sensor = await example.init('sensor');
  const namesake = await example.init('sensor', [], 'namesake');
  const spaced = await example.init('sensor 7');
  const authority = await example.init('authority', ['--ca']);
  const valve = await example.init('valve', ['--issuer', join(example.directory, 'authority')]);
  const old = await selfMade(example, 'old', ['-days', '1', '-addext', 'basicConstraints=critical,CA:TRUE']);
  const torn = join(example.directory, 'torn.crt');
  await writeFile(torn, '-----BEGIN CERTIFICATE-----\n');
  const rule = async (text: string): Promise<string[]> => {
    const file = join(example.directory, 'topics');
    await writeFile(file, `user sensor\n${text}`);
    return ['--topics', file, sensor.certificateFile];
  };
  const cases: (readonly [args: readonly string[], why: RegExp])[] = [
    [[sensor.certificateFile, namesake.certificateFile], /two members are named sensor/],
    [[spaced.certificateFile], /'sensor 7' in .* cannot stand in the list/],
    [[authority.certificateFile], /is an authority/],
    [[old.certificateFile], /is an authority/],
    [['--authority', sensor.certificateFile], /is not the certificate of an authority/],
    [[valve.certificateFile], /was not issued by any --authority/],
    [[torn], /is no certificate/],
    [[join(example.directory, 'none.crt')], /is no certificate/],
    [[], /nobody would be let in/],
    [['--host', '127.0.0.1', sensor.certificateFile], /its address/],
    [['--port'], /usage/],
    [['--unknown'], /usage/],
    [await rule('topic readwrite #\n'), /would open inboxes/],
    [await rule('topic sealwire/1/#'), /would open inboxes/],
    [await rule('pattern read +/1/#\n'), /would open inboxes/],
    [await rule('pattern read %u/#\n'), /would open inboxes/],
  ];
  for (const [args, why] of cases) {
    const { code, stderr } = await example.setup(args);
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, /^setup: /);
    assert.match(stderr, why);
  }
  const made = await example.setup([
    '--authority',
    authority.certificateFile,
    valve.certificateFile,
    sensor.certificateFile,
  ]);
  assert.equal(made.code, 0, made.stderr);
});

/** A certificate for `name` that `issuer` signs, although it is no authority. */
async function forge(example: MosquittoExample, issuer: Guest, name: string): Promise<Guest> {
  const file = (ending: string): string => join(example.directory, `forged.${ending}`);
  await copyFile(issuer.keyFile, file('key'));
  openssl(['req', '-new', '-key', file('key'), '-subj', `/CN=${name}`, '-out', file('csr')]);
  const issued = ['-CA', issuer.certificateFile, '-CAkey', issuer.keyFile, '-CAcreateserial', '-days', '1'];
  const leaf = openssl(['x509', '-req', '-in', file('csr'), ...issued]);
  await writeFile(file('crt'), leaf + (await readFile(issuer.certificateFile, 'utf8')));
  return { ...issuer, name, certificateFile: file('crt') };
}

/** A certificate that OpenSSL's own command makes, signed by its own key. */
async function selfMade(example: MosquittoExample, name: string, flags: readonly string[]): Promise<Guest> {
  const file = (ending: string): string => join(example.directory, `${name}.${ending}`);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file('key')];
  openssl(['req', '-x509', ...key, '-subj', `/CN=${name}`, '-out', file('crt'), ...flags]);
  return { name, certificateFile: file('crt'), keyFile: file('key'), id: '' };
}
