/** A source that an AbortSignal can end even while it waits for bytes that never come. */

/** The chunks of `source`; throws the signal's reason as soon as it is aborted. */
export async function* abortable<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  if (!signal) {
    yield* source;
    return;
  }
  signal.throwIfAborted();
  const iterator = source[Symbol.asyncIterator]();
  let abort: (reason: unknown) => void = () => {};
  const onAbort = () => abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  let isDone = false;
  let isAborted = false;
  try {
    for (;;) {
      // Not Promise.race: it would leave a reaction on one long-lived promise for every chunk.
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        abort = (reason) => {
          isAborted = true;
          reject(reason);
        };
        iterator.next().then(resolve, reject);
      });
      if (next.done) {
        isDone = true;
        return;
      }
      yield next.value;
      signal.throwIfAborted();
    }
  } catch (error) {
    // An iterator that threw has ended itself.
    isDone = !signal.aborted;
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    if (!isDone) {
      // One that is stuck in `next` cannot be waited for.
      const ended = iterator.return?.();
      if (ended && isAborted) ended.catch(() => {});
      else await ended;
    }
  }
}
