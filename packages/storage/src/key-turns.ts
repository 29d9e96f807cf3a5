/** Work on one key happens in turns; work on different keys does not wait for each other. */

export class KeyTurns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` when all earlier work on `key` has settled. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const run = (before ?? Promise.resolve()).then(work, work);
    const settled = run.catch(() => undefined);
    this.#last.set(key, settled);
    try {
      return await run;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }
}
