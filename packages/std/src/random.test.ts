import { describe, expect, it } from "vitest";
import { type Random, randomId, systemRandom } from "./random.ts";

describe("systemRandom", () => {
  it("gives as many bytes as asked, different each time", () => {
    expect(systemRandom.bytes(0)).toHaveLength(0);
    expect(systemRandom.bytes(32)).toHaveLength(32);
    expect(systemRandom.bytes(32)).not.toEqual(systemRandom.bytes(32));
  });

  it("gives fractions in [0, 1) that fill the range", () => {
    const fractions = Array.from({ length: 2_000 }, () => systemRandom.fraction());
    expect(Math.min(...fractions)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...fractions)).toBeLessThan(1);
    expect(Math.min(...fractions)).toBeLessThan(0.05);
    expect(Math.max(...fractions)).toBeGreaterThan(0.95);
  });
});

describe("randomId", () => {
  it("is 16 bytes of the given source as hex", () => {
    const fixed: Random = { bytes: (length) => new Uint8Array(length).fill(0xab), fraction: () => 0 };
    expect(randomId(fixed)).toBe("ab".repeat(16));
  });

  it("does not repeat", () => {
    expect(new Set(Array.from({ length: 1_000 }, () => randomId())).size).toBe(1_000);
  });
});
