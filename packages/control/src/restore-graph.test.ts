import { EMPTY_STATS, type PlannedResource } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { stepsOf, undoOrder } from "./restore-graph.ts";

function planned(key: string, dependsOn: string[] = [], more: Partial<PlannedResource> = {}): PlannedResource {
  const [type = "", id = ""] = key.split("/");
  return {
    type,
    id,
    name: id,
    state: "pending",
    streams: {},
    stats: EMPTY_STATS,
    warnings: [],
    action: "create",
    dependsOn,
    ...more,
  };
}

const names = (levels: readonly PlannedResource[][]) => levels.map((level) => level.map((r) => r.id).sort());

describe("stepsOf", () => {
  it("makes what is created, and finishes what has a finish step after all it waits for", () => {
    const steps = stepsOf([
      planned("a.net/n"),
      planned("a.sub/s", ["a.net/n"], { finishAfter: ["a.port/p"] }),
      planned("a.port/p", ["a.sub/s"]),
    ]);
    expect([...steps.keys()]).toEqual(["a.net/n", "a.sub/s", "a.sub/s#finished", "a.port/p"]);
    expect(steps.get("a.sub/s#finished")?.after).toEqual(["a.sub/s", "a.port/p"]);
  });

  it("takes finished for made when there is no finish step, and what is not in the plan for there", () => {
    const steps = stepsOf([planned("a.net/n"), planned("a.fip/f", ["a.net/n#finished", "a.net/gone", "a.net/gone#finished"])]);
    expect(steps.get("a.fip/f")?.after).toEqual(["a.net/n"]);
  });

  it("keeps the name of what is in the plan without a step, so that a conflict reaches what depends on it", () => {
    const steps = stepsOf([planned("a.net/n", [], { action: "conflict" }), planned("a.sub/s", ["a.net/n#finished"])]);
    expect(steps.get("a.sub/s")?.after).toEqual(["a.net/n"]);
    expect(steps.has("a.net/n")).toBe(false);
  });

  it("has no finish step for what is reused", () => {
    expect([...stepsOf([planned("a.sub/s", [], { action: "reuse", finishAfter: [] })]).keys()]).toEqual(["a.sub/s"]);
  });

  it("lets two resources finish with each other, but not be made with each other", () => {
    const groups = [planned("a.sg/x", [], { finishAfter: ["a.sg/y"] }), planned("a.sg/y", [], { finishAfter: ["a.sg/x"] })];
    expect(stepsOf(groups).size).toBe(4);
    const circle = () => stepsOf([planned("a.sg/x", ["a.sg/y"]), planned("a.sg/y", ["a.sg/x"])]);
    expect(circle).toThrowError(expect.toSatisfy((e) => CodedError.is(e, "PLAN_CYCLE")));
  });
});

describe("what is around the others", () => {
  const plan = [
    planned("a.net/n"),
    planned("a.quota/q", [], { action: "update", finishAfter: [], around: true }),
    planned("a.sub/s", ["a.net/n"], { finishAfter: [] }),
    planned("a.old/o", [], { action: "conflict" }),
  ];

  it("is made before all of them and finished after them, and they do not fail with it", () => {
    const steps = stepsOf(plan);
    expect(steps.get("a.quota/q")).toMatchObject({ after: [], waitsFor: [] });
    expect(steps.get("a.net/n")).toMatchObject({ after: [], waitsFor: ["a.quota/q"] });
    expect(steps.get("a.sub/s#finished")?.waitsFor).toEqual(["a.quota/q"]);
    const last = steps.get("a.quota/q#finished");
    expect(last).toMatchObject({ after: ["a.quota/q"], waitsFor: ["a.net/n", "a.sub/s", "a.sub/s#finished"] });
  });

  it("is taken back last", () => {
    expect(names(undoOrder(plan))).toEqual([["s"], ["n"], ["q"]]);
  });
});

describe("undoOrder", () => {
  it("takes back users before what they use", () => {
    const plan = [
      planned("a.net/n"),
      planned("a.sub/s", ["a.net/n"]),
      planned("a.port/p", ["a.net/n", "a.sub/s"]),
      planned("a.net/other"),
    ];
    expect(names(undoOrder(plan))).toEqual([["other", "p"], ["s"], ["n"]]);
  });

  it("goes by what was made, not by what was finished with each other", () => {
    const plan = [planned("a.sg/x", [], { finishAfter: ["a.sg/y"] }), planned("a.sg/y", [], { finishAfter: ["a.sg/x"] })];
    expect(names(undoOrder(plan))).toEqual([["x", "y"]]);
  });

  it("takes back what another was finished with after it, also when that one is in a circle", () => {
    const plan = [
      planned("a.ag/g"),
      planned("a.sg/x", [], { finishAfter: ["a.sg/y", "a.ag/g"] }),
      planned("a.sg/y", [], { finishAfter: ["a.sg/x", "a.sg/y"] }),
    ];
    expect(names(undoOrder(plan))).toEqual([["x", "y"], ["g"]]);
  });
});
