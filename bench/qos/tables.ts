import type { FloodRow, OverloadRow, QosRow, SeldomRow, SteadyRow } from './rows.ts';

/** A table of the page, by the name that its markers have. */
export interface Table {
  readonly name: QosRow['measured'];
  readonly text: string;
}

/** Markdown of every table that there are rows for. */
export function tablesOf(rows: readonly QosRow[]): Table[] {
  const steady = rows.filter((row) => row.measured === 'steady');
  const seldom = rows.filter((row) => row.measured === 'seldom');
  const flood = rows.filter((row) => row.measured === 'flood');
  const overload = rows.filter((row) => row.measured === 'overload');
  const tables: Table[] = [
    { name: 'steady', text: steadyTable(steady) },
    { name: 'seldom', text: markdown(SELDOM_HEAD, seldom.map(seldomCells)) },
    { name: 'flood', text: floodTable(flood) },
    { name: 'overload', text: markdown(OVERLOAD_HEAD, overload.map(overloadCells)) },
  ];
  return tables.filter(({ name }) => rows.some(({ measured }) => measured === name));
}

const STEADY_HEAD = [
  'round trip',
  'QoS',
  'plain: there after (p50, p99)',
  'the broker’s word after',
  'Sealwire: there after (p50, p99)',
  'the reader’s word after',
];

function steadyTable(rows: readonly SteadyRow[]): string {
  return markdown(
    STEADY_HEAD,
    pairs(rows).map(([plain, sealed]) => [
      `${plain.roundTripMs} ms`,
      `${plain.qos}`,
      there(plain),
      // At QoS 0 the broker says nothing.
      plain.qos === 0 ? '–' : ms(plain.knownP50Ms),
      there(sealed),
      ms(sealed.knownP50Ms),
    ]),
  );
}

function there({ openedP50Ms, openedP99Ms }: SteadyRow): string {
  return `${ms(openedP50Ms)}, ${ms(openedP99Ms)}`;
}

const SELDOM_HEAD = ['round trip', 'QoS', 'the reader’s word after', 'sent', 'there', 'sent again', 'told as lost'];

function seldomCells({ roundTripMs, qos, knownP50Ms, sent, came, repaired, told }: SeldomRow): string[] {
  const known = knownP50Ms === null ? '–' : ms(knownP50Ms);
  return [`${roundTripMs} ms`, `${qos}`, known, ...[sent, came, repaired, told].map(count)];
}

const FLOOD_HEAD = [
  'round trip',
  'QoS',
  'plain: messages/s',
  'lost',
  'twice',
  'Sealwire: messages/s',
  'lost',
  'twice',
  'frames sent again',
];

function floodTable(rows: readonly FloodRow[]): string {
  return markdown(
    FLOOD_HEAD,
    pairs(rows).map(([plain, sealed]) => [
      `${plain.roundTripMs} ms`,
      `${plain.qos}`,
      ...floodCells(plain),
      ...floodCells(sealed),
      count(sealed.repaired),
    ]),
  );
}

function floodCells({ perSecond, lost, safe, twice }: FloodRow): string[] {
  return [count(perSecond), `${count(lost)} of ${count(safe)}`, count(twice)];
}

const OVERLOAD_HEAD = [
  'who, how, hang of',
  'QoS',
  'sent',
  'there',
  'lost without a word',
  'told as lost',
  'of these there',
  'twice',
  'frames sent again',
  'all done after',
];

function overloadCells(row: OverloadRow): string[] {
  const { qos, sent, came, lost, told, toldWrongly, twice, repaired, seconds } = row;
  const counts = [sent, came, lost, told, toldWrongly, twice, repaired].map(count);
  return [howOf(row), `${qos}`, ...counts, `${seconds.toFixed(1)} s`];
}

function howOf({ line, batchMax, mqtt, queuedMessagesMax, hangMs }: OverloadRow): string {
  const hang = `, ${hangMs / 1000} s`;
  if (line === 'plain') return `plain MQTT.js${hang}`;
  const batch = batchMax === 1 ? ', one message a frame' : '';
  const crowd = mqtt === 4 ? `, MQTT 3.1.1, a queue of ${queuedMessagesMax}` : '';
  return `Sealwire${batch}${crowd}${hang}`;
}

/** Of rows that differ in their line only: plain, then sealed. */
function pairs<Row extends SteadyRow | FloodRow>(rows: readonly Row[]): (readonly [Row, Row])[] {
  return rows.flatMap((plain) => {
    if (plain.line !== 'plain') return [];
    const { qos, roundTripMs } = plain;
    const sealed = rows.find((row) => row.line === 'sealed' && row.qos === qos && row.roundTripMs === roundTripMs);
    return sealed ? [[plain, sealed] as const] : [];
  });
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

function count(value: number): string {
  return value.toLocaleString('en-GB', { maximumFractionDigits: 0 });
}

/** All columns but the first to the right, each as wide as its widest cell, as the formatter has it. */
function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...lines].map((cells) => cells[column]?.length ?? 0)));
  const padded = (cell: string, column: number): string => {
    const width = widths[column] ?? 0;
    return column === 0 ? cell.padEnd(width) : cell.padStart(width);
  };
  const row = (cells: readonly string[]): string => `| ${cells.map(padded).join(' | ')} |`;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [row(head), row(rule), ...lines.map(row)].join('\n');
}
