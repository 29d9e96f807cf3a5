import { type CodedError, systemClock } from "@permafrost/std";
import { expect, it } from "vitest";
import { type PeriodicTask, runPeriodically } from "./periodic.ts";

async function until(task: PeriodicTask, runs: number): Promise<void> {
  for (const deadline = systemClock.monotonic() + 5_000; task.status().runs < runs; await systemClock.sleep(1)) {
    if (systemClock.monotonic() > deadline) throw new Error("it did not run in time");
  }
}

it("repeats one unit at a time, with a wait of at least the interval", async () => {
  const starts: number[] = [];
  let atOnce = 0;
  const task = runPeriodically({
    name: "scrub",
    everyMs: 20,
    work: async () => {
      starts.push(systemClock.monotonic());
      atOnce++;
      expect(atOnce).toBe(1);
      await systemClock.sleep(10);
      atOnce--;
    },
    onError: (error) => {
      throw error;
    },
  });
  await until(task, 3);
  await task.stop();
  const gaps = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(28);
  const { runs } = task.status();
  await systemClock.sleep(60);
  expect(task.status().runs).toBe(runs);
});

it("goes on after a failure, and says so", async () => {
  const errors: CodedError[] = [];
  const task = runPeriodically({
    name: "scrub",
    everyMs: 1,
    work: () => Promise.reject(new Error("disk")),
    onError: (error) => errors.push(error),
  });
  await until(task, 3);
  await task.stop();
  expect(errors.length).toBeGreaterThanOrEqual(3);
  expect(task.status()).toMatchObject({ isRunning: false, lastError: "INTERNAL: disk" });
  expect(task.status().failures).toBe(errors.length);
});

it("runs at once when triggered, and once more when triggered while a unit runs", async () => {
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const task = runPeriodically({
    name: "scrub",
    everyMs: 600_000,
    firstAfterMs: 600_000,
    work: async () => {
      begun.resolve();
      await release.promise;
    },
    onError: () => undefined,
  });
  await systemClock.sleep(10);
  expect(task.status()).toMatchObject({ runs: 0, isRunning: false });
  task.trigger();
  await begun.promise;
  expect(task.status()).toMatchObject({ runs: 0, isRunning: true });
  task.trigger();
  release.resolve();
  await until(task, 2);
  await task.stop();
  expect(task.status().runs).toBe(2);
});

it("tells the running unit to end when stopped, and waits for it", async () => {
  const errors: CodedError[] = [];
  let isOver = false;
  const task = runPeriodically({
    name: "scrub",
    everyMs: 1,
    work: async (signal) => {
      await systemClock.sleep(600_000, signal).finally(() => {
        isOver = true;
      });
    },
    onError: (error) => errors.push(error),
  });
  await systemClock.sleep(5);
  await task.stop();
  expect([isOver, errors]).toEqual([true, []]);
});
