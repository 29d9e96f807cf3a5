import { memoryBlockStore } from "@permafrost/blocks";
import type { BackupPolicy, SessionRecord } from "@permafrost/model";
import { initRepository, type Repository } from "@permafrost/repository";
import { CodedError, isoTime } from "@permafrost/std";
import { beforeEach, describe, expect, it } from "vitest";
import { PolicyStore } from "./policy-store.ts";
import { lastDue, nextDue } from "./schedule.ts";
import { actOnPolicies, runPolicies, type SchedulerParts } from "./scheduler.ts";
import { SessionStore } from "./session-store.ts";

const root = { form: "empty", id: "", sizeBytes: 0, chunking: "content" } as const;
const HOUR = 3_600_000;
const at = (text: string) => Date.parse(`2026-${text}Z`);

describe("a schedule", () => {
  const vienna = (schedule: string) => ({ schedule, timeZone: "Europe/Vienna" });

  it("is meant in its time zone, on both sides of a change of the clock", () => {
    expect(isoTime(nextDue(vienna("30 2 * * *"), at("07-01T12:00:00")) ?? 0)).toBe("2026-07-02T00:30:00.000Z");
    expect(isoTime(nextDue(vienna("30 2 * * *"), at("12-01T12:00:00")) ?? 0)).toBe("2026-12-02T01:30:00.000Z");
    expect(lastDue(vienna("0 * * * *"), at("10-25T00:30:00"), at("10-25T01:10:00"))).toBe(at("10-25T01:00:00"));
  });

  it("is due once for all that was missed, and not before it was made", () => {
    const daily = { schedule: "0 3 * * *", timeZone: "UTC" };
    expect(lastDue(daily, at("11-01T00:00:00"), at("11-10T12:00:00"))).toBe(at("11-10T03:00:00"));
    expect(lastDue(daily, at("11-10T03:00:00"), at("11-10T12:00:00"))).toBeUndefined();
    expect(lastDue(daily, at("11-10T02:59:59"), at("11-10T03:00:00"))).toBe(at("11-10T03:00:00"));
    expect(lastDue(daily, at("11-10T04:00:00"), at("11-10T03:30:00"))).toBeUndefined();
  });

  it.each([
    ["61 * * * *", "UTC"],
    ["* * * *", "UTC"],
    ["0 0 3 * * *", "UTC"],
    ["hourly", "UTC"],
    ["0 3 * * *", "Mars/Olympus"],
  ])("%s in %s is none", (schedule, timeZone) => {
    expect(() => nextDue({ schedule, timeZone }, 0)).toThrow(expect.objectContaining({ code: "POLICY_INVALID" }));
  });
});

