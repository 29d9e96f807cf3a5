import { numbers } from "@permafrost/std/testing";
import { describe, expect, it } from "vitest";
import { Marks } from "./marks.ts";

/** An id whose first 8 bytes are `high` and `low`. */
function idOf(high: number, low: number): Buffer {
  const id = Buffer.alloc(32, 7);
  id.writeUInt32BE(high, 0);
  id.writeUInt32BE(low, 4);
  return id;
}

describe("marks", () => {
  it("have what was added and nothing else, while the table grows", () => {
    const next = numbers(1);
    const marks = new Marks();
    const ids = Array.from({ length: 50_000 }, () => idOf(next(2 ** 32), next(2 ** 32)));
    for (const [n, id] of ids.entries()) {
      if (n % 2 === 0) marks.add(id);
      if (n % 10 === 0) marks.add(id);
    }
    for (const [n, id] of ids.entries()) if (marks.has(id) !== (n % 2 === 0)) expect.fail(`id ${n}`);
    expect(marks.memoryBytes / (ids.length / 2)).toBeLessThanOrEqual(24);
  });

  it("tell ids apart that begin alike, and know the one that looks like an empty slot", () => {
    const marks = new Marks();
    expect(marks.has(idOf(0, 0))).toBe(false);
    for (let low = 0; low < 10_000; low += 2) marks.add(idOf(5, low));
    marks.add(idOf(0, 1));
    expect([marks.has(idOf(5, 4)), marks.has(idOf(5, 5)), marks.has(idOf(0, 1)), marks.has(idOf(1, 0))]).toEqual([
      ...[true, false, true, false],
    ]);
    expect(marks.has(idOf(0, 0))).toBe(false);
    marks.add(idOf(0, 0));
    expect(marks.has(idOf(0, 0))).toBe(true);
  });
});
