import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareBytes, concatBytes, EMPTY_BYTES, equalBytes, fromHex, fromUtf8, toHex, utf8 } from "./bytes.ts";

describe("hex", () => {
  it("is lower case, two digits a byte", () => {
    expect(toHex(Uint8Array.of(0, 10, 255))).toBe("000aff");
    expect(toHex(EMPTY_BYTES)).toBe("");
  });

  it("of a view shows only the view", () => {
    expect(toHex(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))).toBe("0203");
  });

  it("goes back to the same bytes, in either case", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(equalBytes(fromHex(toHex(bytes)), bytes)).toBe(true);
        expect(equalBytes(fromHex(toHex(bytes).toUpperCase()), bytes)).toBe(true);
      }),
    );
  });

  it.each(["0", "0g", "zz", "0x00", " 00", "00\n"])("refuses %j, which Buffer would cut short", (text) => {
    expect(() => fromHex(text)).toThrow(RangeError);
  });
});

describe("order and equality", () => {
  it("is unsigned and lexicographic, a prefix first", () => {
    const sorted = [[], [0], [0, 255], [1], [127], [128], [255], [255, 0]].map((bytes) => Uint8Array.from(bytes));
    expect([...sorted].reverse().sort(compareBytes)).toEqual(sorted);
    expect(compareBytes(Uint8Array.of(5), Uint8Array.of(5))).toBe(0);
  });

  it("is the order of the hex text", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        const byText = toHex(a) < toHex(b) ? -1 : toHex(a) > toHex(b) ? 1 : 0;
        expect(Math.sign(compareBytes(a, b))).toBe(byText);
        expect(equalBytes(a, b)).toBe(byText === 0);
      }),
    );
  });
});

describe("text and joining", () => {
  it("keeps every character through UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(fromUtf8(utf8(text))).toBe(text);
      }),
    );
  });

  it("reads only the view", () => {
    expect(fromUtf8(utf8("abcd").subarray(1, 3))).toBe("bc");
  });

  it("joins in order into bytes of its own", () => {
    const first = Uint8Array.of(1, 2);
    const joined = concatBytes([first, EMPTY_BYTES, Uint8Array.of(3)]);
    first[0] = 9;
    expect([...joined]).toEqual([1, 2, 3]);
  });
});
