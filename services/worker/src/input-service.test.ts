/** InputService over gRPC, with a real coordinator and task host over a memory bus and store. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryBlockStore } from "@permafrost/blocks";
import { connectInput, type InputConnection } from "@permafrost/client";
import { Coordinator, Repositories, TaskHost } from "@permafrost/control";
import { memoryBus } from "@permafrost/jobs";
import type { SessionRecord } from "@permafrost/model";
import { initRepository, saveSecret } from "@permafrost/repository";
import { control, type RunningServer, serve, startServer } from "@permafrost/rpc";
import { CodedError, systemClock, systemRandom } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { inputService } from "./input-service.ts";

const secret = { kind: "key", value: Buffer.alloc(32, 7).toString("base64") } as const;

let keyring: string;
let coordinator: Coordinator;
let server: RunningServer;
let connection: InputConnection;
let stop: AbortController;
let end: () => Promise<void>;
/** Takes the repository's key from the worker; the coordinator has its own. */
let forgetKey: () => Promise<void>;

beforeEach(async () => {
  keyring = await mkdtemp(join(tmpdir(), "permafrost-worker-"));
  const [store, bus] = [memoryBlockStore(), memoryBus({ clock: systemClock })];
  await initRepository(store, { name: "acme", secret });
  await saveSecret(keyring, "acme", secret);
  const common = { bus, store, keyring, clock: systemClock, random: systemRandom };
  coordinator = await Coordinator.open({ name: "c1", ...common });
  stop = new AbortController();
  const { signal } = stop;
  const leading = coordinator.run(signal);
  const ownKeyring = join(keyring, "of-the-worker");
  await saveSecret(ownKeyring, "acme", secret);
  forgetKey = () => rm(ownKeyring, { recursive: true });
  const repositories = new Repositories(store, ownKeyring);
  const host = await TaskHost.open(bus, {
    worker: "w1",
    clock: systemClock,
    openRepository: (id) => repositories.open(id),
    execute: () => Promise.reject(new CodedError("ASSERTION", "an upload is claimed by its client's call")),
  });
  const service = inputService({ host, repositories, clock: systemClock, signal, openWaitMs: 2_000 });
  server = await startServer({
    listen: "127.0.0.1:0",
    services: [serve(control.InputServiceDefinition, service)],
    drainMs: 100,
  });
  connection = connectInput({ address: server.address });
  end = async () => {
    connection.close();
    stop.abort(new CodedError("STOPPING", "the test ends"));
    await Promise.allSettled([leading, server.stop()]);
    await bus.close();
    await rm(keyring, { recursive: true });
  };
});
afterEach(() => end());

type Step = NonNullable<control.UploadRequest["step"]>;

const open = (sessionId: string): Step => ({ $case: "open", value: { sessionId } });
const data = (text: string): Step => ({ $case: "data", value: Buffer.from(text) });
const entry = (changes: Partial<control.InputEntry>): Step => ({
  $case: "entry",
  value: control.InputEntry.fromPartial({ type: "file", ...changes }),
});

async function upload(steps: readonly Step[]): Promise<control.Stats | undefined> {
  async function* requests() {
    for (const step of steps) yield { step };
  }
  return (await connection.input.upload(requests())).stats;
}

async function start(input: "stream" | "fs" = "stream", name = "dump"): Promise<string> {
  return (await coordinator.start("acme", { kind: "backup", input, name })).id;
}

async function ended(id: string): Promise<SessionRecord> {
  return await vi.waitFor(
    async () => {
      const record = await coordinator.find(id);
      if (record.state === "running") throw new Error(`${id} still runs`);
      return record;
    },
    { timeout: 20_000, interval: 50 },
  );
}

/** What a download gives: each entry's head and its bytes as text. */
async function download(request: Partial<control.DownloadRequest>) {
  const entries: { path: string; type: string; mode: number; modifiedAt: Date | undefined; linkTarget: string; text: string }[] =
    [];
  for await (const { step } of connection.input.download(
    control.DownloadRequest.fromPartial({ repository: "acme", ...request }),
  )) {
    if (step?.$case === "entry") {
      const { path, type, mode, modifiedAt, linkTarget } = step.value;
      entries.push({ path, type, mode, modifiedAt, linkTarget, text: "" });
    } else {
      const last = entries.at(-1);
      if (last === undefined || step === undefined) throw new Error("data before its entry");
      last.text += Buffer.from(step.value).toString();
    }
  }
  return entries;
}

describe("a stream", () => {
  it("comes back as it was sent, also when it is empty or larger than a message", async () => {
    const large = "0123456789abcdef".repeat(50_000);
    for (const [name, pieces] of [
      ["small", ["hello ", "world"]],
      ["empty", []],
      ["large", [large.slice(0, 300_000), large.slice(300_000)]],
    ] as const) {
      const id = await start("stream", name);
      const stats = await upload([open(id), entry({ path: "" }), ...pieces.map(data)]);
      const text = pieces.join("");
      expect(stats?.logicalBytes).toBe(BigInt(text.length));
      expect(await ended(id)).toMatchObject({ state: "succeeded", counts: { succeeded: 1 } });
      expect((await download({ sessionId: id })).map((e) => e.text)).toEqual([text]);
    }
  });
});

