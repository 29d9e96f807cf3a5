/**
 * Waiting for something asynchronous in the cloud: a state set that is wanted, one that may lead there, and a deadline that grows
 * with the size of what is copied. A 202 is never taken for success.
 */

import { type Clock, CodedError, type Random } from "@permafrost/std";

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Size of what is copied, for the deadline. */
  readonly sizeBytes?: number | undefined;
  readonly sizeGiB?: number | undefined;
  /** Instead of the deadline by size. */
  readonly timeoutMs?: number | undefined;
}

export interface Waiter<T> {
  readonly clock: Clock;
  readonly random: Random;
  /** For messages: `volume`, `image`. */
  readonly kind: string;
  readonly id: string;
  readonly get: () => Promise<T>;
  readonly status: (value: T) => string;
  readonly wanted: readonly string[];
  /** States from which the wanted ones are still reached; any other is RESOURCE_STATE. */
  readonly passing: readonly string[];
  readonly options: WaitOptions;
}

const DEADLINE_FLOOR_MS = 10 * 60_000;
/** Slowest copy we call alive. */
const BYTES_PER_SECOND_MIN = 4 * 2 ** 20;
const GIB = 2 ** 30;
const DELAY_MS = 250;
const DELAY_MS_MAX = 10_000;

/** 10 minutes, and what the copy takes at 4 MiB/s. */
export function deadlineMs(options: WaitOptions): number {
  const sizeBytes = options.sizeBytes ?? (options.sizeGiB ?? 0) * GIB;
  return options.timeoutMs ?? DEADLINE_FLOOR_MS + (sizeBytes / BYTES_PER_SECOND_MIN) * 1000;
}

/** The value in a wanted state. Throws RESOURCE_STATE, WAIT_TIMEOUT, NOT_FOUND, and the getter's errors. */
export async function waitForStatus<T>(waiter: Waiter<T>): Promise<T> {
  const value = await poll(waiter, async () => {
    const got = await waiter.get();
    const status = waiter.status(got);
    if (waiter.wanted.includes(status)) return { done: got };
    if (!waiter.passing.includes(status)) {
      throw new CodedError("RESOURCE_STATE", `${waiter.kind} ${waiter.id} is ${status}, not ${waiter.wanted.join(" or ")}`, {
        facts: { kind: waiter.kind, id: waiter.id, status, wanted: waiter.wanted.join(",") },
        hint: "The cloud's own logs say why; the object may have to be removed by its operator.",
      });
    }
    return { status };
  });
  return value;
}

/** Resolves when the getter says NOT_FOUND. A state other than a passing one (`error_deleting`) is RESOURCE_STATE. */
export async function waitUntilGone<T>(waiter: Omit<Waiter<T>, "wanted">): Promise<void> {
  await poll({ ...waiter, wanted: ["gone"] }, async () => {
    let status: string;
    try {
      status = waiter.status(await waiter.get());
    } catch (error) {
      if (CodedError.is(error, "NOT_FOUND")) return { done: undefined };
      throw error;
    }
    if (status === "deleted") return { done: undefined };
    if (!waiter.passing.includes(status)) {
      throw new CodedError("RESOURCE_STATE", `${waiter.kind} ${waiter.id} is ${status} and does not go`, {
        facts: { kind: waiter.kind, id: waiter.id, status, wanted: "gone" },
        hint: "Delete it again later; if it stays, its operator has to.",
      });
    }
    return { status };
  });
}

async function poll<T, R>(
  waiter: Waiter<T>,
  look: () => Promise<{ readonly done: R } | { readonly status: string }>,
): Promise<R> {
  const { clock, random, options } = waiter;
  const timeoutMs = deadlineMs(options);
  const startMs = clock.monotonic();
  for (let delayMs = DELAY_MS; ; delayMs = Math.min(DELAY_MS_MAX, delayMs * 1.3)) {
    options.signal?.throwIfAborted();
    const seen = await look();
    if ("done" in seen) return seen.done;
    if (clock.monotonic() - startMs >= timeoutMs) {
      throw new CodedError(
        "WAIT_TIMEOUT",
        `${waiter.kind} ${waiter.id} was still ${seen.status} after ${Math.round(timeoutMs / 1000)} s`,
        {
          facts: { kind: waiter.kind, id: waiter.id, status: seen.status, wanted: waiter.wanted.join(","), timeoutMs },
          retry: "later",
        },
      );
    }
    await clock.sleep(delayMs * (0.75 + random.fraction() / 2), options.signal);
  }
}
