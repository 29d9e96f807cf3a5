import { describe, expect, it } from "vitest";
import { isoTime, systemClock } from "./clock.ts";

describe("systemClock", () => {
  it("tells the time of the machine, and a monotonic one", async () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
    const before = systemClock.monotonic();
    await systemClock.sleep(20);
    expect(systemClock.monotonic() - before).toBeGreaterThanOrEqual(18);
  });

  it("ends a sleep with the signal's reason when aborted", async () => {
    const aborter = new AbortController();
    const reason = new Error("enough");
    const sleeping = systemClock.sleep(600_000, aborter.signal);
    aborter.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
  });

  it("does not begin a sleep when aborted already", async () => {
    const reason = new Error("before");
    await expect(systemClock.sleep(600_000, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  it("ignores an abort after the sleep", async () => {
    const aborter = new AbortController();
    await systemClock.sleep(1, aborter.signal);
    aborter.abort();
    expect(aborter.signal.aborted).toBe(true);
  });
});

it("writes times as ISO 8601 in UTC with milliseconds", () => {
  expect(isoTime(0)).toBe("1970-01-01T00:00:00.000Z");
  expect(isoTime(1_795_453_208_123)).toBe("2026-11-23T17:00:08.123Z");
});
