/**
 * Time as a parameter. Only this file reads the machine's clock; every other place takes a `Clock`,
 * so that a fault test replays from a seed.
 */

export interface Clock {
  /** Milliseconds since the Unix epoch. May jump; never use it to measure a duration. */
  now(): number;
  /** Milliseconds that never go back; for durations and deadlines. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    return new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },
};

/** ISO 8601 in UTC with milliseconds, e.g. `2026-11-23T17:00:08.123Z`. */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
