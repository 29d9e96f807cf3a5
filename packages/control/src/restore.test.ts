import { EMPTY_STATS } from "@permafrost/model";
import { describe, expect, it } from "vitest";
import { levels } from "./restore.ts";

const planned = (type: string, id: string, dependsOn: string[] = []) => ({
  type,
  id,
  name: id,
  state: "pending" as const,
  streams: {},
  stats: EMPTY_STATS,
  warnings: [],
  dependsOn,
});

describe("levels", () => {
  it("puts each resource after all it depends on", () => {
    const waves = levels([planned("b.b", "1", ["a.a/1"]), planned("a.a", "1"), planned("c.c", "1", ["b.b/1", "a.a/1"])]);
    expect(waves.map((w) => w.map((r) => `${r.type}/${r.id}`))).toEqual([["a.a/1"], ["b.b/1"], ["c.c/1"]]);
  });
  it("counts a dependency outside the plan as met", () => {
    expect(levels([planned("b.b", "1", ["a.a/9"])])).toHaveLength(1);
  });
  it("refuses a cycle", () => {
    expect(() => levels([planned("a.a", "1", ["b.b/1"]), planned("b.b", "1", ["a.a/1"])])).toThrow(
      expect.objectContaining({ code: "PLAN_CYCLE" }),
    );
  });
});
