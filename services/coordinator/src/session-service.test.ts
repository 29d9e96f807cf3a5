import { control } from "@permafrost/rpc";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createWorld, type World } from "../testing/world.ts";

let world: World;

beforeEach(async () => {
  world = await createWorld();
  await world.init("acme");
});
afterEach(() => world.close());

const selection = { include: [], exclude: [] };
const tenant = (changes: object = {}) => ({
  $case: "tenant" as const,
  value: { cloud: "lab", project: "", selection, ...changes },
});
const group = (changes: object = {}) => ({
  $case: "allProjects" as const,
  value: {
    cloud: "lab",
    domain: "",
    tags: [],
    include: [],
    exclude: [],
    selection,
    atOnce: 0,
    ...changes,
  },
});
const restore = (changes: Partial<control.StartRestoreRequest>) =>
  world.control.sessions.startRestore(control.StartRestoreRequest.fromPartial({ repository: "acme", cloud: "lab", ...changes }));
const check = (sessionIds: string[] = []) =>
  world.control.sessions.startCheck({ repository: "acme", sessionIds, readData: false });
const list = (changes: Partial<control.ListSessionsRequest> = {}) =>
  world.control.sessions.listSessions({ repository: "acme", pageSize: 0, pageToken: "", ...changes });

describe("a request with a field missing or wrong", () => {
  it.each<[string, () => Promise<unknown>]>([
    ["input", () => world.control.sessions.startBackup({ repository: "acme" })],
    ["tenant.cloud", () => world.control.sessions.startBackup({ repository: "acme", input: tenant({ cloud: "" }) })],
    [
      "stream.name",
      () => world.control.sessions.startBackup({ repository: "acme", input: { $case: "stream", value: { name: "" } } }),
    ],
    ["fs.name", () => world.control.sessions.startBackup({ repository: "acme", input: { $case: "fs", value: { name: "" } } })],
    ["all_projects.cloud", () => world.control.sessions.startBackup({ repository: "acme", input: group({ cloud: "" }) })],
    ["until", () => world.control.sessions.lockSession({ sessionId: "x", until: undefined, hold: "" })],
    ["hold", () => world.control.sessions.lockSession({ sessionId: "x", until: undefined, hold: "maybe" })],
    [
      "unused_percent_max",
      () => world.control.sessions.startPrune({ repository: "acme", graceMs: 0n, unusedPercentMax: 101, dryRun: false }),
    ],
    ["cloud", () => restore({ cloud: "" })],
    ["on_conflict", () => restore({ onConflict: "overwrite" })],
    ["session_ids", () => world.control.sessions.forgetSession({ sessionIds: [], dryRun: false })],
  ])("is refused naming %s, and starts nothing", async (field, request) => {
    await expect(request()).rejects.toMatchObject({ code: "REQUEST_INVALID", facts: { field } });
    expect((await list()).sessions).toEqual([]);
  });

  it("is refused for a selection that cannot be read and a repository that is not there", async () => {
    const { sessions } = world.control;
    const odd = tenant({ selection: { include: ["what is this"], exclude: [] } });
    await expect(sessions.startBackup({ repository: "acme", input: odd })).rejects.toMatchObject({ code: "SELECTION_MALFORMED" });
    await expect(sessions.startBackup({ repository: "x", input: tenant() })).rejects.toMatchObject({ code: "NO_REPOSITORY" });
    await expect(list({ repository: "x" })).rejects.toMatchObject({ code: "NO_REPOSITORY" });
    await expect(sessions.getSession({ sessionId: "2020" })).rejects.toMatchObject({ code: "SESSION_UNKNOWN" });
    expect((await list()).sessions).toEqual([]);
  });
});

