import { fromHex, toHex, utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { blake3, blake3Keyed, blake3KeyedHasher } from "./blake3.ts";

// Official test vectors of BLAKE3: input byte i is i % 251; first 32 bytes of the outputs.
const KEY = utf8("whats the Elvish word for friend");
const VECTORS = [
  [
    0,
    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26",
  ],
  [
    1,
    "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b",
  ],
  [
    1023,
    "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
    "c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e",
  ],
  [
    1024,
    "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4",
  ],
  [
    1025,
    "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69",
  ],
  [
    4097,
    "9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995",
    "00df940cd36bb9fa7cbbc3556744e0dbc8191401afe70520ba292ee3ca80abbc",
  ],
  [
    7169,
    "a003fc7a51754a9b3c7fae0367ab3d782dccf28855a03d435f8cfe74605e7817",
    "ed9b1a922c046fdb3d423ae34e143b05ca1bf28b710432857bf738bcedbfa511",
  ],
] as const;

function input(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

describe("blake3", () => {
  it.each(VECTORS)("gives the official digests of %i bytes", (length, plain, keyed) => {
    expect(toHex(blake3(input(length)))).toBe(plain);
    expect(toHex(blake3Keyed(KEY, input(length)))).toBe(keyed);
  });

  it("keeps the key of a reused hasher, and joins its parts", () => {
    const digest = blake3KeyedHasher(KEY);
    for (const [length, , keyed] of VECTORS) {
      const data = input(length);
      expect(toHex(digest(data))).toBe(keyed);
      expect(toHex(digest(data.subarray(0, length >> 1), data.subarray(length >> 1)))).toBe(keyed);
    }
  });

  it("hashes a view, not the memory behind it", () => {
    expect(blake3(input(100).subarray(0, 1))).toEqual(fromHex(VECTORS[1][1]));
  });

  it("refuses a key of another length", () => {
    expect(() => blake3Keyed(new Uint8Array(31), input(1))).toThrow(RangeError);
  });
});
