import { constants, zstdCompressSync } from "node:zlib";
import { expect, it } from "vitest";
import { fillCompressible, fillRandom, fillText } from "./content.ts";
import { Xoshiro } from "./xoshiro.ts";

function ratio(bytes: number, fill: (out: Buffer, random: Xoshiro) => void): number {
  const random = new Xoshiro("ratio");
  let compressed = 0;
  for (let i = 0; i < 16; i++) {
    const out = Buffer.alloc(bytes);
    fill(out, random);
    compressed += zstdCompressSync(out, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }).length;
  }
  return (16 * bytes) / compressed;
}

it("makes compressible bytes that zstd level 1 halves", () => {
  expect(ratio(65_536, fillCompressible)).toBeGreaterThan(1.85);
  expect(ratio(65_536, fillCompressible)).toBeLessThan(2.15);
  expect(ratio(524_288, fillCompressible)).toBeGreaterThan(2.0);
  expect(ratio(524_288, fillCompressible)).toBeLessThan(2.4);
});

it("makes random bytes that do not compress and text that does", () => {
  expect(ratio(65_536, fillRandom)).toBeLessThan(1.001);
  expect(ratio(65_536, (out, random) => fillText(out, random, "t"))).toBeGreaterThan(2.2);
});

it("fills every byte of any length", () => {
  for (const fill of [fillRandom, fillCompressible, (out: Buffer, random: Xoshiro) => fillText(out, random, "t")]) {
    const out = Buffer.alloc(4_099);
    fill(out, new Xoshiro("length"));
    expect(out.subarray(-64).some((byte) => byte !== 0)).toBe(true);
  }
});
