import { describe, expect, it } from "vitest";
import { addStats, EMPTY_STATS, type StreamStats } from "./root.ts";

describe("addStats", () => {
  const names = Object.keys(EMPTY_STATS) as (keyof StreamStats)[];
  const numbered = (factor: number) =>
    Object.fromEntries(names.map((name, index) => [name, (index + 1) * factor])) as unknown as StreamStats;

  it("adds every counter to its own", () => {
    expect(addStats(numbered(1), numbered(1_000))).toEqual(numbered(1_001));
  });

  it("changes nothing when nothing is added", () => {
    expect(addStats(numbered(7), EMPTY_STATS)).toEqual(numbered(7));
    expect(Object.values(EMPTY_STATS).every((count) => count === 0)).toBe(true);
  });

  it("exceeds four gigabytes", () => {
    const large = { ...EMPTY_STATS, logicalBytes: 2 ** 52 };
    expect(addStats(large, large).logicalBytes).toBe(2 ** 53);
  });
});
