/** Bounded concurrency over a sequence. */

/**
 * Calls `work` on each item, at most `limit` at once, and returns results in the order of the items.
 * The first failure, of the work or of the sequence, stops new work, waits for what runs, and is thrown.
 */
export async function mapPool<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`limit must be a positive integer, not ${limit}`);
  const results: R[] = [];
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  let index = 0;
  try {
    for await (const item of items) {
      if (failure) break;
      const at = index++;
      const one = work(item, at).then(
        (result) => {
          results[at] = result;
        },
        (error: unknown) => {
          failure ??= { error };
        },
      );
      const tracked = one.finally(() => running.delete(tracked));
      running.add(tracked);
      if (running.size >= limit) await Promise.race(running);
    }
  } catch (error) {
    failure ??= { error };
  }
  await Promise.all(running);
  if (failure) throw failure.error;
  return results;
}
