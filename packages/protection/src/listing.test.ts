import { describe, expect, it } from "vitest";
import { besideParent, compareNames, type ListingEntry } from "./listing.ts";

async function* rows(...names: string[]): AsyncIterable<ListingEntry> {
  for (const name of names) yield { name };
}

describe("besideParent", () => {
  it.each([
    [
      ["a", "b", "c"],
      ["b", "d"],
      ["a-", "b+", "c-"],
    ],
    [["b"], ["a", "b", "c"], ["b+"]],
    [["x"], [], ["x-"]],
    [[], ["x"], []],
    [
      ["a", "é", "😀"],
      ["é", "😀"],
      ["a-", "é+", "😀+"],
    ],
  ])("%j beside %j", async (current, parent, expected) => {
    const pairs = await Array.fromAsync(besideParent(rows(...current), rows(...parent)));
    expect(pairs.map(([e, old]) => e.name + (old === undefined ? "-" : "+"))).toEqual(expected);
  });
});

describe("compareNames", () => {
  it("orders by UTF-8 bytes, not by UTF-16 units", () => {
    // U+FF61 is above U+1F600's surrogates in UTF-16 and below it in UTF-8.
    expect(compareNames("｡", "😀")).toBeLessThan(0);
    expect("｡" < "😀").toBe(false);
  });
});
