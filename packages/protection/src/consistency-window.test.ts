import { describe, expect, it, vi } from "vitest";
import { consistencyWindow } from "./consistency-window.ts";

const at = (id: string, requestedAt: string, acknowledgedAt: string, failed = false) => ({
  type: "cinder.volume",
  id,
  detail: {},
  requestedAt,
  acknowledgedAt,
  createdAt: acknowledgedAt,
  ...(failed ? { failure: { code: "X", message: "x" } } : {}),
});

describe("consistencyWindow", () => {
  it("spans the first request and the last acknowledgement", () => {
    const window = consistencyWindow([
      at("b", "2026-01-01T00:00:00.200Z", "2026-01-01T00:00:00.900Z"),
      at("a", "2026-01-01T00:00:00.100Z", "2026-01-01T00:00:00.300Z"),
    ]);
    expect(window).toMatchObject({
      windowMs: 800,
      requestedFirstAt: "2026-01-01T00:00:00.100Z",
      requestedLastAt: "2026-01-01T00:00:00.200Z",
    });
  });
  it("takes a time without a zone, as Cinder gives it, for UTC wherever this runs", () => {
    vi.stubEnv("TZ", "Asia/Tokyo");
    try {
      expect(new Date(0).getTimezoneOffset()).toBe(-540);
      const adopted = at("a", "2026-01-01T00:00:00.000000", "2026-01-01T00:00:00.000000");
      const window = consistencyWindow([adopted, at("b", "2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z")]);
      expect(window).toMatchObject({
        windowMs: 2_000,
        requestedFirstAt: "2026-01-01T00:00:00.000000",
        requestedLastAt: "2026-01-01T00:00:01.000Z",
      });
    } finally {
      vi.unstubAllEnvs();
    }
  });
  it("leaves out what failed", () => {
    expect(
      consistencyWindow([at("a", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"), at("b", "", "", true)])?.resources,
    ).toHaveLength(1);
    expect(consistencyWindow([at("b", "", "", true)])).toBeUndefined();
  });
});
