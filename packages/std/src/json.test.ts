import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "./json.ts";

describe("canonicalJson", () => {
  it("sorts keys by UTF-16 code unit at every depth and writes no white space", () => {
    expect(canonicalJson({ b: [1, { z: null, a: "x" }], a: true, "\u20ac": 1, "\ud83d\ude00": 2, "\ufb33": 3 })).toBe(
      '{"a":true,"b":[1,{"a":"x","z":null}],"\u20ac":1,"\ud83d\ude00":2,"\ufb33":3}',
    );
  });

  it("is the same for every order of the same members", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
      }),
    );
  });

  it("is JSON of the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("leaves out undefined members, and writes undefined items as null", () => {
    expect(canonicalJson({ a: undefined, b: [undefined, 1] })).toBe('{"b":[null,1]}');
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1n, undefined, () => 1, Symbol("x")])(
    "refuses %o, which has no JSON form",
    (value) => {
      expect(() => canonicalJson(value)).toThrow(RangeError);
      expect(() => canonicalJson({ a: [typeof value === "undefined" ? Number.NaN : value] })).toThrow(RangeError);
    },
  );

  it("writes negative zero as zero", () => {
    expect(canonicalJson([-0, 1e21, 0.1])).toBe("[0,1e+21,0.1]");
  });
});
