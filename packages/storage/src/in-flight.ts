/** Work under way, for whoever must wait until what has begun before is over. */

export class InFlight {
  readonly #running = new Set<Promise<unknown>>();

  async run<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** For work that is not one promise: to be called when it is over. */
  begin(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    void this.run(() => promise);
    return resolve;
  }

  /** Resolves when all that runs now has settled, however it went. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#running]);
  }
}
