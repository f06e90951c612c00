import type { Writable } from 'node:stream';
import { styleText } from 'node:util';

/** A stream that may be a terminal. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Words that a meaning gives its colour to; without colour the plain text stays. */
export type Tone = 'good' | 'bad' | 'quiet' | 'strong' | 'name';

/** Where commands write: results to standard output, everything else to standard error. */
export interface AppConsole {
  /** One line of result; resolves when the reader has room for more. Resolves at once after the reader has gone. */
  line(text?: string): Promise<void>;
  /** One result as one line of JSON. Byte strings are the caller's to spell out. */
  json(value: unknown): Promise<void>;
  /** One line for people on standard error: progress, hints. */
  note(text: string): void;
  /** Replaces the last {@link AppConsole.status} on a terminal; does nothing elsewhere. An empty text clears it. */
  status(text: string): void;
  /** Colours `text` for standard output, only on a terminal and without NO_COLOR. */
  paint(tone: Tone, text: string): string;
  /** True when standard output is a terminal. */
  readonly isTerminal: boolean;
}

const FORMATS = { good: 'green', bad: 'red', quiet: 'dim', strong: 'bold', name: 'cyan' } as const;
const CLEAR_LINE = '\r\u001b[2K';

/** An {@link AppConsole} over two streams; `env` is read for NO_COLOR (no-color.org) and TERM=dumb. */
export function createConsole(
  out: OutputStream,
  err: OutputStream,
  env: Readonly<Record<string, string | undefined>>,
): AppConsole {
  const colours = out.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  let statusShown = false;

  const status = (text: string): void => {
    if (err.isTTY !== true || env['TERM'] === 'dumb' || (text === '' && !statusShown)) return;
    statusShown = text !== '';
    err.write(CLEAR_LINE + text.slice(0, Math.max(20, (err.columns ?? 80) - 1)));
  };
  const line = async (text = ''): Promise<void> => {
    status('');
    await written(out, `${text}\n`);
  };
  return {
    line,
    json: (value) => line(JSON.stringify(value)),
    note(text) {
      status('');
      err.write(`${text}\n`);
    },
    status,
    paint: (tone, text) => (colours ? styleText(FORMATS[tone], text, { validateStream: false }) : text),
    isTerminal: out.isTTY === true,
  };
}

/** Resolves once `stream` has taken `text` and has room for more, or is gone. */
function written(stream: Writable, text: string): Promise<void> | undefined {
  if (stream.destroyed || stream.write(text)) return undefined;
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done).off('error', done);
      resolve();
    };
    stream.on('drain', done).on('close', done).on('error', done);
  });
}

/**
 * Text that came from elsewhere, made safe for a terminal: control characters, which could move the cursor or
 * recolour what we say, and characters that turn the direction of writing, show as `\u{…}`; tabs stay.
 */
export function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
