/** What is handed out until it is acknowledged. */
interface Acknowledgeable {
  ack(): Promise<void>;
}

/**
 * Acknowledges for whoever iterates: it has done with an item when it asks for the next one, or leaves in order. What a
 * crash finds in its hands is not acknowledged.
 */
export class Acknowledging<T extends Acknowledgeable> {
  #last: T | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** The same items. Throws at the next one where an acknowledgement could not be written. */
  over(items: AsyncIterableIterator<T>): AsyncIterableIterator<T> {
    const iterator: AsyncIterableIterator<T> = {
      next: async () => {
        // Not awaited: acknowledgements are written together with those that follow.
        void this.finish();
        const result = await items.next();
        if (this.#failure) throw this.#failure.error;
        if (!result.done) this.#last = result.value;
        return result;
      },
      return: async () => (await items.return?.()) ?? { done: true, value: undefined },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** The item that was taken last is done with. Never rejects. */
  async finish(): Promise<void> {
    const last = this.#last;
    this.#last = undefined;
    try {
      await last?.ack();
    } catch (error) {
      this.#failure ??= { error };
    }
  }
}
