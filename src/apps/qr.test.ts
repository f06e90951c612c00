import assert from 'node:assert/strict';
import { test } from 'node:test';
import decodeQR from 'qr/decode.js';
import { qrLines } from './qr.ts';

const HALVES: Readonly<Record<string, readonly [number, number]>> = {
  '█': [1, 1],
  '▀': [1, 0],
  '▄': [0, 1],
  ' ': [0, 0],
};
const PIXELS = 4;

test('a camera that looks at the terminal reads the token', () => {
  const token = `sealwire-enrol:${'Ab-_9'.repeat(14)}z`;
  const lines = qrLines(token);
  const rows = lines.flatMap((line) => [0, 1].map((half) => Array.from(line, (one) => HALVES[one]?.[half] ?? 0)));
  const width = Math.max(...rows.map((row) => row.length));
  assert.ok(width <= 60, 'it fits a terminal');
  const size = { width: width * PIXELS, height: rows.length * PIXELS };
  const data = new Uint8Array(size.width * size.height * 4).fill(255);
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const light = rows[Math.floor(y / PIXELS)]?.[Math.floor(x / PIXELS)] === 1;
      data.fill(light ? 255 : 0, (y * size.width + x) * 4, (y * size.width + x) * 4 + 3);
    }
  }
  assert.equal(decodeQR({ ...size, data }), token);
});
