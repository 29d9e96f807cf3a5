import { describe, expect, it } from "vitest";
import { isRestorePoint, type ResourceState, type SessionKind, type SessionState, sessionOutcome } from "./session.ts";

describe("sessionOutcome", () => {
  const cases: [string, ResourceState[], string][] = [
    ["everything succeeded", ["succeeded", "succeeded"], "succeeded"],
    ["nothing was there to do", [], "succeeded"],
    ["what was skipped does not count against it", ["succeeded", "skipped"], "succeeded"],
    ["something failed", ["succeeded", "failed"], "partial"],
    ["something was skipped and the rest failed", ["skipped", "failed"], "partial"],
    ["everything failed", ["failed", "failed"], "failed"],
    ["something was never begun", ["succeeded", "pending"], "partial"],
    ["something was never ended", ["running"], "failed"],
  ];
  it.each(cases)("%s", (_, states, outcome) => {
    expect(sessionOutcome(states)).toBe(outcome);
  });

  it("never says succeeded when a resource is not complete (I12)", () => {
    const states: ResourceState[] = ["pending", "running", "succeeded", "failed", "skipped"];
    for (const a of states) {
      for (const b of states) {
        for (const c of states) {
          const isComplete = [a, b, c].every((state) => state === "succeeded" || state === "skipped");
          expect(sessionOutcome([a, b, c]) === "succeeded").toBe(isComplete);
        }
      }
    }
  });
});

describe("isRestorePoint", () => {
  const results = { form: "block", id: "00", sizeBytes: 1, chunking: "content" } as const;

  it("is an ended backup that has results, complete or partial", () => {
    const kinds: SessionKind[] = ["backup", "restore", "check"];
    const states: SessionState[] = ["running", "succeeded", "partial", "failed", "cancelled"];
    const points = kinds.flatMap((kind) =>
      states.filter((state) => isRestorePoint({ kind, state, results })).map((state) => `${kind} ${state}`),
    );
    expect(points).toEqual(["backup succeeded", "backup partial"]);
  });

  it("is none without results", () => {
    expect(isRestorePoint({ kind: "backup", state: "succeeded" })).toBe(false);
  });
});
