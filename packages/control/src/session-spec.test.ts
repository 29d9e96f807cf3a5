import { systemRandom } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { newSessionId } from "./session-spec.ts";

const START = Date.parse("2026-11-23T17:00:08.000Z");

describe("newSessionId", () => {
  it("says when, and sorts by the millisecond whatever the random part is", () => {
    const ids = [0, 1, 9, 10, 500, 998, 999, 1000].flatMap((ms) =>
      [0x00, 0xff].map((fill) =>
        newSessionId(START + ms, { ...systemRandom, bytes: (count) => new Uint8Array(count).fill(fill) }),
      ),
    );
    expect(ids[0]).toBe("20261123T170008Z-00000000");
    expect(ids.at(-1)).toBe("20261123T170009Z-003fffff");
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("differs between two of one moment", () => {
    expect(new Set(Array.from({ length: 50 }, () => newSessionId(START + 999, systemRandom))).size).toBe(50);
    expect(newSessionId(START + 999, systemRandom)).toMatch(/^20261123T170008Z-[0-9a-f]{8}$/);
  });
});