describe("a stream", () => {
  it("is sent to a worker that runs; without one no session is opened", async () => {
    const request = { repository: "acme", input: { $case: "stream" as const, value: { name: "dump" } } };
    await expect(world.control.sessions.startBackup(request)).rejects.toMatchObject({ code: "NO_WORKER", retry: "later" });
    expect((await list()).sessions).toEqual([]);
    const address = "worker-1.example.net:7402";
    const stop = world.announce(address);
    const opened = await vi.waitFor(() => world.control.sessions.startBackup(request));
    expect(opened.uploadAddress).toBe(address);
    expect(await world.control.sessions.locateWorker({})).toEqual({ address });
    expect((await list()).sessions).toMatchObject([{ id: opened.sessionId, input: "stream", sourceName: "dump" }]);
    // It has no place in a cloud even when it is whole, which this one is not.
    await expect(restore({ sessionId: opened.sessionId })).rejects.toMatchObject({ code: "NOT_A_RESTORE_POINT" });
    await stop();
  });
});

describe("what is no restore point", () => {
  it("is neither restored nor checked, and says what it is", async () => {
    await world.startWorker();
    const point = await world.startBackup("acme");
    await world.ended(point);
    const { sessionId } = await check();
    expect(await world.ended(sessionId)).toMatchObject({ kind: "check", state: "succeeded", resources: 2 });
    for (const request of [restore({ sessionId }), check([sessionId])]) {
      await expect(request).rejects.toMatchObject({ code: "NOT_A_RESTORE_POINT", facts: { session: sessionId } });
    }
    await expect(restore({ sessionId })).rejects.toThrow(/it is a check, and succeeded/);
  });
});

describe("a restore", () => {
  it("is planned with every option that was sent", async () => {
    await world.startWorker();
    const point = await world.startBackup("acme");
    await world.ended(point);
    const { sessionId } = await restore({
      project: "p2",
      maps: [
        { kind: "volume-type", names: { ssd: "fast" } },
        { kind: "zone", names: { "*": "nova" } },
      ],
      powerOn: "never",
      onConflict: "rename",
      namePrefix: "again-",
      selection: { include: ["cinder.volume/a"], exclude: [] },
      verify: control.VerifyLevel.VERIFY_LEVEL_HASH,
      dryRun: true,
    });
    expect(await world.ended(sessionId)).toMatchObject({
      state: "succeeded",
      dryRun: true,
      parentId: point,
      cloud: "lab",
      projectId: "p2",
      sourceName: "other",
    });
    const plan = world.tasks.find((t) => t.kind === "plan");
    expect(plan).toMatchObject({
      options: {
        target: { cloud: "lab", project: "p2" },
        maps: { "volume-type": { ssd: "fast" }, zone: { "*": "nova" } },
        powerOn: "never",
        onConflict: "rename",
        namePrefix: "again-",
      },
      resources: [{ id: "a" }],
    });
  });

  it("without options takes the latest restore point, creates, and maps nothing", async () => {
    await world.startWorker();
    await world.ended(await world.startBackup("acme"));
    const latest = await world.startBackup("acme");
    await world.ended(latest);
    const { sessionId } = await restore({ dryRun: true });
    expect(await world.ended(sessionId)).toMatchObject({ parentId: latest });
    expect(world.tasks.find((t) => t.kind === "plan")).toMatchObject({
      options: { target: { cloud: "lab" }, onConflict: "create" },
      resources: [{}, {}],
    });
  });
});

describe("the list of sessions", () => {
  it("comes newest first in pages, each session once", async () => {
    await world.startWorker();
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      ids.unshift(await world.startBackup("acme"));
      await world.ended(ids[0] ?? "");
    }
    const first = await list({ pageSize: 2 });
    expect(first.sessions.map((s) => s.id)).toEqual(ids.slice(0, 2));
    expect(first.nextPageToken).not.toBe("");
    const second = await list({ pageSize: 2, pageToken: first.nextPageToken });
    expect([second.sessions.map((s) => s.id), second.nextPageToken]).toEqual([ids.slice(2), ""]);
    expect(await list({ pageSize: 3 })).toMatchObject({ nextPageToken: "" });
  });

  it("without a repository is of all that are unlocked", async () => {
    await world.init("other");
    const repositoryOf = new Map<string, string>();
    for (const name of ["acme", "other"]) repositoryOf.set(await world.startBackup(name), name);
    const { sessions } = await list({ repository: "" });
    expect(sessions.map((s) => [s.id, s.repository])).toEqual([...repositoryOf].sort().reverse());
  });
});

