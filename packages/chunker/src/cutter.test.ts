import { createHash } from "node:crypto";
import { concatBytes } from "@permafrost/std";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ContentSizes, contentCutter, gearTable } from "./content.ts";
import type { Cutter } from "./cutter.ts";
import { fixedCutter } from "./fixed.ts";

const SMALL: ContentSizes = { minBytes: 64, avgBytes: 256, maxBytes: 1024 };
const KEY = new Uint8Array(32).fill(7);

/** `length` bytes that look random and are the same for the same seed. */
function noise(length: number, seed: number): Uint8Array {
  const cipher = createHash("shake256", { outputLength: Math.max(length, 1) }).update(`noise ${seed}`);
  return cipher.digest().subarray(0, length);
}

/** All blocks, copied, with the source sliced at `sliceBytes` in turn. */
function cut(cutter: Cutter, data: Uint8Array, sliceBytes: readonly number[]): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; at < data.length; i++) {
    const end = Math.min(data.length, at + (sliceBytes[i % sliceBytes.length] ?? data.length));
    for (const block of cutter.push(data.slice(at, end))) blocks.push(Uint8Array.from(block));
    at = end;
  }
  const rest = cutter.end();
  if (rest) blocks.push(Uint8Array.from(rest));
  return blocks;
}

const slices = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 5 });

describe.each([
  ["fixedCutter", () => fixedCutter(256)],
  ["contentCutter", () => contentCutter(gearTable(KEY), SMALL)],
] as const)("%s", (_, make) => {
  it("gives blocks that join to the input, wherever the source is sliced", () => {
    fc.assert(
      fc.property(fc.nat(20_000), fc.nat(50), slices, slices, (length, seed, a, b) => {
        const data = noise(length, seed);
        const blocks = cut(make(), data, a);
        expect(Buffer.compare(concatBytes(blocks), data)).toBe(0);
        expect(blocks.every((block) => block.length > 0)).toBe(true);
        expect(cut(make(), data, b).map((block) => block.length)).toEqual(blocks.map((block) => block.length));
      }),
      { numRuns: 300 },
    );
  });

  it("gives nothing for nothing", () => {
    const cutter = make();
    expect([...cutter.push(new Uint8Array(0))]).toEqual([]);
    expect(cutter.end()).toBeUndefined();
  });
});

describe("fixedCutter", () => {
  it("cuts at multiples of the block size", () => {
    expect(cut(fixedCutter(256), noise(1000, 1), [300]).map((block) => block.length)).toEqual([256, 256, 256, 232]);
    expect(cut(fixedCutter(256), noise(512, 1), [300]).map((block) => block.length)).toEqual([256, 256]);
  });

  it("copies no block that lies within one chunk", () => {
    const chunk = noise(1024, 1);
    for (const block of fixedCutter(256).push(chunk)) expect(block.buffer).toBe(chunk.buffer);
  });

  it("refuses a size that is none", () => {
    for (const size of [0, -1, 1.5]) expect(() => fixedCutter(size)).toThrow(RangeError);
  });
});

describe("contentCutter", () => {
  it("keeps every block but the last within the sizes, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.nat(30_000), fc.nat(50), fc.nat(255), (length, seed, mask) => {
        const data = noise(length, seed).map((byte) => byte & mask);
        const lengths = cut(contentCutter(gearTable(KEY), SMALL), data, [700]).map((block) => block.length);
        for (const size of lengths.slice(0, -1)) expect(size).toBeGreaterThanOrEqual(SMALL.minBytes);
        for (const size of lengths) expect(size).toBeLessThanOrEqual(SMALL.maxBytes);
      }),
    );
  });

  it("has the average size it is asked for", () => {
    const data = noise(16 * 1024 * 1024, 3);
    const blocks = cut(contentCutter(gearTable(KEY)), data, [100_000]);
    expect(data.length / blocks.length / 65536).toBeGreaterThan(0.75);
    expect(data.length / blocks.length / 65536).toBeLessThan(1.35);
  });

  it("moves only boundaries near an insertion", () => {
    fc.assert(
      fc.property(fc.nat(50), fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 1, max: 200 }), (seed, where, count) => {
        const data = noise(60_000, seed);
        const changed = concatBytes([data.subarray(0, where), noise(count, seed + 1), data.subarray(where)]);
        const before = cut(contentCutter(gearTable(KEY), SMALL), data, [5000]);
        const after = new Set(
          cut(contentCutter(gearTable(KEY), SMALL), changed, [5000]).map((b) => Buffer.from(b).toString("hex")),
        );
        const lost = before.filter((block) => !after.has(Buffer.from(block).toString("hex"))).length;
        expect(lost).toBeLessThanOrEqual(25); // of about 230
      }),
      { numRuns: 100 },
    );
  });

  it("cuts elsewhere under another key", () => {
    const data = noise(60_000, 1);
    const lengths = (key: Uint8Array) => cut(contentCutter(gearTable(key), SMALL), data, [5000]).map((block) => block.length);
    expect(lengths(KEY)).not.toEqual(lengths(new Uint8Array(32).fill(8)));
    expect(lengths(KEY)).toEqual(lengths(KEY));
  });

  it("refuses a short key and sizes out of order", () => {
    expect(() => gearTable(new Uint8Array(31))).toThrow(RangeError);
    expect(() => contentCutter(gearTable(KEY), { minBytes: 64, avgBytes: 64, maxBytes: 128 })).toThrow(RangeError);
    expect(() => contentCutter(gearTable(KEY), { minBytes: 64, avgBytes: 100, maxBytes: 128 })).toThrow(RangeError);
  });
});
