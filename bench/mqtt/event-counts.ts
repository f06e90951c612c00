/** How often a peer told of what, by the type of its events. */
export class EventCounts {
  #counts: Record<string, number> = {};

  readonly add = ({ type }: { readonly type: string }): void => {
    this.#counts[type] = (this.#counts[type] ?? 0) + 1;
  };

  /** Since the last call. */
  takeAll(): Record<string, number> {
    const taken = this.#counts;
    this.#counts = {};
    return taken;
  }
}
