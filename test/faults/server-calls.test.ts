/**
 * A worker dies at every call of a server's backup, restore and undo: before the call, with its answer lost, after it, and with the call
 * still under way while the next worker is at it. The next completes the task, one server is made and no more, and nothing of ours is left.
 */

import { createHash } from "node:crypto";
import { memoryBlockStore } from "@permafrost/blocks";
import { ATTEMPTS_MAX } from "@permafrost/control";
import type {
  DiscoveredResource,
  DiscoverResult,
  FreezeResult,
  ResourceResult,
  RestoreOptions,
  StreamRoot,
  Task,
} from "@permafrost/model";
import { initRepository, type Repository } from "@permafrost/repository";
import { CodedError } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CloudEntry, type FakeCloud, startFakeCloud } from "../fakes/openstack/index.ts";
import { noise } from "../harness/tenant.ts";
import { attempt, type Ended, type Fate, type Place } from "./mortal-worker.ts";

type Work = { readonly kind: Task["kind"] } & Readonly<Record<string, unknown>>;

interface Trial {
  readonly sessionId: string;
  readonly work: Work;
  readonly cloud: string;
  check(result: unknown, mark: number): Promise<void> | void;
}

const GIB_BYTES = 64 * 1024;
const SECRET = { kind: "key", value: Buffer.alloc(32, 5).toString("base64") } as const;
const source = { cloud: "source" };

let fake: FakeCloud;
let place: Place;
let repository: Repository;
let found: readonly DiscoveredResource[];
let captured: ResourceResult;
let disk: string;
const entries: CloudEntry[] = [];
const ids = { extra: "", root: "", data: "", flavor: "" };

beforeAll(async () => {
  fake = await startFakeCloud({ bytesPerGib: GIB_BYTES });
  const store = memoryBlockStore();
  ({ repository } = await initRepository(store, { name: "acme", secret: SECRET }));
  place = { fake, cloudsYaml: () => fake.cloudsYaml(...entries), store, repositoryId: repository.id, secret: SECRET };
  const project = tenant("source");
  const volume = (name: string, bootable: boolean) =>
    fake.seed.volume({ project, name, size: 1, bytes: noise(name, GIB_BYTES), bootable }).id;
  Object.assign(ids, { extra: volume("extra", false), root: volume("root", true), data: volume("data", false) });
  const image = await fake.seed.image({
    project: fake.seed.project("elsewhere").id,
    name: "debian",
    visibility: "public",
    bytes: noise("os", 20_000),
  });
  const pictured = fake.seed.server({
    project,
    name: "pictured",
    imageId: image.id,
    description: "its own words",
    lockedBy: "owner",
    vmState: "stopped",
    volumes: [{ id: ids.extra, deleteOnTermination: true }],
  });
  fake.seed.server({ project, name: "voluminous", flavor: "lab.zero", volumes: [{ id: ids.root }, { id: ids.data }] });
  ids.flavor = pictured.flavor.id;
  disk = sha(pictured.disk?.read() ?? new Uint8Array(0));
  const selection = { include: ["nova.server", "cinder.volume"], exclude: [] };
  found = (await worked<DiscoverResult>("base", { kind: "discover", source, selection })).resources;
  const frozen = await frozenIn("base", ["pictured"]);
  captured = await worked<ResourceResult>("base", { kind: "capture", source, resource: resource("pictured"), frozen: frozen[0] });
  await worked("base", { kind: "sweep", source });
});

afterAll(async () => await fake?.close());

function tenant(name: string): string {
  const made = fake.seed.tenant(name);
  entries.push({ cloudName: name, userName: made.user.name, password: `${name}-pw`, projectName: name });
  return made.project.id;
}

const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function resource(name: string): DiscoveredResource {
  const one = found.find((r) => r.name === name);
  if (one === undefined) throw new Error(`no ${name}`);
  return one;
}

function taskOf(sessionId: string, work: Work): Task {
  return { ...work, id: `${work.kind}-1`, sessionId, repositoryId: repository.id } as unknown as Task;
}

async function worked<R>(sessionId: string, work: Work): Promise<R> {
  const ended = await attempt(place, taskOf(sessionId, work), 1n);
  if (ended.kind !== "done") throw ended.kind === "failed" ? ended.error : new Error(ended.kind);
  return ended.result as R;
}

async function frozenIn(sessionId: string, names: readonly string[]) {
  return (await worked<FreezeResult>(sessionId, { kind: "freeze", source, resources: names.map(resource) })).frozen;
}

async function hashOf(root: StreamRoot | undefined): Promise<string> {
  const hash = createHash("sha256");
  if (root !== undefined) for await (const chunk of repository.reader().readStream(root)) hash.update(chunk);
  return hash.digest("hex");
}

/** As the control plane does after the death of a task's first worker. */
async function survived(task: Task, { call, death }: Fate): Promise<Ended> {
  const [go, applied] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let ended = await attempt(place, task, 1n, { call, death, late: { until: go.promise, applied: applied.resolve } });
  expect(ended.kind).toBe("died");
  for (let fence = 2n; fence <= ATTEMPTS_MAX && ended.kind !== "done"; fence++) {
    if (ended.kind === "failed" && CodedError.from(ended.error).retry === "never") break;
    ended = await attempt(place, task, fence, undefined, (number) => number === 3 + ((call * 7) % 17) && go.resolve());
  }
  go.resolve();
  if (death === "late") await applied.promise;
  return ended;
}

