import { CodedError, fromHex, toHex } from "@permafrost/std";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ChildEntry, decodeManifestPage, encodeInnerPage, encodeLeafPage, isLeaf, type LeafEntry } from "./manifest-page.ts";

const id = (byte: number) => new Uint8Array(32).fill(byte);
const broken = expect.objectContaining({ code: "MANIFEST_BROKEN" });
const unknown = expect.objectContaining({ code: "FORMAT_UNKNOWN" });

const ENTRIES: readonly LeafEntry[] = [
  { kind: "block", length: 65536, id: id(0xaa) },
  { kind: "zero", length: 131072 },
  { kind: "block", length: 100, id: id(0xbb) },
];
const CHILDREN: readonly ChildEntry[] = [
  { id: id(1), length: 64 * 1024 * 1024 },
  { id: id(2), length: 2 ** 33 + 1 },
];

// The bytes of version 1, written down once; a change of them is a change of the format.
const LEAF_HEX =
  `50464d31000100000000010003000000640003000000000001000000000001 00${"aa".repeat(32)}020000000000020000000000 0100000064000000${"bb".repeat(32)}`.replaceAll(
    " ",
    "",
  );
const INNER_HEX =
  `50464d31010100000000010002000000 0100000402000000${"01".repeat(32)}0000000400000000${"02".repeat(32)}0100000002000000`.replaceAll(
    " ",
    "",
  );

describe("a manifest page", () => {
  it("has the bytes of version 1", () => {
    expect(toHex(encodeLeafPage("fixed", 65536, ENTRIES))).toBe(LEAF_HEX);
    expect(toHex(encodeInnerPage(1, "fixed", 65536, CHILDREN))).toBe(INNER_HEX);
    expect(decodeManifestPage(fromHex(LEAF_HEX))).toMatchObject({
      level: 0,
      chunking: "fixed",
      blockBytes: 65536,
      totalBytes: 196708,
    });
    expect(decodeManifestPage(fromHex(INNER_HEX))).toMatchObject({ level: 1, totalBytes: 64 * 1024 * 1024 + 2 ** 33 + 1 });
  });

  it("comes back as it was", () => {
    const entry: fc.Arbitrary<LeafEntry> = fc.oneof(
      fc.record({
        kind: fc.constant("block" as const),
        length: fc.integer({ min: 1, max: 1024 * 1024 }),
        id: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      }),
      fc.record({ kind: fc.constant("zero" as const), length: fc.integer({ min: 1, max: 2 ** 40 }) }),
    );
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 50 }), (all) => {
        const entries = all.filter((e, i) => !(e.kind === "zero" && all[i - 1]?.kind === "zero"));
        const page = decodeManifestPage(encodeLeafPage("content", 0, entries));
        if (!isLeaf(page)) throw new Error("not a leaf");
        expect(page.entries.map((e) => [e.kind, e.length, e.kind === "block" ? toHex(e.id) : ""])).toEqual(
          entries.map((e) => [e.kind, e.length, e.kind === "block" ? toHex(e.id) : ""]),
        );
      }),
    );
  });

  it("with any bit changed is refused, or is another page: never taken for the same, never a crash", () => {
    for (const hex of [LEAF_HEX, INNER_HEX]) {
      const before = JSON.stringify(decodeManifestPage(fromHex(hex)));
      for (let bit = 0; bit < hex.length * 4; bit++) {
        const bytes = Uint8Array.from(fromHex(hex));
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        try {
          expect(JSON.stringify(decodeManifestPage(bytes))).not.toBe(before);
        } catch (error) {
          expect(CodedError.is(error) ? error.code : error).toMatch(/^(MANIFEST_BROKEN|FORMAT_UNKNOWN)$/);
        }
      }
    }
  });

  it("is refused when cut short or followed by anything", () => {
    for (const hex of [LEAF_HEX, INNER_HEX]) {
      const bytes = fromHex(hex);
      for (let length = 0; length < bytes.length; length++)
        expect(() => decodeManifestPage(bytes.subarray(0, length))).toThrow(broken);
      expect(() => decodeManifestPage(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(broken);
    }
  });

  it("is refused when it breaks a rule", () => {
    const leaf = (edit: (page: Buffer) => void) => {
      const page = Buffer.from(LEAF_HEX, "hex");
      edit(page);
      return () => decodeManifestPage(page);
    };
    expect(leaf((page) => page.write("PFM2"))).toThrow(unknown);
    expect(leaf((page) => page.writeUInt8(6, 4))).toThrow(broken); // level
    expect(leaf((page) => page.writeUInt8(3, 5))).toThrow(broken); // chunking
    expect(leaf((page) => page.writeUInt8(2, 5))).toThrow(broken); // content with a block size
    expect(leaf((page) => page.writeUInt8(1, 6))).toThrow(broken); // reserved
    expect(leaf((page) => page.writeUInt32LE(0, 8))).toThrow(broken); // no block size
    expect(leaf((page) => page.writeUInt32LE(2 ** 21, 8))).toThrow(broken); // above the largest block
    expect(leaf((page) => page.writeUInt32LE(0, 12))).toThrow(broken);
    expect(leaf((page) => page.writeUInt32LE(1025, 12))).toThrow(broken);
    expect(leaf((page) => page.writeUInt32LE(2 ** 32 - 1, 12))).toThrow(broken);
    expect(leaf((page) => page.writeUInt32LE(196709, 16))).toThrow(broken); // sum
    expect(leaf((page) => page.writeUInt8(3, 24))).toThrow(broken); // type
    expect(leaf((page) => page.writeUInt8(1, 25))).toThrow(broken); // reserved
    expect(leaf((page) => page.writeUInt32LE(0, 28))).toThrow(broken); // empty block
    expect(leaf((page) => page.writeUInt32LE(65537, 28))).toThrow(broken); // above the block size
    expect(leaf((page) => page.writeUInt32LE(2 ** 31, 72))).toThrow(broken); // above 2^53
    const refused = (entries: LeafEntry[]) =>
      expect(() => decodeManifestPage(encodeLeafPage("fixed", 65536, entries))).toThrow(broken);
    refused([
      { kind: "zero", length: 65536 },
      { kind: "zero", length: 65536 },
    ]);
    refused([
      { kind: "block", length: 100, id: id(1) },
      { kind: "block", length: 65536, id: id(1) },
    ]);
    refused([{ kind: "zero", length: 65 * 1024 * 1024 }]);
    const inner = Buffer.from(INNER_HEX, "hex");
    inner.writeUInt32LE(1, 16);
    expect(() => decodeManifestPage(inner)).toThrow(broken);
  });

  it("cannot be written empty, too long, or with a run of nothing", () => {
    const assertion = expect.objectContaining({ code: "ASSERTION" });
    expect(() => encodeLeafPage("content", 0, [])).toThrow(assertion);
    expect(() =>
      encodeLeafPage(
        "content",
        0,
        Array.from({ length: 1025 }, () => ENTRIES[0] as LeafEntry),
      ),
    ).toThrow(assertion);
    expect(() => encodeLeafPage("content", 0, [{ kind: "zero", length: 0 }])).toThrow(assertion);
    expect(() => encodeInnerPage(0, "content", 0, CHILDREN)).toThrow(assertion);
    expect(() => encodeInnerPage(6, "content", 0, CHILDREN)).toThrow(assertion);
  });
});
