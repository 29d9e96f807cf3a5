/** Waiting: wanted, passing and final states, deadlines, and what is gone. */

import { CodedError } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { InstantClock, steadyRandom } from "../testing/scripted-server.ts";
import { deadlineMs, type Waiter, waitForStatus, waitUntilGone } from "./wait.ts";

function waiter(
  states: readonly string[],
  options: Waiter<string>["options"] = {},
): Waiter<string> & { readonly clock: InstantClock } {
  let at = 0;
  return {
    clock: new InstantClock(),
    random: steadyRandom,
    kind: "volume",
    id: "v",
    get: async () => {
      const state = states[Math.min(at++, states.length - 1)] ?? "";
      if (state === "gone") throw new CodedError("NOT_FOUND", "gone");
      if (state === "broken") throw new CodedError("CLOUD_HTTP", "broken");
      return state;
    },
    status: (state) => state,
    wanted: ["available"],
    passing: ["creating", "deleting"],
    options,
  };
}

async function failure(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    return CodedError.from(error);
  }
  throw new Error("did not fail");
}

describe("waitForStatus", () => {
  it("passes through states to the wanted one", async () => {
    const one = waiter(["creating", "creating", "available"]);
    expect(await waitForStatus(one)).toBe("available");
    expect(one.clock.slept).toHaveLength(2);
  });

  it("ends at any other state", async () => {
    const error = await failure(waitForStatus(waiter(["creating", "error"])));
    expect([error.code, error.facts]).toEqual([
      "RESOURCE_STATE",
      { kind: "volume", id: "v", status: "error", wanted: "available" },
    ]);
  });

  it("ends at the deadline, and when it is gone", async () => {
    const one = waiter(["creating"], { timeoutMs: 60_000 });
    expect((await failure(waitForStatus(one))).code).toBe("WAIT_TIMEOUT");
    expect(one.clock.slept.length).toBeLessThan(30);
    expect((await failure(waitForStatus(waiter(["creating", "gone"])))).code).toBe("NOT_FOUND");
  });

  it("ends at the signal", async () => {
    const reason = new Error("enough");
    await expect(waitForStatus(waiter(["creating"], { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason);
  });
});

describe("waitUntilGone", () => {
  it("resolves when it is gone or deleted", async () => {
    await waitUntilGone(waiter(["deleting", "gone"]));
    await waitUntilGone(waiter(["deleting", "deleted"]));
  });

  it("ends when it does not go, and at other errors", async () => {
    expect((await failure(waitUntilGone(waiter(["deleting", "error_deleting"])))).code).toBe("RESOURCE_STATE");
    expect((await failure(waitUntilGone(waiter(["broken"])))).code).toBe("CLOUD_HTTP");
    expect((await failure(waitUntilGone(waiter(["deleting"], { timeoutMs: 1000 })))).code).toBe("WAIT_TIMEOUT");
  });
});

it("gives larger copies more time", () => {
  expect(deadlineMs({})).toBe(600_000);
  expect(deadlineMs({ sizeGiB: 1 })).toBe(600_000 + 256_000);
  expect(deadlineMs({ sizeBytes: 2 ** 40 })).toBe(600_000 + 262_144_000);
});
