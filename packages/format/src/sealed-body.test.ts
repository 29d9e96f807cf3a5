import { toHex } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { readSealedBody, type SealedHeader, sealedBodyBytes, writeSealedHeader } from "./sealed-body.ts";

const HEADER: SealedHeader = {
  codec: "zstd",
  keyEpoch: 0,
  plaintextBytes: 65536,
  salt: new Uint8Array(24).fill(0x11),
  counter: 2 ** 33 + 7,
};
const broken = expect.objectContaining({ code: "SEAL_BROKEN" });

function body(header: Partial<SealedHeader> = {}): Buffer {
  const bytes = Buffer.alloc(sealedBodyBytes(5), 0xcc);
  writeSealedHeader(bytes, { ...HEADER, ...header });
  return bytes;
}

describe("a sealed body", () => {
  it("has the bytes of version 1", () => {
    expect(toHex(body())).toBe(`0101000000000100${"11".repeat(24)}0700000002000000${"cc".repeat(21)}`);
    const { header, headerBytes, sealed } = readSealedBody(body());
    expect({ ...header, salt: toHex(header.salt) }).toEqual({ ...HEADER, salt: "11".repeat(24) });
    expect([headerBytes.length, sealed.length]).toEqual([40, 21]);
    expect(readSealedBody(body({ codec: "raw" })).header.codec).toBe("raw");
  });

  it("is refused when it cannot be one", () => {
    const edited = (edit: (bytes: Buffer) => void) => {
      const bytes = body();
      edit(bytes);
      return () => readSealedBody(bytes);
    };
    expect(edited((bytes) => bytes.writeUInt8(2, 0))).toThrow(expect.objectContaining({ code: "FORMAT_UNKNOWN" }));
    expect(edited((bytes) => bytes.writeUInt8(2, 1))).toThrow(broken);
    expect(edited((bytes) => bytes.writeUInt16LE(1, 2))).toThrow(broken);
    expect(edited((bytes) => bytes.writeUInt32LE(1024 * 1024 + 1, 4))).toThrow(broken);
    expect(edited((bytes) => bytes.writeUInt32LE(2 ** 31, 36))).toThrow(broken);
    expect(() => readSealedBody(body().subarray(0, 55))).toThrow(broken);
    expect(() => readSealedBody(new Uint8Array(0))).toThrow(broken);
  });

  it("cannot be written with fields out of range", () => {
    expect(() => body({ salt: new Uint8Array(23) })).toThrow(RangeError);
    expect(() => body({ plaintextBytes: 1024 * 1024 + 1 })).toThrow(RangeError);
    expect(() => body({ plaintextBytes: -1 })).toThrow(RangeError);
  });
});
