/** How long the story takes. */
export interface StoryPace {
  /** Between two readings at first, and after the operator's command. */
  readonly everyMs: number;
  readonly fasterMs: number;
  /** Ends the story once all of it was shown. */
  readonly timeUp: AbortSignal;
  /** Ends the story wherever it is. */
  readonly abandon: AbortSignal;
}
