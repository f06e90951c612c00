import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bytesToHex } from '../../src/core/bytes.ts';
import { nobleCrypto } from '../../src/core/crypto/noble.ts';
import { decodeAnswer, encodeAnswer } from '../../src/core/enrolment/answer.ts';
import { decodeRequest, encodeRenewalRequest, encodeTokenRequest } from '../../src/core/enrolment/request.ts';
import { formatToken, tokenKeys } from '../../src/core/enrolment/token.ts';
import { draftSigningRequest } from '../../src/core/identity/signing-request.ts';
import type { Clock } from '../../src/core/ports.ts';
import { systemClock } from '../../src/node/clock.ts';
import { enrol, renew } from '../../src/roles/enrolment/enrolling.ts';
import { type Desk, openDesk } from '../support/enrolment.ts';
import { type HostileServer, hostileServer } from '../support/hostile-server.ts';
import { fixedHolder, fixedSigner, NOW_MS } from '../support/identities.ts';
import { lineTo } from '../support/mqtt.ts';

/** Goes as fast as the real one, at a time when the fixed certificates are valid. */
const clock: Clock = { ...systemClock, now: () => NOW_MS + systemClock.elapsed() };

async function scene(context: TestContext): Promise<{ readonly server: HostileServer; readonly desk: Desk }> {
  const server = await hostileServer(context);
  const desk = await openDesk(clock, async () => (await lineTo(context, server.url)).line);
  return { server, desk };
}

const isRequest = ({ topic }: { readonly topic: string }): boolean =>
  topic.startsWith('sealwire/1/enrol/') && !topic.endsWith('/answer');
const isAnswer = ({ topic }: { readonly topic: string }): boolean => topic.endsWith('/answer');

async function requestFor(name: string, key: number): Promise<Uint8Array> {
  const signer = fixedSigner(key);
  const draft = draftSigningRequest(name, signer.publicKey);
  return draft.finish(await signer.sign(draft.toBeSigned));
}

test('N28: the token does not travel, and whoever saw everything can neither enrol nor answer with it', async (t) => {
  const { server, desk } = await scene(t);
  const token = desk.token('sensor-*');
  await enrol(token, await desk.device('sensor-7', 1));
  const unused = desk.token('sensor-*');
  const seen = server.seen.map(({ topic, payload }) => topic + bytesToHex(payload)).join();
  const text = formatToken(nobleCrypto, token);
  const { requestKey, answerKey } = tokenKeys(nobleCrypto, token);
  for (const secret of [token.secret, requestKey, answerKey]) assert.ok(!seen.includes(bytesToHex(secret)));
  assert.ok(!seen.includes(text.slice(-30)));

  // Mallory repeats what was sent, puts her own request into it, and uses what she has seen as a key.
  const [request] = await server.see(1, isRequest);
  assert.ok(request);
  const { tag, signingRequest } = decodeRequest(request.payload);
  const hers = await requestFor('sensor-666', 66);
  const answers = server.seen.filter(isAnswer).length;
  server.publishRaw(request.topic, encodeTokenRequest(nobleCrypto, tag ?? new Uint8Array(32), hers));
  server.publishRaw(request.topic, encodeRenewalRequest(hers));
  server.publishRaw(request.topic.slice(0, -22) + bytesToHex(unused.secret).slice(0, 22), request.payload);
  server.publishRaw(request.topic, request.payload);
  const all = await server.see(answers + 1, isAnswer);
  const last = all.at(-1);
  assert.ok(last);
  // The one that is answered is the repeated one, with the certificate of the device.
  const again = decodeAnswer(nobleCrypto, answerKey, signingRequest, last.payload);
  assert.equal(again.type, 'enrolled');
  assert.deepEqual([...desk.authority.members.keys()], ['sensor-7']);
  assert.equal(desk.authority.issued, 1);
  // Honest traffic goes on.
  await enrol(unused, await desk.device('sensor-8', 2));
  assert.deepEqual([...desk.authority.members.keys()], ['sensor-7', 'sensor-8']);
});

test('N28: an altered request is not answered, and the device gets its certificate once it arrives whole', async (t) => {
  const { server, desk } = await scene(t);
  const token = desk.token('sensor-7');
  const hers = await requestFor('sensor-7', 66);
  let altered = 0;
  server.tamper((published, deliver) => {
    if (!isRequest(published) || altered >= 2) return deliver(published);
    altered += 1;
    const { tag } = decodeRequest(published.payload);
    // Another key under the same name, and then every bit of the request turned, one at a time.
    deliver({ ...published, payload: withTag(hers, tag) });
    for (let at = 0; at < published.payload.length; at++) {
      const payload = published.payload.slice();
      payload[at] = (payload[at] ?? 0) ^ (1 << (at % 8));
      deliver({ ...published, payload });
    }
  });
  const { chain } = await enrol(token, await desk.device('sensor-7', 1));
  assert.deepEqual(chain[0]?.publicKey, fixedSigner(1).publicKey);
  assert.equal(altered, 2);
  assert.equal(desk.authority.issued, 1);
  assert.deepEqual(desk.refused, []);
});

