import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PlacementNode, place, placementOver } from "./placement.ts";

const keys = Array.from({ length: 20_000 }, (_, i) => createHash("sha256").update(`key ${i}`).digest());
const node = (id: string, weight = 1, zone = id): PlacementNode => ({ id, weight, zone });
const nodes = (count: number) => Array.from({ length: count }, (_, i) => node(`node-${i}`));

function shares(among: readonly PlacementNode[]): Map<string, number> {
  const placement = placementOver(among);
  const counts = new Map<string, number>();
  for (const key of keys) {
    const [first = ""] = placement.place(key, 1);
    counts.set(first, (counts.get(first) ?? 0) + 1 / keys.length);
  }
  return counts;
}

describe("placement", () => {
  it("is the same for ever", () => {
    const golden = keys.slice(0, 6).map((key) => place(key, [node("a"), node("b"), node("c", 2), node("d", 0.5)], 2).join(""));
    expect(golden).toEqual(["bd", "da", "cb", "ba", "bc", "cb"]);
    expect(place(Buffer.from("session/1"), nodes(8), 3)).toEqual(["node-6", "node-4", "node-1"]);
  });

  it("does not depend on the order of the nodes", () => {
    const some = nodes(7);
    for (const key of keys.slice(0, 200)) expect(place(key, some, 3)).toEqual(place(key, [...some].reverse(), 3));
  });

  it("spreads keys by weight", () => {
    const counts = shares([node("a", 1), node("b", 2), node("c", 5), node("d", 0)]);
    expect(Math.abs((counts.get("a") ?? 0) - 1 / 8)).toBeLessThan(0.01);
    expect(Math.abs((counts.get("b") ?? 0) - 2 / 8)).toBeLessThan(0.012);
    expect(Math.abs((counts.get("c") ?? 0) - 5 / 8)).toBeLessThan(0.012);
    expect(counts.has("d")).toBe(false);
  });

  it("moves only a newcomer's share, and only to it", () => {
    for (const count of [1, 4, 9]) {
      const before = placementOver(nodes(count));
      const after = placementOver(nodes(count + 1));
      let moved = 0;
      for (const key of keys) {
        const [was] = before.place(key, 1);
        const [is] = after.place(key, 1);
        if (was === is) continue;
        moved++;
        expect(is).toBe(`node-${count}`);
      }
      expect(Math.abs(moved / keys.length - 1 / (count + 1))).toBeLessThan(0.012);
    }
  });

  it("replaces only the replicas of a node that leaves", () => {
    const all = nodes(6);
    const before = placementOver(all);
    const after = placementOver(all.slice(0, 5));
    for (const key of keys.slice(0, 2000)) {
      const stayed = before.place(key, 3).filter((id) => id !== "node-5");
      expect(after.place(key, 3).slice(0, stayed.length)).toEqual(stayed);
    }
  });

  it("uses as many zones as it can, then again each", () => {
    const zoned = [node("a1", 9, "a"), node("a2", 9, "a"), node("a3", 9, "a"), node("b1", 1, "b"), node("c1", 1, "c")];
    for (const key of keys.slice(0, 500)) {
      const chosen = place(key, zoned, 3).map((id) => id[0]);
      expect(new Set(chosen).size).toBe(3);
      expect(place(key, zoned, 4).map((id) => id[0])).toHaveLength(4);
      expect(place(key, zoned, 9)).toHaveLength(5);
    }
  });

  it("ranks all nodes, the places first and the draining last", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.uniqueArray(
          fc.record({ id: fc.string(), weight: fc.integer({ min: 0, max: 5 }), zone: fc.constantFrom("x", "y", "z") }),
          {
            selector: (one) => one.id,
            maxLength: 8,
          },
        ),
        fc.integer({ min: 1, max: 9 }),
        (key, some, replicas) => {
          const placement = placementOver(some);
          const placed = placement.place(key, replicas);
          const ranked = placement.rank(key);
          expect(ranked.slice(0, placed.length)).toEqual(placed);
          expect([...ranked].sort()).toEqual(some.map((one) => one.id).sort());
          expect(placed).toHaveLength(Math.min(replicas, some.filter((one) => one.weight > 0).length));
          const isDraining = ranked.map((id) => some.find((one) => one.id === id)?.weight === 0);
          expect(isDraining).toEqual([...isDraining].sort());
        },
      ),
      { numRuns: 200, seed: 20261123 },
    );
  });

  it("refuses weights and counts that mean nothing, and an id twice", () => {
    for (const weight of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => placementOver([node("a", weight)])).toThrow(RangeError);
    expect(() => placementOver([node("a"), node("a")])).toThrow(RangeError);
    for (const replicas of [0, -1, 1.5]) expect(() => place(new Uint8Array(32), nodes(3), replicas)).toThrow(RangeError);
  });
});
