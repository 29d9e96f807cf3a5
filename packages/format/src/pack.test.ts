import { crc32 } from "node:zlib";
import { blake3 } from "@permafrost/crypto";
import { CodedError, toHex } from "@permafrost/std";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePackFooter, encodePackFooter, FOOTER_TAIL_BYTES, type FooterEntry, footerLength } from "./pack-footer.ts";
import { decodePackHeader, encodePackHeader } from "./pack-header.ts";
import {
  decodeIndexBlock,
  decodeIndexMark,
  decodeIndexPack,
  decodeIndexRecord,
  decodeIndexRecordKey,
  encodeIndexBlock,
  encodeIndexMark,
  encodeIndexPack,
  encodeIndexRecord,
  indexBlockKey,
  indexMarkKey,
  indexPackKey,
  indexRange,
  indexRecordKey,
} from "./pack-index.ts";
import {
  decodeRecordHeader,
  encodeRecordHeader,
  RECORD_BODY_BYTES_MAX,
  type RecordHeader,
  recordBodyMatches,
  recordBytes,
} from "./pack-record.ts";

const run = (from: number, length: number) => Buffer.from(Array.from({ length }, (_, i) => (from + i) & 0xff));
const packId = run(0x10, 16);
const repositoryId = run(0x40, 16);
const id = run(0x60, 32);
const body = Buffer.from("sealed body");
const block: RecordHeader = {
  type: 1,
  keyBytes: 32,
  bodyBytes: body.length,
  repositoryId,
  id,
  version: 0n,
  offset: 64,
  packId,
  bodyDigest: blake3(body),
};
const entry: FooterEntry = { type: 1, bodyBytes: body.length, repositoryId, id, version: 0n, offset: 64 };

/** Each copy of `bytes` with one bit changed. */
function* flips(bytes: Buffer): Generator<Buffer> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = Buffer.from(bytes);
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield copy;
  }
}

describe("pack header", () => {
  const bytes = encodePackHeader({ packId, nodeId: run(0x80, 16), createdAtMs: 1_795_453_208_123 });

  it("has the golden bytes", () => {
    expect(toHex(bytes)).toBe(
      "50465041434b3031" +
        "0100" +
        "000000000000" +
        toHex(packId) +
        toHex(run(0x80, 16)) +
        "3bc65909a2010000" +
        "00000000" +
        "ad165ccb",
    );
    expect(decodePackHeader(bytes)).toEqual({ packId, nodeId: run(0x80, 16), createdAtMs: 1_795_453_208_123 });
  });

  it("shows every changed bit, and a short header", () => {
    for (const damaged of flips(bytes))
      expect(() => decodePackHeader(damaged)).toThrow(expect.objectContaining({ code: "PACK_DAMAGED" }));
    expect(() => decodePackHeader(bytes.subarray(0, 63))).toThrow(expect.objectContaining({ code: "PACK_DAMAGED" }));
    expect(() => decodePackHeader(withCrc(Buffer.alloc(64)))).toThrow(expect.objectContaining({ code: "PACK_DAMAGED" }));
  });

  it("refuses another version", () => {
    const next = Buffer.from(bytes);
    next.writeUInt16LE(2, 8);
    expect(() => decodePackHeader(withCrc(next))).toThrow(
      expect.objectContaining({ code: "FORMAT_UNKNOWN", facts: { version: 2, known: 1 } }),
    );
  });
});

