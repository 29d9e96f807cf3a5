import { systemClock } from "@permafrost/std";
import { expect, it } from "vitest";
import { Lifecycle } from "./lifecycle.ts";

it("stops in reverse order, once, after aborting its signal", async () => {
  const lifecycle = new Lifecycle();
  const stopped: string[] = [];
  for (const name of ["first", "second"]) {
    await lifecycle.onStop(name, async () => {
      await systemClock.sleep(1);
      stopped.push(`${name} ${lifecycle.signal.aborted}`);
    });
  }
  expect(lifecycle.signal.aborted).toBe(false);
  const failures = await Promise.all([lifecycle.stop(), lifecycle.stop()]);
  expect(stopped).toEqual(["second true", "first true"]);
  expect(failures).toEqual([[], []]);
});

it("goes on when a part fails to stop or takes too long", async () => {
  const lifecycle = new Lifecycle({ partStopMsMax: 20 });
  let isLastStopped = false;
  await lifecycle.onStop("good", () => {
    isLastStopped = true;
  });
  await lifecycle.onStop("slow", () => new Promise(() => undefined));
  await lifecycle.onStop("broken", () => {
    throw new Error("cannot");
  });
  const failures = await lifecycle.stop();
  expect(failures.map((failure) => [failure.code, failure.message.split(" ")[0]])).toEqual([
    ["STOP_FAILED", "broken:"],
    ["STOP_TIMEOUT", "slow"],
  ]);
  expect(isLastStopped).toBe(true);
});

it("stops at once what is started too late", async () => {
  const lifecycle = new Lifecycle();
  await lifecycle.stop();
  let isStopped = false;
  const late = lifecycle.onStop("late", () => {
    isStopped = true;
  });
  await expect(late).rejects.toMatchObject({ code: "STOPPING" });
  expect(isStopped).toBe(true);
});
