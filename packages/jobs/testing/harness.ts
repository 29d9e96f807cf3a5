/** What the parts of the bus suite share: the members under test, and how to wait for and read an outcome. */

import { CodedError, systemClock } from "@permafrost/std";
import type { Bus, ClaimedJob } from "../src/index.ts";

export interface BusHarness {
  readonly bus: Bus;
  /** Another member of the same cluster; the same object where the bus is one process. */
  readonly other: Bus;
  stop(): Promise<void>;
}

export const ACK_WAIT_MS = 1_800;

export async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return CodedError.is(error) ? error.code : `no CodedError but ${String(error)}`;
}

export async function eventually<T>(look: () => Promise<T | undefined>, timeoutMs = 5_000): Promise<T> {
  const deadline = systemClock.monotonic() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (systemClock.monotonic() > deadline) throw new Error("it did not happen in time");
    await systemClock.sleep(20);
  }
}

export function claimed(job: ClaimedJob | undefined): ClaimedJob {
  if (job === undefined) throw new Error("no job came");
  return job;
}
