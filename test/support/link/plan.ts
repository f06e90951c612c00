import type { Random } from '../../fuzz/random.ts';
import type { WayTiming } from './delayed-way.ts';

/** Which way something travels: from the client, or to it. */
export type LinkWay = 'out' | 'back';

/** Both bounds may be drawn; whole numbers. */
export type Range = readonly [min: number, max: number];

/** How a connection is broken: by a reset, which a network that breaks off looks like, or by an end that looks orderly. */
export type CutHow = 'reset' | 'end';

/** When a fault comes, drawn anew for each; where both are given, both bring it about. */
export interface When {
  /** After so many bytes of one way of one connection. */
  readonly afterBytes?: Range;
  /** After so many milliseconds: of the connection where it is cut, of the link where everything stalls. */
  readonly afterMs?: Range;
}

/**
 * What befalls connections. The same bytes over the same connections meet the same faults, however the network cuts
 * them into chunks; what comes after a time meets whatever is there by then.
 */
export interface FaultPlan {
  /** The connection is broken; what is on its way, either way, is lost. */
  readonly cut?: When & { readonly how?: CutHow };
  /** Nothing moves on any connection of the link for a while, either way; then everything flows. */
  readonly stall?: When & { readonly forMs: Range };
  /** One bit is flipped. */
  readonly corrupt?: { readonly afterBytes: Range };
  /** One in so many PUBLISH packets is passed twice (1 or more); the stream has to be MQTT. */
  readonly duplicateOneIn?: number;
  /** One in so many PUBLISH packets is overtaken by the next one of its direction; the stream has to be MQTT. */
  readonly reorderOneIn?: number;
  /** Where faults by bytes and packets befall what travels one way only. */
  readonly only?: LinkWay;
}

/** Everything that a link does, each way. */
export interface LinkPlan extends WayTiming, FaultPlan {
  /** All chance follows from it; 1 unless told. */
  readonly seed?: number;
  /** Faults of each kind that the plan brings about on all connections together; without it they go on. */
  readonly faultsMax?: number;
}

/** A whole number from the range, with both ends. */
export function drawn(random: Random, [min, max]: Range): number {
  return min + random.below(max - min + 1);
}
