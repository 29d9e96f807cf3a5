import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { systemRandom } from "@permafrost/std";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openCompressor, openDecompressor } from "./zstd-context.ts";

const OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

describe("a kept zstd context", () => {
  it("works with this Node, frame after frame, as the one-shot calls do", () => {
    const [compressor, decompressor] = [openCompressor(OPTIONS), openDecompressor()];
    const output = Buffer.alloc(200_000);
    const content = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 5000 }),
      fc.nat(100_000).map((n) => new Uint8Array(n + 1).fill(n)),
    );
    fc.assert(
      fc.property(content, (plaintext) => {
        const written = compressor(plaintext, output);
        const frame = Buffer.from(output.subarray(0, written));
        expect(zstdDecompressSync(frame).equals(plaintext)).toBe(true);
        const back = Buffer.alloc(plaintext.length + 1);
        expect(decompressor(frame, back)).toBe(plaintext.length);
        expect(back.subarray(0, -1).equals(plaintext)).toBe(true);
      }),
    );
  });

  it("gives up on what does not come out whole, and goes on afterwards", () => {
    const decompressor = openDecompressor();
    const plaintext = Buffer.alloc(100_000, "frame");
    const frame = zstdCompressSync(plaintext);
    const good = () => decompressor(frame, Buffer.alloc(100_001));
    for (const bad of [
      Buffer.from("not a frame at all"),
      systemRandom.bytes(50),
      frame.map((byte, i) => (i === 8 ? byte ^ 0xff : byte)),
    ]) {
      expect(decompressor(bad, Buffer.alloc(100_001))).not.toBe(100_000);
      expect([undefined, 100_000]).toContain(good()); // a context left within a frame is found out once
      expect(good()).toBe(100_000);
    }
  });

  it("does not write beyond its output", () => {
    const bomb = zstdCompressSync(Buffer.alloc(8 * 1024 * 1024));
    const output = Buffer.alloc(1000, 7);
    expect(openDecompressor()(bomb, output.subarray(0, 500))).not.toBe(8 * 1024 * 1024);
    expect(output.subarray(500).every((byte) => byte === 7)).toBe(true);
  });
});
