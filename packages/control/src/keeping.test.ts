import type { SessionRecord } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { checkForgettable, withLock } from "./keeping.ts";
import type { SessionStore } from "./session-store.ts";

const NOW = Date.parse("2026-11-27T12:00:00Z");
const at = (days: number) => new Date(NOW + days * 86_400_000).toISOString();
const root = { form: "empty", id: "", sizeBytes: 0, chunking: "content" } as const;
const point = (changes: Partial<SessionRecord> = {}) =>
  ({ id: "20261127T120000Z-00000001", kind: "backup", state: "succeeded", results: root, ...changes }) as SessionRecord;
const storeOf = (journalled: number) => async () => ({ journalled: async () => journalled }) as unknown as SessionStore;
const codeOf = async (work: Promise<unknown>) =>
  work.then(
    () => "ok",
    (error: unknown) => CodedError.from(error).code,
  );
const forgettable = (record: SessionRecord, { journalled = 0, isForced = false, nowMs = NOW } = {}) =>
  codeOf(checkForgettable([point(), record], storeOf(journalled), nowMs, isForced));

describe("a session may be forgotten", () => {
  it("unless it runs, is locked or held, force or not", async () => {
    expect(await forgettable(point())).toBe("ok");
    expect(await forgettable(point({ state: "running" }), { isForced: true })).toBe("SESSION_RUNNING");
    const locked = withLock(point(), { until: at(1) }, NOW);
    expect(await forgettable(locked, { isForced: true })).toBe("SESSION_LOCKED");
    expect(await forgettable(locked, { nowMs: NOW + 2 * 86_400_000 })).toBe("ok");
    const held = withLock(point(), { isHeld: true }, NOW);
    expect(await forgettable(held, { nowMs: NOW + 10_000 * 86_400_000 })).toBe("SESSION_LOCKED");
    expect(await forgettable(withLock(held, { isHeld: false }, NOW))).toBe("ok");
  });

  it("unless a restore could then not be undone, if not forced", async () => {
    const restore = point({ kind: "restore" });
    expect(await forgettable(restore, { journalled: 3 })).toBe("RESTORE_NOT_UNDONE");
    expect(await forgettable(restore, { journalled: 3, isForced: true })).toBe("ok");
  });
});

describe("a lock", () => {
  const refusal = (work: () => unknown) => codeOf((async () => work())());

  it("is made longer and never shorter, and a hold beside it changes nothing of that", async () => {
    const locked = withLock(point(), { until: at(10) }, NOW);
    expect(await refusal(() => withLock(locked, { until: at(9) }, NOW))).toBe("LOCK_TOO_EARLY");
    expect(withLock(locked, { until: at(11) }, NOW).lock).toEqual({ until: at(11) });
    const held = withLock(locked, { isHeld: true }, NOW);
    expect(held.lock).toEqual({ until: at(10), isHeld: true });
    expect(withLock(held, { isHeld: false }, NOW).lock).toEqual({ until: at(10), isHeld: false });
    expect(withLock(locked, { until: at(21) }, NOW + 20 * 86_400_000).lock).toEqual({ until: at(21) });
  });

  it("ends in the future, and is a restore point's", async () => {
    expect(await refusal(() => withLock(point(), { until: at(-1) }, NOW))).toBe("LOCK_TOO_EARLY");
    for (const other of [point({ kind: "restore" }), point({ state: "failed" })])
      expect(await refusal(() => withLock(other, { until: at(1) }, NOW))).toBe("NOT_A_RESTORE_POINT");
  });
});