describe("the resources of a session", () => {
  it("come in order of type and name, in messages of bounded size", async () => {
    world.names = Array.from({ length: 450 }, (_, i) => `volume ${String((i * 7) % 450).padStart(3, "0")}`);
    await world.startWorker();
    const sessionId = await world.startBackup("acme");
    expect(await world.ended(sessionId)).toMatchObject({ state: "succeeded", resources: 450 });
    const messages: string[][] = [];
    for await (const { resources } of world.control.sessions.listResources({ sessionId }))
      messages.push(resources.map((r) => r.name));
    expect(messages.map((m) => m.length)).toEqual([200, 200, 50]);
    expect(messages.flat()).toEqual([...world.names].sort());
  });
});

describe("watching a session", () => {
  async function watch(sessionId: string, onMessage: (m: control.WatchSessionResponse) => void = () => undefined) {
    const messages: control.WatchSessionResponse[] = [];
    for await (const message of world.control.sessions.watchSession({ sessionId })) {
      messages.push(message);
      onMessage(message);
    }
    return messages;
  }

  it("tells its state now, then what changed, and ends with it", async () => {
    let open: () => void = () => undefined;
    world.gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    await world.startWorker();
    const sessionId = await world.startBackup("acme");
    const messages = await watch(sessionId, (m) => {
      if (m.resources.length > 0) open();
    });
    expect(messages.length).toBeGreaterThanOrEqual(2);
    expect(messages.map((m) => m.session?.kind)).toEqual(messages.map(() => "backup"));
    expect(messages[0]?.session).toMatchObject({ id: sessionId, state: "running", repository: "acme", cloud: "lab" });
    expect(messages.at(-1)?.session).toMatchObject({ state: "succeeded", phase: "ended", succeeded: 2 });
    const last = new Map(messages.flatMap((m) => m.resources).map((r) => [r.id, r.state]));
    expect(Object.fromEntries(last)).toEqual({ a: "succeeded", b: "succeeded" });
    const unchanged = await watch(sessionId);
    expect(unchanged).toHaveLength(1);
    expect(unchanged[0]?.resources.map((r) => r.state)).toEqual(["succeeded", "succeeded"]);
  });

  it("shows a cancelled session's end", async () => {
    world.gate = new Promise(() => undefined);
    await world.startWorker();
    const sessionId = await world.startBackup("acme");
    let asked = false;
    const messages = await watch(sessionId, (m) => {
      if (asked || m.resources.length === 0) return;
      asked = true;
      void world.control.sessions.cancelSession({ sessionId });
    });
    expect(messages.at(-1)?.session).toMatchObject({ state: "cancelled", failure: { code: "CANCELLED" } });
    // Of a session that has ended, asking again changes nothing.
    const { session } = await world.control.sessions.cancelSession({ sessionId });
    expect(session).toMatchObject({ state: "cancelled" });
  });
});

describe("forgetting", () => {
  it("only says what would go when that is asked, and takes no session that runs", async () => {
    await world.startWorker();
    const sessionId = await world.startBackup("acme");
    await world.ended(sessionId);
    const would = await world.control.sessions.forgetSession({ sessionIds: [sessionId], dryRun: true });
    expect(would.sessions.map((s) => s.id)).toEqual([sessionId]);
    expect((await list()).sessions).toHaveLength(1);
    world.gate = new Promise(() => undefined);
    const running = await world.startBackup("acme");
    const both = { sessionIds: [sessionId, running], dryRun: false };
    await expect(world.control.sessions.forgetSession(both)).rejects.toMatchObject({ code: "SESSION_RUNNING" });
    expect((await list()).sessions).toHaveLength(2);
    const gone = await world.control.sessions.forgetSession({ sessionIds: [sessionId], dryRun: false });
    expect(gone.sessions.map((s) => [s.id, s.repository])).toEqual([[sessionId, "acme"]]);
    expect((await list()).sessions.map((s) => s.id)).toEqual([running]);
  });
});
