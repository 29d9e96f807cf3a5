import { systemRandom } from "@permafrost/std";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatRecoveryKey, parseRecoveryKey } from "./recovery-key.ts";

const malformed = expect.objectContaining({ code: "RECOVERY_KEY_MALFORMED" });

describe("the recovery key", () => {
  it("comes back from its text, however that is typed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
        const text = formatRecoveryKey(key);
        expect(text).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){13}[0-9A-HJKMNP-TV-Z]{4}$/);
        for (const typed of [
          text,
          text.toLowerCase(),
          ` ${text.replaceAll("-", " ")}\n`,
          text.replaceAll("-", ""),
          text.replaceAll("0", "o").replaceAll("1", "l"),
        ]) {
          expect(Buffer.compare(parseRecoveryKey(typed), key)).toBe(0);
        }
      }),
    );
  });

  it("has one text for all time", () => {
    expect(formatRecoveryKey(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(
      "000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-C5RR-34D1-P70X-3RFJ-7DX2",
    );
  });

  it("is refused with a wrong character, a swapped group, or another length", () => {
    const text = formatRecoveryKey(systemRandom.bytes(32));
    for (let at = 0; at < text.length; at++) {
      if (text[at] === "-") continue;
      const wrong = text[at] === "7" ? "8" : "7";
      expect(() => parseRecoveryKey(text.slice(0, at) + wrong + text.slice(at + 1))).toThrow(malformed);
    }
    expect(() => parseRecoveryKey(text.replace(/.$/, "U"))).toThrow(malformed);
    expect(() => parseRecoveryKey(text.slice(1))).toThrow(malformed);
    expect(() => parseRecoveryKey("")).toThrow(malformed);
  });

  it("is never told in the error", () => {
    const text = formatRecoveryKey(systemRandom.bytes(32)).replace(/.$/, "U");
    try {
      parseRecoveryKey(text);
      expect.unreachable();
    } catch (error) {
      expect(JSON.stringify(error) + String(error)).not.toContain(text.slice(0, 4));
    }
  });

  it("has 32 bytes", () => {
    expect(() => formatRecoveryKey(new Uint8Array(31))).toThrow(RangeError);
  });
});