describe("policies", () => {
  let repository: Repository;
  let sessions: SessionStore;
  let policies: PolicyStore;
  let nowMs: number;
  let started: { kind: string; policy?: { name: string; dueAt: string } }[];
  let events: string[];
  let parts: SchedulerParts;
  let count: number;

  beforeEach(async () => {
    const secret = { kind: "key", value: Buffer.alloc(32, 7).toString("base64") } as const;
    repository = (await initRepository(memoryBlockStore(), { name: "r", secret })).repository;
    sessions = new SessionStore(repository, "test");
    policies = new PolicyStore(repository, "test");
    nowMs = at("11-01T00:00:00");
    [started, events, count] = [[], [], 0];
    parts = {
      holder: "test",
      clock: { now: () => nowMs, monotonic: () => nowMs, sleep: async () => undefined },
      repositories: async () => [repository],
      start: async (_repositoryId, input) => {
        started.push(input as never);
        const { kind } = input;
        const policy = "policy" in input && input.policy ? { policy: input.policy } : {};
        return await save({ id: `s${String(++count).padStart(3, "0")}`, kind, state: "running", ...policy });
      },
      forget: async (ids) => {
        for (const id of ids) await sessions.forget(id);
      },
      onEvent: (message) => void events.push(message),
    };
  });
  const save = async (changes: Partial<SessionRecord>) => {
    const source = { input: "tenant", cloud: "lab", projectId: "p" } as const;
    const record = { version: 1, repositoryId: repository.id, source, startedAt: isoTime(nowMs), warnings: [], ...changes };
    await sessions.save(record as SessionRecord);
    return record as SessionRecord;
  };
  const put = (changes: Partial<BackupPolicy> = {}) =>
    policies.put({
      ...{ version: 1, name: "nightly", schedule: "0 3 * * *", timeZone: "UTC", isPaused: false, since: isoTime(nowMs) },
      backup: { target: { cloud: "lab" }, selection: { include: [], exclude: [] } },
      ...changes,
    });
  const policy = async () => (await policies.get("nightly"))?.policy;
  const tick = () => actOnPolicies(parts);
  const endAll = async (state: SessionRecord["state"] = "succeeded") => {
    for (const record of await sessions.list())
      if (record.state === "running")
        await sessions.save({ ...record, state, ...(record.kind === "prune" ? {} : { results: root }) });
  };

  it("start what is due, once, and again the next day", async () => {
    await put();
    await tick();
    expect(started).toEqual([]);
    nowMs = at("11-01T03:00:10");
    await tick();
    await tick();
    expect(started).toMatchObject([{ kind: "backup", policy: { name: "nightly", dueAt: "2026-11-01T03:00:00.000Z" } }]);
    expect(await policy()).toMatchObject({ last: { dueAt: "2026-11-01T03:00:00.000Z", sessionId: "s001", isTidied: true } });
    await endAll();
    nowMs = at("11-02T03:00:00");
    await tick();
    expect(started).toHaveLength(2);
  });

  it("make up for what was missed by one session", async () => {
    await put();
    nowMs = at("11-20T12:00:00");
    await tick();
    await tick();
    expect(started.map((one) => one.policy?.dueAt)).toEqual(["2026-11-20T03:00:00.000Z"]);
  });

  it("start no second session for a time when whoever led before died after the start", async () => {
    const stored = await put();
    nowMs = at("11-01T03:00:10");
    await tick();
    // As if its note of the session had not been written.
    const now = await policies.get("nightly");
    await policies.put(stored.policy, now);
    await tick();
    expect(started).toHaveLength(1);
    expect((await policy())?.last?.sessionId).toBe("s001");
  });

  it("leave out a time at which the session before still runs, and say so", async () => {
    await put({ schedule: "0 * * * *" });
    nowMs = at("11-01T01:00:00");
    await tick();
    nowMs += HOUR;
    await tick();
    await tick();
    expect(started).toHaveLength(1);
    expect(events.filter((event) => event.includes("left out"))).toHaveLength(1);
    await endAll();
    nowMs += HOUR;
    await tick();
    expect(started).toHaveLength(2);
  });

  it("do nothing while they are paused, and make up for nothing when they go on", async () => {
    await put({ isPaused: true });
    nowMs = at("11-05T12:00:00");
    await tick();
    await put({ isPaused: false });
    await tick();
    expect(started).toEqual([]);
    nowMs = at("11-06T03:00:00");
    await tick();
    expect(started).toHaveLength(1);
  });

  it("forget what they do not keep of their own when the session has ended, spare what is locked, and prune", async () => {
    await save({ id: "by-hand", kind: "backup", state: "succeeded", results: root });
    await put({ schedule: "0 * * * *", keep: { last: 2 }, pruneGraceMs: 1234 });
    const mine = async () => (await sessions.list()).filter(({ kind }) => kind === "backup").map(({ id }) => id);
    for (let hour = 1; hour <= 4; hour++) {
      nowMs = at("11-01T00:00:00") + hour * HOUR;
      await tick();
      const running = (await sessions.list()).find(({ state }) => state === "running");
      expect(running?.kind).toBe("backup");
      if (hour === 1) await sessions.save({ ...(running as SessionRecord), lock: { isHeld: true } });
      await endAll();
      await tick();
      await endAll();
      await tick();
    }
    // Of s001 to s004 and the prunes between them the two newest stay, and the one that is held.
    const backups = await mine();
    expect(backups).toContain("by-hand");
    expect(backups).toContain("s001");
    expect(backups).toHaveLength(4);
    const prunes = started.filter(({ kind }) => kind === "prune");
    expect(prunes.length).toBeGreaterThan(0);
    expect(prunes[0]).toEqual({ kind: "prune", graceMs: 1234, unusedPercentMax: 50, dryRun: false });
    expect((await policy())?.last?.isTidied).toBe(true);
  });

  it("forget nothing while the session runs, nor for one that failed what a complete one is worth", async () => {
    await put({ schedule: "0 * * * *", keep: { last: 1 } });
    nowMs = at("11-01T01:00:00");
    await tick();
    await endAll();
    nowMs += HOUR;
    await tick();
    await tick();
    expect((await sessions.list()).map(({ state }) => state).sort()).toEqual(["running", "succeeded"]);
    for (const record of await sessions.list())
      if (record.state === "running") await sessions.save({ ...record, state: "failed" });
    await tick();
    expect((await sessions.list()).filter(({ state }) => state === "succeeded")).toHaveLength(1);
  });

  it("of all projects start a session group, and one that fails does not stop the others", async () => {
    await put({ name: "broken", schedule: "0 3 * * *" });
    await put({
      name: "nightly",
      backup: {
        target: { cloud: "admin" },
        selection: { include: [], exclude: [] },
        projects: { tags: [], include: [], exclude: [] },
        atOnce: 3,
        maxWindow: { ms: 30_000, action: "fail" },
      },
    });
    const { start } = parts;
    parts = {
      ...parts,
      start: async (id, input) => {
        if ("policy" in input && input.policy?.name === "broken") throw new CodedError("BUS_UNREACHABLE", "not now");
        return await start(id, input);
      },
    };
    nowMs = at("11-01T03:00:00");
    await tick();
    const asked = { target: { cloud: "admin" }, atOnce: 3, maxWindow: { ms: 30_000, action: "fail" } };
    expect(started).toMatchObject([{ kind: "group", ...asked }]);
    expect(events.join()).toContain("Policy broken of r: not now");
  });

  it("are looked at until the coordinator stops, whatever fails", async () => {
    const stop = new AbortController();
    let looks = 0;
    parts = {
      ...parts,
      repositories: async () => {
        if (++looks === 3) stop.abort();
        throw new CodedError("NODES_UNAVAILABLE", "not now");
      },
    };
    await runPolicies(parts, stop.signal);
    expect(looks).toBe(3);
    expect(events).toHaveLength(3);
  });

  it("are refused when they can never be due, have a bad name or no cloud, or keep nothing", async () => {
    const refused = expect.objectContaining({ code: "POLICY_INVALID" });
    await expect(put({ schedule: "never" })).rejects.toEqual(refused);
    await expect(put({ name: "a/b" })).rejects.toEqual(refused);
    await expect(put({ keep: {} })).rejects.toEqual(refused);
    await expect(put({ keep: { daily: 0 } })).rejects.toEqual(refused);
    await expect(put({ backup: { target: { cloud: "" }, selection: { include: [], exclude: [] } } })).rejects.toEqual(refused);
    expect(await policies.list()).toEqual([]);
  });
});
