import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { createConsole, printable } from './console.ts';

function streams(terminal: boolean, highWaterMark?: number) {
  const make = () => Object.assign(new PassThrough({ highWaterMark }), { isTTY: terminal, columns: 80 });
  return { out: make(), err: make() };
}

test('colour only on a terminal, and never against NO_COLOR', () => {
  const painted = (terminal: boolean, env: Record<string, string>): string => {
    const { out, err } = streams(terminal);
    return createConsole(out, err, env).paint('good', 'valid');
  };
  assert.equal(painted(true, {}), '\u001b[32mvalid\u001b[39m');
  assert.equal(painted(false, {}), 'valid');
  assert.equal(painted(true, { NO_COLOR: '1' }), 'valid');
  assert.equal(painted(true, { TERM: 'dumb' }), 'valid');
});

test('a line waits for a slow reader, and no longer for one that has gone', async () => {
  const { out, err } = streams(false, 8);
  const appConsole = createConsole(out, err, {});
  let done = false;
  const first = appConsole.line('longer than the buffer').then(() => {
    done = true;
  });
  await new Promise(setImmediate);
  assert.equal(done, false);
  assert.equal(String(out.read()), 'longer than the buffer\n');
  await first;
  const second = appConsole.line('longer than the buffer');
  out.destroy();
  await second;
  await appConsole.line('nobody reads this');
});

test('a status shows only on a terminal and gives way to lines', async () => {
  const plain = streams(false);
  createConsole(plain.out, plain.err, {}).status('50 %');
  assert.equal(plain.err.read(), null);
  const terminal = streams(true);
  const appConsole = createConsole(terminal.out, terminal.err, {});
  appConsole.status('50 %');
  await appConsole.line('done');
  assert.equal(String(terminal.err.read()), '\r\u001b[2K50 %\r\u001b[2K');
});

test('text from elsewhere cannot steer the terminal', () => {
  assert.equal(printable('20 °C\tok ✓ 雪'), '20 °C\tok ✓ 雪');
  assert.equal(printable('\u001b[2Jhi\r\n\u009b1m\u202e'), '\\u{1b}[2Jhi\\u{d}\\u{a}\\u{9b}1m\\u{202e}');
});
