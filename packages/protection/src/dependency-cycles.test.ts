/** Breaking cycles: what must go, and that nothing else does. */

import { describe, expect, it } from "vitest";
import { withoutCycles } from "./dependency-cycles.ts";

const graph = (edges: Record<string, string[]>) =>
  Object.entries(edges).map(([id, needs]) => ({ type: "t", id, dependsOn: needs.map((n) => `t/${n}`) }));
const shown = (edges: Record<string, string[]>) =>
  Object.fromEntries(withoutCycles(graph(edges)).map((r) => [r.id, r.dependsOn.map((d) => d.slice(2)).join("")]));

describe("withoutCycles", () => {
  it("leaves a plan without cycles as it is", () => {
    const plan = graph({ a: ["b", "c"], b: ["c"], c: ["outside"] });
    expect(withoutCycles(plan)).toEqual(plan);
  });
  it("drops what is inside a cycle, and only that", () => {
    expect(shown({ a: ["b"], b: ["a", "c"], c: [], d: ["a"] })).toEqual({ a: "", b: "c", c: "", d: "a" });
  });
  it("drops a dependency on itself, a long cycle, and two cycles apart", () => {
    expect(shown({ a: ["a"] })).toEqual({ a: "" });
    expect(shown({ a: ["b"], b: ["c"], c: ["a"] })).toEqual({ a: "", b: "", c: "" });
    expect(shown({ a: ["b"], b: ["a"], c: ["d", "b"], d: ["c"] })).toEqual({ a: "", b: "", c: "b", d: "" });
  });
});