describe("record header", () => {
  const bytes = encodeRecordHeader(block);

  it("has the golden bytes", () => {
    const digest = toHex(blake3(body)).slice(0, 56);
    expect(toHex(bytes)).toBe(
      "50465231" +
        "01" +
        "00" +
        "2000" +
        "0b000000" +
        "00000000" +
        toHex(repositoryId) +
        toHex(id) +
        "00".repeat(8) +
        "4000000000000000" +
        toHex(packId) +
        digest +
        "16a7c8c7",
    );
    expect(decodeRecordHeader(bytes, 0, packId, 64)).toEqual({ ...block, bodyDigest: Buffer.from(digest, "hex") });
  });

  it("shows every changed bit", () => {
    for (const damaged of flips(bytes)) expect(decodeRecordHeader(damaged, 0, packId, 64)).toBeUndefined();
  });

  it("is none in another place or pack, or when cut short", () => {
    expect(decodeRecordHeader(bytes, 0, packId, 72)).toBeUndefined();
    expect(decodeRecordHeader(bytes, 0, run(0, 16), 64)).toBeUndefined();
    expect(decodeRecordHeader(bytes.subarray(0, 127), 0, packId, 64)).toBeUndefined();
  });

  it("is none with a whole checksum over impossible fields", () => {
    const whole = (change: (header: Buffer) => void) => {
      const copy = Buffer.from(bytes);
      change(copy);
      copy.writeUInt32LE(crc32(copy.subarray(0, 124)), 124);
      return decodeRecordHeader(copy, 0, packId, 64);
    };
    expect(whole(() => {})).toBeDefined();
    expect(whole((h) => h.writeUInt8(4, 4))).toBeUndefined();
    expect(whole((h) => h.writeUInt8(1, 5))).toBeUndefined();
    expect(whole((h) => h.writeUInt16LE(31, 6))).toBeUndefined();
    expect(whole((h) => h.writeUInt32LE(RECORD_BODY_BYTES_MAX + 1, 8))).toBeUndefined();
    expect(whole((h) => h.writeUInt32LE(1, 12))).toBeUndefined();
    expect(whole((h) => h.writeUInt8(1, 64))).toBeUndefined();
    expect(whole((h) => h.writeUInt16LE(12, h.writeUInt8(2, 4) + 1))).toBeUndefined();
  });

  it("refuses to write what it would not read", () => {
    expect(() => encodeRecordHeader({ ...block, bodyBytes: RECORD_BODY_BYTES_MAX + 1 })).toThrow(CodedError);
    expect(() => encodeRecordHeader({ ...block, type: 2, keyBytes: 513, bodyBytes: 600 })).toThrow(CodedError);
  });

  it("keeps any fields", () => {
    const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((a) => Buffer.from(a));
    const headers = fc.record({
      type: fc.constantFrom(2 as const, 3 as const),
      keyBytes: fc.integer({ min: 1, max: 512 }),
      bodyBytes: fc.integer({ min: 512, max: RECORD_BODY_BYTES_MAX }),
      repositoryId: bytesOf(16),
      id: bytesOf(32),
      version: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
      offset: fc.integer({ min: 0, max: 2 ** 48 }).map((n) => n * 8),
      packId: bytesOf(16),
      bodyDigest: bytesOf(28),
    });
    fc.assert(
      fc.property(headers, (header) => {
        expect(decodeRecordHeader(encodeRecordHeader(header), 0, header.packId, header.offset)).toEqual(header);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it("knows its body and its place on disk", () => {
    expect(recordBodyMatches(block, blake3(body))).toBe(true);
    expect(recordBodyMatches(block, blake3(Buffer.from("other")))).toBe(false);
    expect([0, 1, 8, 9].map(recordBytes)).toEqual([128, 136, 136, 144]);
  });
});

describe("footer", () => {
  const second: FooterEntry = { ...entry, type: 2, version: 7n, offset: 64 + recordBytes(body.length), bodyBytes: 20 };
  const footer = encodePackFooter([entry, second]);
  const footerOffset = second.offset + recordBytes(20);

  it("has the golden shape and gives its entries back", () => {
    expect(footer.length).toBe(16 + 2 * 72 + 40);
    expect(toHex(footer.subarray(0, 16))).toBe("5046464f4f543031" + "02000000" + "00000000");
    expect(toHex(footer.subarray(16, 88))).toBe(
      "01000000" + "0b000000" + toHex(repositoryId) + toHex(id) + "00".repeat(8) + "4000000000000000",
    );
    expect(toHex(footer.subarray(-8))).toBe("c8000000" + "50464531");
    expect(footerLength(footer.subarray(-FOOTER_TAIL_BYTES))).toBe(footer.length);
    expect(decodePackFooter(footer, footerOffset)).toEqual([entry, second]);
    expect(decodePackFooter(encodePackFooter([]), 64)).toEqual([]);
  });

  it("shows every changed bit", () => {
    for (const damaged of flips(footer)) expect(decodePackFooter(damaged, footerOffset)).toBeUndefined();
  });

  it("refuses entries that overlap, are out of place or of no known type", () => {
    expect(decodePackFooter(encodePackFooter([second, entry]), footerOffset)).toBeUndefined();
    expect(decodePackFooter(footer, footerOffset - 8)).toBeUndefined();
    expect(decodePackFooter(encodePackFooter([{ ...entry, offset: 65 }]), footerOffset)).toBeUndefined();
    expect(decodePackFooter(encodePackFooter([{ ...entry, type: 9 as 1 }]), footerOffset)).toBeUndefined();
  });

  it("is none in arbitrary bytes", () => {
    expect(footerLength(Buffer.alloc(39))).toBeUndefined();
    expect(decodePackFooter(Buffer.alloc(10), 64)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => decodePackFooter(Buffer.from(bytes), 1000) === undefined),
      { seed: 2 },
    );
  });
});

describe("index entries", () => {
  const location = { packId, offset: 2 ** 33 + 8, bodyBytes: 65_600, damaged: false };
  const blockKey = indexBlockKey(repositoryId, id);
  const recordKey = indexRecordKey(repositoryId, "session/1");
  const packKey = indexPackKey(packId);
  const markKey = indexMarkKey("clean");
  const cases: [string, Buffer, Buffer, (key: Buffer, value: Buffer) => unknown, unknown][] = [
    ["block", blockKey, encodeIndexBlock(blockKey, location), decodeIndexBlock, location],
    [
      "damaged block",
      blockKey,
      encodeIndexBlock(blockKey, { ...location, damaged: true }),
      decodeIndexBlock,
      { ...location, damaged: true },
    ],
    [
      "record",
      recordKey,
      encodeIndexRecord(recordKey, { ...location, version: 9n, type: 3 }),
      decodeIndexRecord,
      { ...location, version: 9n, type: 3 },
    ],
    [
      "pack",
      packKey,
      encodeIndexPack(packKey, { state: "sealed", sizeBytes: 4096 }),
      decodeIndexPack,
      { state: "sealed", sizeBytes: 4096 },
    ],
    ["mark", markKey, encodeIndexMark(markKey, 1), decodeIndexMark, 1],
  ];

  it.each(cases)("%s: comes back, and shows every changed bit of key and value", (_name, key, value, decode, expected) => {
    expect(decode(key, value)).toEqual(expected);
    for (const damaged of flips(value)) expect(decode(key, damaged)).toBeUndefined();
    for (const other of flips(key)) expect(decode(other, value)).toBeUndefined();
    expect(decode(key, value.subarray(1))).toBeUndefined();
  });

  it("have the golden bytes", () => {
    expect(toHex(blockKey)).toBe(`62${toHex(repositoryId)}${toHex(id)}`);
    expect(toHex(encodeIndexBlock(blockKey, location)).slice(0, -8)).toBe(
      `${toHex(packId)}0800000002000000${"40000100"}00000000`,
    );
    expect(decodeIndexRecordKey(recordKey)).toEqual({ repositoryId, keyText: "session/1" });
    expect(toHex(indexRange("pack").from) + toHex(indexRange("pack").to)).toBe("7071");
    expect([indexRange("block").to, indexRange("record").from].map(toHex)).toEqual(["63", "72"]);
  });
});

function withCrc(header: Buffer): Buffer {
  header.writeUInt32LE(crc32(header.subarray(0, 60)), 60);
  return header;
}