test('N28: answers that are made up, altered or meant for another are passed over', async (t) => {
  const { server, desk } = await scene(t);
  const [token, other] = [desk.token('sensor-7'), desk.token('sensor-8')];
  await enrol(other, await desk.device('sensor-8', 2));
  const [foreign] = server.seen.filter(isAnswer);
  const falseRoot = await fixedHolder('plant', 67, { ca: true });
  const falseLeaf = await fixedHolder('sensor-7', 1, { issuer: falseRoot });
  let held = 0;
  server.tamper((published, deliver) => {
    if (!isAnswer(published) || held >= 1) return deliver(published);
    held += 1;
    const { topic, payload } = published;
    if (foreign) server.publishRaw(topic, foreign.payload);
    const fake = {
      type: 'enrolled',
      chain: [falseLeaf.certificate.der],
      authority: falseRoot.certificate.der,
      roster: desk.authority.roster(),
    } as const;
    server.publishRaw(topic, encodeAnswer(nobleCrypto, null, new Uint8Array(), fake));
    server.publishRaw(topic, encodeAnswer(nobleCrypto, new Uint8Array(32), new Uint8Array(), fake));
    server.publishRaw(
      topic,
      encodeAnswer(nobleCrypto, null, new Uint8Array(), { type: 'refused', code: 'token-invalid', reason: 'no' }),
    );
    for (let at = 0; at < payload.length; at += 11) {
      const changed = payload.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      server.publishRaw(topic, changed);
    }
  });
  const { authority } = await enrol(token, await desk.device('sensor-7', 1));
  assert.deepEqual(authority.der, desk.authority.certificate);
  assert.equal(held, 1, 'the genuine answer was held back, and given again');
});

test('N28: a renewal that somebody else answers changes nothing; the authority is heard', async (t) => {
  const { server, desk } = await scene(t);
  const device = await desk.device('sensor-7', 1);
  await enrol(desk.token('sensor-7'), device);
  const falseRoot = await fixedHolder('plant', 67, { ca: true });
  const falseLeaf = await fixedHolder('sensor-7', 1, { issuer: falseRoot });
  server.tamper((published, deliver) => {
    if (isAnswer(published)) {
      const authority = falseRoot.certificate.der;
      for (const fake of [
        { type: 'enrolled', chain: [falseLeaf.certificate.der], authority, roster: null },
        {
          type: 'enrolled',
          chain: [falseLeaf.certificate.der],
          authority: desk.authority.certificate,
          roster: null,
        },
        { type: 'refused', code: 'enrolment-refused', reason: 'go away' },
      ] as const) {
        server.publishRaw(published.topic, encodeAnswer(nobleCrypto, null, new Uint8Array(), fake));
      }
    }
    deliver(published);
  });
  const { authority } = await renew(desk.authority.id, device);
  assert.deepEqual(authority.der, desk.authority.certificate);
});

test('N28: a flood of wrong requests issues nothing, is not answered, and the honest are served meanwhile', async (t) => {
  const { server, desk } = await scene(t);
  const token = desk.token('sensor-7');
  const bystander = desk.token('*');
  const device = await desk.device('sensor-9', 3);
  await enrol(desk.token('sensor-9'), device);
  const [seen] = await server.see(1, isRequest);
  assert.ok(seen);
  const root = seen.topic.slice(0, -22);
  const ids = [token, bystander].map((one) => Buffer.from(tokenKeys(nobleCrypto, one).tokenId).toString('base64url'));
  const hers = await requestFor('sensor-666', 66);
  const flood = encodeTokenRequest(nobleCrypto, new Uint8Array(32), hers);
  const unsigned = await requestFor('sensor-9', 3).then((whole) => {
    whole[whole.length - 1] = (whole.at(-1) ?? 0) ^ 1;
    return encodeRenewalRequest(whole);
  });
  const member = Buffer.from([...desk.authority.members.values()][0] ?? []).toString('base64url');
  const before = server.seen.filter(isAnswer).length;
  for (let i = 0; i < 3000; i++) {
    server.publishRaw(root + ids[i % 2], flood);
    server.publishRaw(root + member, unsigned);
    server.publishRaw(`${root}${Buffer.from(nobleCrypto.random(16)).toString('base64url')}`, flood);
    // One that was genuine once, again and again: it is answered a few times, not each time.
    server.publishRaw(seen.topic, seen.payload);
  }
  const { chain } = await enrol(token, await desk.device('sensor-7', 1));
  assert.equal(chain[0]?.commonName, 'sensor-7');
  assert.equal(desk.authority.issued, 2);
  const answers = server.seen.filter(isAnswer).length - before;
  assert.ok(answers < 30, `${answers} answers`);
});

function withTag(signingRequest: Uint8Array, tag: Uint8Array | null): Uint8Array {
  const bytes = encodeTokenRequest(nobleCrypto, new Uint8Array(32), signingRequest);
  if (tag) bytes.set(tag, bytes.length - tag.length);
  return bytes;
}
