import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type RetainedPoint, type RetentionPolicy, retained } from "./retention.ts";

const point = (startedAt: string, isComplete = true): RetainedPoint => ({ id: startedAt, startedAt, isComplete });
const kept = (points: readonly RetainedPoint[], policy: RetentionPolicy, zone = "UTC") =>
  Object.fromEntries(retained(points, policy, zone));

describe("retained", () => {
  it("keeps the newest so many", () => {
    const points = ["2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z", "2026-11-02T00:00:00Z"].map((at) => point(at));
    expect(kept(points, { last: 2 })).toEqual({ "2026-11-03T00:00:00Z": ["last 1"], "2026-11-02T00:00:00Z": ["last 2"] });
    expect(kept(points, {})).toEqual({});
  });

  it("keeps the newest of each period, and counts only periods that have one", () => {
    const points = [
      ...["2026-11-26T23:00:00Z", "2026-11-26T01:00:00Z", "2026-11-20T12:00:00Z"],
      ...["2026-01-01T00:00:00Z", "2024-12-30T00:00:00Z"],
    ].map((at) => point(at));
    expect(kept(points, { daily: 2, weekly: 3, yearly: 2 })).toEqual({
      "2026-11-26T23:00:00Z": ["daily 2026-11-26", "weekly 2026-W48", "yearly 2026"],
      "2026-11-20T12:00:00Z": ["daily 2026-11-20", "weekly 2026-W47"],
      "2026-01-01T00:00:00Z": ["weekly 2026-W01"],
      "2024-12-30T00:00:00Z": ["yearly 2024"],
    });
    expect(kept(points, { hourly: 1, monthly: 1 })).toEqual({
      "2026-11-26T23:00:00Z": ["hourly 2026-11-26 23:00", "monthly 2026-11"],
    });
  });

  it("takes days as the time zone has them, and weeks of the year of their Thursday", () => {
    const points = [point("2026-11-26T23:30:00Z"), point("2026-11-26T10:00:00Z"), point("2024-12-30T12:00:00Z")];
    expect(kept(points, { daily: 2 }, "Europe/Vienna")).toEqual({
      "2026-11-26T23:30:00Z": ["daily 2026-11-27"],
      "2026-11-26T10:00:00Z": ["daily 2026-11-26"],
    });
    expect(kept(points, { weekly: 9 })).toMatchObject({ "2024-12-30T12:00:00Z": ["weekly 2025-W01"] });
    expect(() => kept(points, { last: 1 }, "Mars/Olympus")).toThrow(RangeError);
  });

  it("lets no partial one take the place of a complete one", () => {
    const points = [
      point("2026-11-05T00:00:00Z", false),
      point("2026-11-04T12:00:00Z", false),
      point("2026-11-04T00:00:00Z"),
      point("2026-11-03T00:00:00Z", false),
    ];
    expect(kept(points, { last: 1, daily: 5 })).toEqual({
      "2026-11-04T00:00:00Z": ["last 1", "daily 2026-11-04"],
      "2026-11-05T00:00:00Z": ["newer than all that is complete"],
      "2026-11-04T12:00:00Z": ["newer than all that is complete"],
    });
    expect(kept([point("2026-11-05T00:00:00Z", false), point("2026-11-04T00:00:00Z", false)], { last: 3 })).toEqual({
      "2026-11-05T00:00:00Z": ["nothing is complete"],
    });
  });

  it("never lets everything go that is complete, nor keeps more by a rule than it says", () => {
    const time = fc.date({ min: new Date("2020-01-01"), max: new Date("2027-01-01"), noInvalidDate: true });
    const points = fc.uniqueArray(fc.record({ at: time, isComplete: fc.boolean() }), { selector: ({ at }) => at.getTime() });
    const counts = fc.record({ last: fc.nat(4), hourly: fc.nat(4), daily: fc.nat(4), monthly: fc.nat(4), yearly: fc.nat(4) });
    fc.assert(
      fc.property(points, counts, (made, policy) => {
        const all = made.map(({ at, isComplete }) => point(at.toISOString(), isComplete));
        const result = retained(all, policy, "America/New_York");
        const reasons = [...result.values()].flat();
        for (const [rule, count] of Object.entries(policy))
          expect(reasons.filter((reason) => reason.startsWith(`${rule} `)).length).toBeLessThanOrEqual(count);
        const complete = all.filter((one) => one.isComplete);
        if (complete.length > 0 && Object.values(policy).some((count) => count > 0))
          expect(complete.some((one) => result.has(one.id))).toBe(true);
      }),
    );
  });
});
