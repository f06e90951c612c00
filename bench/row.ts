/** One line of the table: `ratio` compares with `against` (what the bare primitives give, in the same run). */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly ratio: number | null;
  readonly against: string | null;
}

/** What a run is asked for on the command line. */
export interface BenchOptions {
  /** Also the sizes that take minutes (1M entries). */
  readonly large: boolean;
}

/** Measures a few rows that share a set-up. `names` lists every row it may give, for `--only`. */
export interface Bench {
  readonly names: readonly string[];
  /** Flags for a Node.js of its own, where what is measured needs them. */
  readonly nodeFlags?: readonly string[];
  run(options: BenchOptions): Promise<Row[]>;
}
