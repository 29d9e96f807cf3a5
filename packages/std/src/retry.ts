/** Bounded retries with exponential delay and full jitter. */

import { type Clock, systemClock } from "./clock.ts";
import { CodedError } from "./errors.ts";
import { type Random, systemRandom } from "./random.ts";

export interface RetryOptions {
  /** Calls in all, the first included. */
  readonly attemptsMax: number;
  /** Upper bound of the first delay; doubles each time up to `delayMsMax`. */
  readonly delayMs: number;
  readonly delayMsMax: number;
  readonly signal?: AbortSignal;
  /** Default: a CodedError whose `retry` is `later`. */
  readonly shouldRetry?: (error: unknown) => boolean;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Calls `work` until it succeeds, its error may not be retried, or the attempts are used up; then throws the last error. */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const shouldRetry = options.shouldRetry ?? ((e) => CodedError.is(e) && e.retry === "later");
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= options.attemptsMax || !shouldRetry(error)) throw error;
      const bound = Math.min(options.delayMsMax, options.delayMs * 2 ** (attempt - 1));
      await clock.sleep(bound * random.fraction(), options.signal);
    }
  }
}