function dies(name: string, prepare: (point: string) => Promise<Trial>): void {
  it(name, async () => {
    const one = async (fate: Fate | undefined): Promise<string[]> => {
      const point = `${name.replaceAll(/[^a-z]/g, "")}-${fate === undefined ? "whole" : `${fate.call}-${fate.death}`}`;
      const trial = await prepare(point);
      const mark = fake.journal.mark();
      const task = taskOf(trial.sessionId, trial.work);
      const ended = fate === undefined ? await attempt(place, task, 1n) : await survived(task, fate);
      if (ended.kind !== "done") throw ended.kind === "failed" ? ended.error : new Error(ended.kind);
      const calls = fake.journal
        .entries(mark)
        .slice(0, ended.calls)
        .map((e) => (e.service === "identity" ? "login" : e.method));
      const sweep = { ...taskOf(trial.sessionId, { kind: "sweep", source: { cloud: trial.cloud } }), id: "sweep-last" } as Task;
      expect(await attempt(place, sweep, 1n)).toMatchObject({ kind: "done", result: { left: [] } });
      await trial.check(ended.result, mark);
      for (const kind of ["snapshot", "volume", "image", "server"])
        expect([kind, fake.journal.foreignDeleted(kind)]).toEqual([kind, []]);
      return calls;
    };
    const calls = await one(undefined);
    const changes = new Set(["POST", "PATCH", "PUT", "DELETE"]);
    const failures: string[] = [];
    for (const [call, method] of calls.entries()) {
      for (const death of ["before", "lost", "after", "late"] as const) {
        // An upload's bytes went with their worker.
        if (death === "late" && (!changes.has(method) || method === "PUT")) continue;
        const mark = fake.journal.mark();
        await one({ call, death }).catch((error: unknown) => {
          const at = fake.journal.entries(mark).find((e) => e.fault !== "");
          const { code, message } = CodedError.from(error);
          failures.push(`${call} ${death} (${at?.method} ${at?.path}): ${code} ${message.slice(0, 300)}`);
        });
      }
    }
    expect(calls.length).toBeGreaterThan(3);
    expect(failures).toEqual([]);
  }, 240_000);
}

function nothingLeft(mark: number, servers: readonly string[] = []): void {
  for (const kind of ["snapshot", "volume", "image"]) expect([kind, fake.journal.leaked(kind, mark)]).toEqual([kind, []]);
  expect(fake.journal.leaked("server", mark)).toEqual(servers);
}

describe("a backup's worker dies at every call of", () => {
  dies("the freeze of a volume-backed server", async (sessionId) => ({
    sessionId,
    work: { kind: "freeze", source, resources: ["voluminous", "root", "data"].map(resource) },
    cloud: "source",
    check: (result, mark) => {
      const { frozen } = result as FreezeResult;
      expect(frozen.map((f) => [f.id, f.failure?.message]).sort()).toEqual(
        [resource("voluminous").id, ids.root, ids.data].map((id) => [id, undefined]).sort(),
      );
      nothingLeft(mark);
    },
  }));

  dies("the capture of a root disk", async (sessionId) => {
    const before = fake.journal.mark();
    const frozen = await frozenIn(sessionId, ["pictured"]);
    return {
      sessionId,
      work: { kind: "capture", source, resource: resource("pictured"), frozen: frozen[0] },
      cloud: "source",
      check: async (result) => {
        const { state, streams } = result as ResourceResult;
        expect([state, await hashOf(streams.data)]).toEqual(["succeeded", disk]);
        nothingLeft(before);
      },
    };
  });
});

/** A project of its own for each point, with the server's volume restored already. */
function restoring(point: string) {
  const project = tenant(point);
  const volume = fake.seed.volume({ project, name: "extra", size: 1, bytes: noise("extra", GIB_BYTES) });
  const options: RestoreOptions = { target: { cloud: point }, maps: {}, onConflict: "create" };
  const targets = { [`cinder.volume/${ids.extra}`]: volume.id, [`nova.flavor/${ids.flavor}`]: ids.flavor };
  const work = {
    kind: "apply" as const,
    step: "create",
    journalId: point,
    options,
    resource: { ...captured, action: "create" },
    targets,
  };
  return { project, volume, work };
}

describe("a restore's worker dies at every call of", () => {
  dies("the restore of a server", async (point) => {
    const { project, volume, work } = restoring(point);
    return {
      sessionId: point,
      work,
      cloud: point,
      check: (result, mark) => {
        const { targetId = "" } = result as ResourceResult;
        const servers = fake.read.servers(project);
        expect(servers.map((s) => [s.id, s.name, s.description, s.vmState, s.lockedBy])).toEqual([
          [targetId, "pictured", "its own words", "stopped", "owner"],
        ]);
        const [server] = servers;
        expect(server?.devices.map((d) => [d.volumeId, d.deleteOnTermination])).toEqual([
          [null, true],
          [volume.id, true],
        ]);
        expect(sha(server?.disk?.read() ?? new Uint8Array(0))).toBe(disk);
        nothingLeft(mark, [targetId]);
      },
    };
  });

  dies("the undo of a server", async (point) => {
    const { project, volume, work } = restoring(point);
    const before = fake.journal.mark();
    const resource = await worked<ResourceResult>(point, work);
    return {
      sessionId: `${point}-undo`,
      work: { kind: "undo", target: { cloud: point }, journalId: point, resource },
      cloud: point,
      check: async () => {
        expect(fake.read.servers(project)).toEqual([]);
        expect(fake.read.volume(volume.id)?.status).toBe("available");
        await worked(point, { kind: "sweep", source: { cloud: point } });
        nothingLeft(before);
      },
    };
  });
});
