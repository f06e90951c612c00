import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isSealwireError } from '../../core/errors.ts';
import { parseBrokerUrl } from './address.ts';

suite('a broker’s URL', () => {
  const good: readonly (readonly [url: string, expected: Partial<ReturnType<typeof parseBrokerUrl>>])[] = [
    ['mqtt://127.0.0.1', { scheme: 'mqtt', host: '127.0.0.1', port: 1883, remote: 'mqtt://127.0.0.1:1883' }],
    ['MQTTS://broker.example/', { scheme: 'mqtts', port: 8883, remote: 'mqtts://broker.example:8883' }],
    ['mqtt://[::1]:1884', { host: '::1', port: 1884, remote: 'mqtt://[::1]:1884' }],
    ['ws://host', { scheme: 'ws', port: 80, path: '/', remote: 'ws://host:80' }],
    ['wss://host:8084/mqtt?token=x', { port: 8084, path: '/mqtt?token=x', remote: 'wss://host:8084/mqtt' }],
    ['mqtt://ann:p%40ss%3A@host:1', { username: 'ann', password: 'p@ss:', remote: 'mqtt://host:1' }],
    ['mqtt://ann@host', { username: 'ann', remote: 'mqtt://host:1883' }],
  ];
  for (const [url, expected] of good) {
    test(`${url} is one`, () => {
      const parsed = parseBrokerUrl(url);
      assert.deepEqual({ ...parsed, ...expected }, parsed);
    });
  }

  test('without a user name there is none', () => {
    assert.deepEqual(Object.keys(parseBrokerUrl('mqtt://host')).toSorted(), [
      'host',
      'path',
      'port',
      'remote',
      'scheme',
    ]);
  });

  for (const url of [
    '',
    'host:1883',
    'tcp://host:1',
    'mqtt://',
    'mqtt://:1883',
    'mqtt://host:0',
    'mqtt://host:65536',
    'mqtt://host:1/topic',
    'mqtt://a b',
    'mqtt://%ff:x@host',
    'ws://host/#fragment',
  ]) {
    test(`${JSON.stringify(url)} is none`, () => {
      assert.throws(
        () => parseBrokerUrl(url),
        (error) => isSealwireError(error, 'address-invalid') && error.hint !== undefined,
      );
    });
  }

  test('a password is not repeated to people', () => {
    for (const url of ['mqtt://ann:secret@host:0', 'http://ann:secret@host']) {
      assert.throws(
        () => parseBrokerUrl(url),
        (error) => error instanceof Error && !error.message.includes('secret'),
      );
    }
  });
});
