import { describe, expect, it } from "vitest";
import { fieldDifferences, firstDifference } from "./compare.ts";

async function* chunks(...parts: string[]): AsyncIterable<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

describe("firstDifference", () => {
  it.each([
    [["abc", "def"], ["ab", "cd", "ef"], undefined],
    [[], [], undefined],
    [["", "a"], ["a", ""], undefined],
    [["abcdef"], ["abc", "dXf"], 4],
    [["abc"], ["abcd"], 3],
    [["abcd"], ["abc"], 3],
    [["x"], [], 0],
  ])("%j and %j: %s", async (a, b, expected) => {
    expect(await firstDifference(chunks(...a), chunks(...b), () => undefined)).toBe(expected);
  });
  it("counts the equal bytes it read", async () => {
    let bytes = 0;
    await firstDifference(chunks("abc"), chunks("a", "bc"), (n) => {
      bytes += n;
    });
    expect(bytes).toBe(3);
  });
});

describe("fieldDifferences", () => {
  it("ignores order of keys and what was not expected", () => {
    expect(fieldDifferences({ a: { x: 1, y: 2 } }, { a: { y: 2, x: 1 }, b: 3 })).toEqual([]);
  });
  it("names each field that differs", () => {
    expect(fieldDifferences({ b: 1, a: "x" }, { b: 2 })).toEqual(['a: expected "x", found null', "b: expected 1, found 2"]);
  });
});
