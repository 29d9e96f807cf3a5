/**
 * Background work that repeats: one unit at a time, a polite wait between, a status for the operator.
 *
 * A failing unit is reported and tried again after the usual wait; it never ends the others or the process. Stopping waits for the unit
 * that runs, which is told by its signal.
 */

import { type Clock, CodedError, isoTime, type Random, systemClock, systemRandom } from "@permafrost/std";

export interface PeriodicOptions {
  readonly name: string;
  /** From the end of one unit to the start of the next. */
  readonly everyMs: number;
  /** Wait before the first unit; default: none. */
  readonly firstAfterMs?: number;
  /** Each wait is longer by up to this share, so that many processes do not act at once. Default 0.1. */
  readonly jitter?: number;
  readonly work: (signal: AbortSignal) => Promise<void>;
  readonly onError: (error: CodedError) => void;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface PeriodicStatus {
  readonly name: string;
  readonly runs: number;
  readonly failures: number;
  readonly isRunning: boolean;
  readonly lastStartedAt?: string;
  readonly lastError?: string;
}

export interface PeriodicTask {
  status(): PeriodicStatus;
  /** Starts the next unit now, or right after the one that runs. */
  trigger(): void;
  stop(): Promise<void>;
}

/** Starts repeating `work` until stopped. */
export function runPeriodically(options: PeriodicOptions): PeriodicTask {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const stopping = new AbortController();
  let waiting = new AbortController();
  let isTriggered = false;
  let status: PeriodicStatus = { name: options.name, runs: 0, failures: 0, isRunning: false };

  const wait = async (ms: number) => {
    waiting = new AbortController();
    if (!isTriggered) await clock.sleep(ms, AbortSignal.any([waiting.signal, stopping.signal])).catch(() => undefined);
    isTriggered = false;
  };
  const runOnce = async () => {
    status = { ...status, isRunning: true, lastStartedAt: isoTime(clock.now()) };
    try {
      await options.work(stopping.signal);
    } catch (cause) {
      if (!stopping.signal.aborted) {
        const error = CodedError.from(cause);
        status = { ...status, failures: status.failures + 1, lastError: `${error.code}: ${error.message}` };
        options.onError(error);
      }
    }
    status = { ...status, runs: status.runs + 1, isRunning: false };
  };
  const loop = (async () => {
    if (options.firstAfterMs !== undefined) await wait(options.firstAfterMs);
    while (!stopping.signal.aborted) {
      await runOnce();
      if (stopping.signal.aborted) return;
      await wait(options.everyMs * (1 + (options.jitter ?? 0.1) * random.fraction()));
    }
  })();

  return {
    status: () => status,
    trigger: () => {
      isTriggered = true;
      waiting.abort();
    },
    stop: async () => {
      stopping.abort(new CodedError("STOPPING", `${options.name} stops`));
      await loop;
    },
  };
}
