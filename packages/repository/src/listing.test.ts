import { CodedError } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { besideParent, compareNames, type ListingEntry, whileReadable } from "./listing.ts";

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

describe("whileReadable", () => {
  const broken = (error: unknown) =>
    (async function* () {
      yield* rows("a");
      throw error;
    })();
  const names = async (error: unknown, signal = new AbortController().signal) =>
    (await Array.fromAsync(whileReadable(broken(error), signal))).map((e) => e.name);

  it("ends where the parent is damaged", async () => {
    expect(await names(new CodedError("BLOCK_MISSING", "no node has it"))).toEqual(["a"]);
  });
  it("fails when the nodes are away, when it is aborted and for mistakes of ours", async () => {
    await expect(names(new CodedError("NODES_UNAVAILABLE", "away", { retry: "later" }))).rejects.toThrow("away");
    const aborted = AbortSignal.abort(new CodedError("FENCED", "another has it"));
    await expect(names(new CodedError("BLOCK_MISSING", "no"), aborted)).rejects.toThrow("another has it");
    await expect(names(new TypeError("ours"))).rejects.toThrow("ours");
  });
});

describe("compareNames", () => {
  it("orders by UTF-8 bytes, not by UTF-16 units", () => {
    // U+FF61 is above U+1F600's surrogates in UTF-16 and below it in UTF-8.
    expect(compareNames("｡", "😀")).toBeLessThan(0);
    expect("｡" < "😀").toBe(false);
  });
});
