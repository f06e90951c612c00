import { type AppConsole, printable } from '../console.ts';

/** Tells the story in plain words. */
export interface Narrator {
  /** What happens next. */
  scene(text: string): void;
  say(text: string): void;
  /** A named thing to look at. */
  fact(name: string, value: string): void;
  /** Somebody says what came to them. */
  heard(who: string, text: string): void;
  /** Something was checked: `holds`, or was refused. */
  verdict(holds: boolean, text: string): void;
}

const NAME_COLUMN = 12;

/** For people at a terminal or a log. */
export function consoleNarrator(console: AppConsole): Narrator {
  const tell = (text: string): void => void console.line(text);
  return {
    scene: (text) => tell(`\n${console.paint('strong', printable(text))}`),
    say: (text) => tell(`  ${printable(text)}`),
    fact: (name, value) => tell(`  ${console.paint('name', name.padEnd(NAME_COLUMN))}${printable(value)}`),
    heard: (who, text) => tell(`  ${console.paint('name', `${who}:`.padEnd(NAME_COLUMN))}${printable(text)}`),
    verdict: (holds, text) => tell(`  ${console.paint(holds ? 'good' : 'bad', holds ? '✔' : '✘')} ${printable(text)}`),
  };
}

/** For scripts, which want the last line only. */
export const silentNarrator: Narrator = { scene() {}, say() {}, fact() {}, heard() {}, verdict() {} };
