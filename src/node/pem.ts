import { SealwireError } from '../core/errors.ts';

/** One block of a PEM file (RFC 7468): its label, what it holds, and its own text. */
export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY` … */
  readonly label: string;
  readonly der: Uint8Array;
  /** From `-----BEGIN` to `-----END …-----`, headers such as `Proc-Type` included. */
  readonly text: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,64})-----\r?\n([\s\S]*?)-----END \1-----/g;
const BLOCKS_MAX = 16;

/** The blocks of a PEM text in their order; other text is skipped. Throws `malformed`, naming `source`. */
export function readPem(text: string, source: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const [whole, label = '', body = ''] of text.matchAll(BLOCK)) {
    if (blocks.length === BLOCKS_MAX) {
      throw new SealwireError('too-large', `${source} holds more than ${BLOCKS_MAX} PEM blocks.`);
    }
    // RFC 1421 headers end with an empty line; only legacy encrypted keys have them.
    const base64 = body.replace(/^([A-Za-z-]+: .*\r?\n)+\r?\n/, '').replace(/\s/g, '');
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64) || base64.length % 4 !== 0) {
      throw new SealwireError('malformed', `A PEM block in ${source} is not base64.`);
    }
    blocks.push({ label, der: new Uint8Array(Buffer.from(base64, 'base64')), text: `${whole}\n` });
  }
  return blocks;
}

/** One PEM block of `der`, lines of 64 characters. */
export function writePem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
