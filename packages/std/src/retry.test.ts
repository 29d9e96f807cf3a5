import { describe, expect, it } from "vitest";
import type { Clock } from "./clock.ts";
import { CodedError } from "./errors.ts";
import type { Random } from "./random.ts";
import { type RetryOptions, retry } from "./retry.ts";

/** A clock that does not wait but writes down the waits. */
function recorded(fraction = 1) {
  const slept: number[] = [];
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      slept.push(ms);
    },
  };
  const random: Random = { bytes: (length) => new Uint8Array(length), fraction: () => fraction };
  const options: RetryOptions = { attemptsMax: 5, delayMs: 100, delayMsMax: 300, clock, random };
  return { slept, options };
}

const later = new CodedError("BUSY", "busy", { retry: "later" });

describe("retry", () => {
  it("gives the first result, and tells the work which attempt it is", async () => {
    const { slept, options } = recorded();
    const attempts: number[] = [];
    const result = await retry(async (attempt) => {
      attempts.push(attempt);
      if (attempt < 3) throw later;
      return "done";
    }, options);
    expect([result, attempts, slept]).toEqual(["done", [1, 2, 3], [100, 200]]);
  });

  it("doubles the bound of the delay up to its maximum, and throws the last error after the last attempt", async () => {
    const { slept, options } = recorded();
    let calls = 0;
    const work = retry(async () => {
      calls++;
      throw new CodedError("BUSY", `call ${calls}`, { retry: "later" });
    }, options);
    await expect(work).rejects.toThrow("call 5");
    expect(slept).toEqual([100, 200, 300, 300]);
  });

  it("waits a random share of the bound", async () => {
    const { slept, options } = recorded(0.25);
    await expect(retry(() => Promise.reject(later), options)).rejects.toBe(later);
    expect(slept).toEqual([25, 50, 75, 75]);
  });

  it.each([new CodedError("NO", "no"), new CodedError("NO", "no", { retry: "elsewhere" }), new Error("plain")])(
    "does not repeat %o",
    async (error) => {
      const { slept, options } = recorded();
      await expect(retry(() => Promise.reject(error), options)).rejects.toBe(error);
      expect(slept).toEqual([]);
    },
  );

  it("repeats what the caller says", async () => {
    const { slept, options } = recorded();
    const work = retry(() => Promise.reject(new Error("plain")), { ...options, attemptsMax: 2, shouldRetry: () => true });
    await expect(work).rejects.toThrow("plain");
    expect(slept).toHaveLength(1);
  });

  it("stops when aborted: before the first call and while waiting", async () => {
    const { options } = recorded();
    let calls = 0;
    const count = async () => {
      calls++;
      throw later;
    };
    const reason = new Error("enough");
    await expect(retry(count, { ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(calls).toBe(0);
    const aborter = new AbortController();
    const work = retry(
      async () => {
        aborter.abort(reason);
        return await count();
      },
      { ...options, signal: aborter.signal },
    );
    await expect(work).rejects.toBe(reason);
    expect(calls).toBe(1);
  });
});
