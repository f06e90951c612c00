/** What is handed out until it is acknowledged. */
interface Acknowledged {
  ack(): Promise<void>;
}

/**
 * The same items, each acknowledged when the next one is asked for: whoever iterates has done with it then. What was
 * taken last before leaving is not. Throws at the next item where an acknowledgement could not be written.
 */
export function acknowledging<T extends Acknowledged>(items: AsyncIterableIterator<T>): AsyncIterableIterator<T> {
  let last: T | undefined;
  let failure: { readonly error: unknown } | undefined;
  const iterator: AsyncIterableIterator<T> = {
    async next() {
      // Not awaited: acknowledgements are written together with those that follow.
      last?.ack().catch((error: unknown) => {
        failure ??= { error };
      });
      last = undefined;
      const { value, done } = await items.next();
      if (failure) throw failure.error;
      if (done) return { done, value: undefined };
      last = value;
      return { done: false, value };
    },
    return: async () => {
      last = undefined;
      await items.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}
