/**
 * Scrubs in the background: every pack is read again, again and again, at a bounded rate, and what is damaged is told and known to be, so that
 * nobody counts on it and `permafrost repair` copies it from another node.
 */

import { type Logger, type PeriodicTask, runPeriodically } from "@permafrost/runtime";
import { type Clock, systemClock } from "@permafrost/std";
import type { ScrubFinding, StorageEngine } from "@permafrost/storage";

export interface ScrubbingOptions {
  /** From the end of one scrub to the start of the next. */
  readonly everyMs: number;
  readonly bytesPerSecondMax: number;
  readonly clock?: Clock;
}

export interface Scrubbed {
  readonly bytes: number;
  readonly findings: number;
}

/** After each scrub `onEnd` is told what it read and found. The first begins after one interval. */
export function scrubPeriodically(
  store: Pick<StorageEngine, "scrub">,
  { everyMs, bytesPerSecondMax, clock = systemClock }: ScrubbingOptions,
  logger: Pick<Logger, "info" | "warn" | "error">,
  onEnd: (scrubbed: Scrubbed) => void = () => undefined,
): PeriodicTask {
  const work = async (signal: AbortSignal) => {
    let [bytes, findings] = [0, 0];
    const startedMs = clock.monotonic();
    const pace = async (read: number) => {
      bytes += read;
      const aheadMs = (bytes / bytesPerSecondMax) * 1000 - (clock.monotonic() - startedMs);
      signal.throwIfAborted();
      if (aheadMs > 0) await clock.sleep(aheadMs, signal);
    };
    for await (const finding of store.scrub(pace)) {
      findings++;
      logger.warn(factsOf(finding), `Scrub: ${finding.message}`);
      signal.throwIfAborted();
    }
    logger.info({ bytes, findings }, findings === 0 ? "Scrubbed: all is whole" : "Scrubbed: run `permafrost repair`");
    onEnd({ bytes, findings });
  };
  return runPeriodically({
    name: "scrub",
    everyMs,
    firstAfterMs: everyMs,
    work,
    onError: (error) => logger.error({ code: error.code, ...error.facts }, `Scrub: ${error.message}`),
    clock,
  });
}

function factsOf({ message: _, ...facts }: ScrubFinding): object {
  return facts;
}