describe("a tree", () => {
  it("comes back with its directories, links, modes, times and bytes", async () => {
    const modifiedAt = new Date("2026-11-23T17:00:08.123Z");
    const tree = [
      { path: "a", type: "directory", mode: 0o750, modifiedAt, linkTarget: "", text: "" },
      { path: "a/empty", type: "file", mode: 0o600, modifiedAt, linkTarget: "", text: "" },
      { path: "a/ümlaut", type: "file", mode: 0o644, modifiedAt, linkTarget: "", text: "bytes of it" },
      { path: "b", type: "symlink", mode: 0o777, modifiedAt, linkTarget: "../elsewhere", text: "" },
    ];
    const id = await start("fs", "/srv");
    const steps = tree.flatMap(({ text, ...head }) => [
      entry({ ...head, size: BigInt(text.length) }),
      ...(text === "" ? [] : [data(text.slice(0, 3)), data(text.slice(3))]),
    ]);
    expect((await upload([open(id), ...steps]))?.logicalBytes).toBe(11n);
    expect(await ended(id)).toMatchObject({ state: "succeeded" });
    expect(await download({ sessionId: id, type: "input.tree", resource: "/srv" })).toEqual(tree);
  });
});

describe("an upload that is malformed", () => {
  it("is refused at once when it does not begin with its session", async () => {
    for (const steps of [[], [data("x")], [entry({})]]) {
      await expect(upload(steps)).rejects.toMatchObject({ code: "UPLOAD_MALFORMED" });
    }
  });

  it.each<[string, "stream" | "fs", Step[], string]>([
    ["data before its entry", "stream", [data("x")], "UPLOAD_MALFORMED"],
    ["no entry at all", "stream", [], "UPLOAD_MALFORMED"],
    ["two entries", "stream", [entry({}), data("x"), entry({}), data("y")], "UPLOAD_MALFORMED"],
    ["a second open", "stream", [entry({}), data("x"), open("again")], "UPLOAD_MALFORMED"],
    ["an entry that is a socket", "fs", [entry({ path: "s", type: "socket" })], "UPLOAD_MALFORMED"],
    ["entries out of order", "fs", [entry({ path: "b" }), entry({ path: "a" })], "UPLOAD_MALFORMED"],
    ["a path out of its tree", "fs", [entry({ path: "../etc/passwd" })], "PATH_REFUSED"],
  ])("with %s fails its session, and both say why", async (_, input, steps, code) => {
    const id = await start(input);
    await expect(upload([open(id), ...steps])).rejects.toMatchObject({ code });
    expect(await ended(id)).toMatchObject({ state: "failed", failure: { code } });
    await expect(download({ sessionId: id })).rejects.toMatchObject({ code: "NOT_A_RESTORE_POINT", facts: { session: id } });
  });
});

describe("a worker without the key", () => {
  it("says so to the client, and leaves the session to another worker", async () => {
    await forgetKey();
    const id = await start();
    await expect(upload([open(id), entry({}), data("x")])).rejects.toMatchObject({ code: "KEY_NOT_IN_KEYRING" });
    await expect(download({ sessionId: id })).rejects.toMatchObject({ code: "KEY_NOT_IN_KEYRING" });
    expect((await coordinator.find(id)).state).toBe("running");
  });
});

describe("an upload that no session waits for", () => {
  it("is refused", async () => {
    const sessionId = "20261123T170008Z-00000001";
    const refused = { code: "UPLOAD_NOT_EXPECTED", facts: { session: sessionId } };
    await expect(upload([open(sessionId), entry({}), data("x")])).rejects.toMatchObject(refused);
  });

  it("changes nothing of a session that has ended", async () => {
    const id = await start();
    await upload([open(id), entry({}), data("first")]);
    await ended(id);
    await expect(upload([open(id), entry({}), data("second")])).rejects.toMatchObject({
      code: expect.stringMatching(/^UPLOAD_(NOT_EXPECTED|FAILED)$/),
    });
    expect((await download({ sessionId: id })).map((e) => e.text)).toEqual(["first"]);
  });
});

describe("a download", () => {
  it("names what it cannot find", async () => {
    const id = await start();
    await upload([open(id), entry({}), data("x")]);
    await ended(id);
    const wrong: [Partial<control.DownloadRequest>, string][] = [
      [{ resource: "other" }, "RESOURCE_UNKNOWN"],
      [{ type: "input.tree" }, "RESOURCE_UNKNOWN"],
      [{ sessionId: "2020" }, "SESSION_UNKNOWN"],
      [{ repository: "nobody" }, "NO_REPOSITORY"],
    ];
    for (const [request, code] of wrong) await expect(download(request)).rejects.toMatchObject({ code });
    expect((await download({ resource: "dump", type: "input.stream" })).map((e) => e.text)).toEqual(["x"]);
  });

  it("ends when the worker stops", async () => {
    const id = await start();
    await upload([open(id), entry({}), ...Array.from({ length: 40 }, () => data("0123456789abcdef".repeat(65_536)))]);
    await ended(id);
    const reading = (async () => {
      for await (const { step } of connection.input.download(control.DownloadRequest.fromPartial({ repository: "acme" })))
        if (step?.$case === "data") stop.abort(new CodedError("STOPPING", "The worker stops", { retry: "later" }));
    })();
    await expect(reading).rejects.toMatchObject({ code: "STOPPING", retry: "later" });
  });
});
