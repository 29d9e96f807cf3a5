/**
 * A worker dies at every call it makes to a cloud: before the call, after it with the answer lost, after the answer, and with the call
 * still under way, which takes effect while the next worker is at it. The next
 * worker completes the task as if nothing had been, the sweep leaves nothing of ours, and nothing foreign is touched.
 */

import { createHash } from "node:crypto";
import { memoryBlockStore } from "@permafrost/blocks";
import { ATTEMPTS_MAX } from "@permafrost/control";
import type {
  CloudTarget,
  DiscoveredResource,
  DiscoverResult,
  FreezeResult,
  FrozenResource,
  ResourceResult,
  RestoreOptions,
  StreamRoot,
  Task,
} from "@permafrost/model";
import { initRepository, type Repository } from "@permafrost/repository";
import { CodedError, canonicalJson } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CloudEntry, type FakeCloud, startFakeCloud } from "../fakes/openstack/index.ts";
import { STORAGE } from "../harness/session.ts";
import { noise } from "../harness/tenant.ts";
import { attempt, type Ended, type Fate, type Place } from "./mortal-worker.ts";

const KIB = 1024;
const GIB_BYTES = 256 * KIB;
const VOLUME = noise("volume", GIB_BYTES);
const IMAGE = noise("image", 150_000);
const SECRET = { kind: "key", value: Buffer.alloc(32, 5).toString("base64") } as const;
const source: CloudTarget = { cloud: "source" };

let fake: FakeCloud;
let place: Place;
let repository: Repository;
let projectId: string;
const entries: CloudEntry[] = [];
/** What the restores restore. */
const captured = new Map<string, ResourceResult>();
let found: readonly DiscoveredResource[];
let points = 0;

beforeAll(async () => {
  fake = await startFakeCloud({ bytesPerGib: GIB_BYTES });
  const store = memoryBlockStore();
  ({ repository } = await initRepository(store, { name: "acme", secret: SECRET }));
  place = { fake, cloudsYaml: () => fake.cloudsYaml(...entries), store, repositoryId: repository.id, secret: SECRET };
  projectId = tenant("source");
  fake.seed.volume({
    project: projectId,
    name: "disk",
    size: 1,
    bytes: VOLUME,
    bootable: true,
    metadata: { tier: "gold" },
    imageMetadata: { hw_disk_bus: "virtio", image_name: "base" },
  });
  const friend = fake.seed.project("friend");
  const image = await fake.seed.image({
    project: projectId,
    name: "picture",
    bytes: IMAGE,
    visibility: "shared",
    protected: true,
    hidden: true,
    properties: { os_distro: "debian" },
  });
  image.members.set(friend.id, { status: "accepted", createdMs: 0, updatedMs: 0 });
  const acl = { "x-container-read": ".r:*", "x-container-meta-owner": "ann", "x-container-meta-quota-count": "4" };
  fake.seed.container({ project: projectId, name: "files", headers: acl });
  fake.seed.object({
    project: projectId,
    container: "files",
    name: "big",
    bytes: noise("big", 50_000),
    headers: { "x-object-meta-a": "b" },
  });
  fake.seed.object({ project: projectId, container: "files", name: "empty", bytes: Buffer.alloc(0) });
  fake.seed.object({
    project: projectId,
    container: "files",
    name: "dynamic",
    bytes: Buffer.alloc(0),
    headers: { "x-object-manifest": "files/big" },
  });
  const discovered = await worked<DiscoverResult>("base", {
    kind: "discover",
    source,
    selection: { include: STORAGE, exclude: [] },
  });
  found = discovered.resources;
  const { frozen } = await worked<FreezeResult>("base", { kind: "freeze", source, resources: found.filter((r) => r.freezes) });
  for (const resource of found) captured.set(resource.name, await capture("base", resource, frozen));
  await worked("base", { kind: "sweep", source });
});

afterAll(async () => {
  console.log(`${points} points`);
  await fake?.close();
});

/** A new empty project and the way into it; returns its id. */
function tenant(name: string): string {
  const made = fake.seed.tenant(name, { roles: ["member", "swiftoperator"] });
  entries.push({ cloudName: name, userName: made.user.name, password: `${name}-pw`, projectName: name });
  return made.project.id;
}

type Work = { readonly kind: Task["kind"] } & Readonly<Record<string, unknown>>;

function taskOf(sessionId: string, work: Work): Task {
  return { ...work, id: `${work.kind}-1`, sessionId, repositoryId: repository.id } as unknown as Task;
}

/** Runs a task that must succeed at once. */
async function worked<R>(sessionId: string, work: Work): Promise<R> {
  const ended = await attempt(place, taskOf(sessionId, work), 1n);
  if (ended.kind !== "done") throw ended.kind === "failed" ? ended.error : new Error(ended.kind);
  return ended.result as R;
}

async function capture(
  sessionId: string,
  resource: DiscoveredResource,
  frozen: readonly FrozenResource[],
): Promise<ResourceResult> {
  const point = frozen.find((f) => f.id === resource.id);
  return await worked(sessionId, { kind: "capture", source, resource, ...(point === undefined ? {} : { frozen: point }) });
}

/** Runs a task as the control plane does after the death of its first worker. */
async function survived(task: Task, { call, death }: Fate): Promise<Ended> {
  const [go, applied] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let ended = await attempt(place, task, 1n, { call, death, late: { until: go.promise, applied: applied.resolve } });
  expect(ended.kind).toBe("died");
  for (let fence = 2n; fence <= ATTEMPTS_MAX && ended.kind !== "done"; fence++) {
    if (ended.kind === "failed" && CodedError.from(ended.error).retry === "never") break;
    // Another moment for each point; after the attempt if that is shorter.
    ended = await attempt(place, task, fence, undefined, (number) => number === 3 + ((call * 7) % 17) && go.resolve());
  }
  go.resolve();
  if (death === "late") await applied.promise;
  return ended;
}

interface Trial {
  readonly sessionId: string;
  readonly work: Work;
  /** Where the sweep goes. */
  readonly target: CloudTarget;
  /** What is there when the task has succeeded and the session was swept; throws. */
  check(result: unknown, mark: number): Promise<void> | void;
}

/** `prepare` is called for every point, with a number of its own. */
function dies(name: string, prepare: (point: string) => Promise<Trial>): void {
  it(name, async () => {
    const one = async (fate: Fate | undefined): Promise<string[]> => {
      const point = `${name.replaceAll(/[^a-z]/g, "")}-${fate === undefined ? "whole" : `${fate.call}-${fate.death}`}`;
      const trial = await prepare(point);
      const mark = fake.journal.mark();
      const task = taskOf(trial.sessionId, trial.work);
      const ended = fate === undefined ? await attempt(place, task, 1n) : await survived(task, fate);
      if (ended.kind !== "done") throw ended.kind === "failed" ? ended.error : new Error(ended.kind);
      const requests = fake.journal.entries(mark).slice(0, ended.calls);
      const calls = requests.map((e) => (e.service === "identity" ? "login" : e.method));
      const swept = await attempt(
        place,
        { ...taskOf(trial.sessionId, { kind: "sweep", source: trial.target }), id: "sweep-last" },
        1n,
      );
      expect(swept).toMatchObject({ kind: "done", result: { left: [] } });
      await trial.check(ended.result, mark);
      for (const kind of ["snapshot", "volume", "image", "object", "container"])
        expect(fake.journal.foreignDeleted(kind), kind).toEqual([]);
      return calls;
    };
    const calls = await one(undefined);
    expect(calls.length).toBeGreaterThan(1);
    // Uploads aside: their bytes went with their worker.
    const changes = new Set(["POST", "PATCH", "DELETE"]);
    const failures: string[] = [];
    for (let call = 0; call < calls.length; call++) {
      for (const death of ["before", "lost", "after", "late"] as const) {
        if (death === "late" && !changes.has(calls[call] ?? "")) continue;
        points++;
        const mark = fake.journal.mark();
        await one({ call, death }).catch((error: unknown) => {
          const at = fake.journal
            .entries(mark)
            .filter((e) => e.fault !== "")
            .map((e) => `${e.method} ${e.path}?${e.query}`)[0];
          const { code, message } = CodedError.from(error);
          failures.push(`${call} ${death} (${at}): ${code} ${message.slice(0, 400)}`);
        });
      }
    }
    expect(failures).toEqual([]);
  }, 60_000);
}

function nothingLeft(mark: number, except: Readonly<Record<string, readonly string[]>> = {}): void {
  for (const kind of ["snapshot", "volume", "image"])
    expect([kind, fake.journal.leaked(kind, mark)]).toEqual([kind, except[kind] ?? []]);
}

async function hashOf(root: StreamRoot | undefined): Promise<string> {
  const hash = createHash("sha256");
  if (root !== undefined) for await (const chunk of repository.reader().readStream(root)) hash.update(chunk);
  return hash.digest("hex");
}

const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function there<T>(one: T | undefined): T {
  if (one === undefined) throw new Error("it is not there");
  return one;
}

const resource = (name: string) => there(found.find((r) => r.name === name));
const original = (name: string) => there(captured.get(name));

const freezing = (sessionId: string) => ({ sessionId, work: { kind: "freeze" as const, source, resources: [resource("disk")] } });

describe("a backup's worker dies at every call of", () => {
  dies("the freeze of a volume", async (sessionId) => ({
    ...freezing(sessionId),
    target: source,
    check: (result, mark) => {
      const [frozen] = (result as FreezeResult).frozen;
      expect(frozen).toMatchObject({ id: resource("disk").id, detail: { snapshotId: expect.stringMatching(/./) } });
      expect(frozen?.failure).toBeUndefined();
      nothingLeft(mark);
    },
  }));

  dies("the capture of a volume", async (sessionId) => {
    const before = fake.journal.mark();
    const { frozen } = await worked<FreezeResult>(sessionId, freezing(sessionId).work);
    return {
      sessionId,
      work: { kind: "capture", source, resource: resource("disk"), frozen: frozen[0] },
      target: source,
      check: async (result) => {
        const { state, streams } = result as ResourceResult;
        expect([state, await hashOf(streams.data)]).toEqual(["succeeded", sha(VOLUME)]);
        nothingLeft(before);
      },
    };
  });

  dies("the capture of an image", async (sessionId) => ({
    sessionId,
    work: { kind: "capture", source, resource: resource("picture") },
    target: source,
    check: async (result, mark) => {
      const { state, streams, sourceHash } = result as ResourceResult;
      expect([state, sourceHash, await hashOf(streams.data)]).toEqual(["succeeded", "verified", sha(IMAGE)]);
      nothingLeft(mark);
    },
  }));

  dies("the capture of a container", async (sessionId) => ({
    sessionId,
    work: { kind: "capture", source, resource: resource("files") },
    target: source,
    check: async (result) => {
      const { state, streams } = result as ResourceResult;
      expect([state, await hashOf(streams.listing)]).toEqual(["succeeded", await hashOf(original("files").streams.listing)]);
    },
  }));

  dies("the sweep", async (sessionId) => {
    const before = fake.journal.mark();
    const { frozen } = await worked<FreezeResult>(sessionId, freezing(sessionId).work);
    const work: Work = { kind: "capture", source, resource: resource("disk"), frozen: frozen[0] };
    // Dead while it reads the temporary image: that, the volume and the volume snapshot are there.
    const download = fake.faults.add({ match: { service: "image", path: /\/file$/ }, times: 99, action: { status: 404 } });
    expect((await attempt(place, taskOf(sessionId, work), 1n)).kind).toBe("failed");
    download.remove();
    return { sessionId, work: { kind: "sweep", source }, target: source, check: () => nothingLeft(before) };
  });
});

interface Restoring {
  readonly sessionId: string;
  readonly target: CloudTarget;
  readonly project: string;
  readonly options: RestoreOptions;
}

/** A project of its own for each point. */
function restoring(point: string): Restoring {
  const target = { cloud: point };
  return {
    sessionId: point,
    target,
    project: tenant(point),
    options: { target, maps: {}, onConflict: "create" },
  };
}

const applying = (name: string, options: RestoreOptions): Work => ({
  kind: "apply",
  options,
  resource: { ...original(name), action: "create" },
  targets: {},
});

describe("a restore's worker dies at every call of", () => {
  dies("the restore of a volume", async (point) => {
    const { project, options, ...rest } = restoring(point);
    return {
      ...rest,
      work: applying("disk", options),
      check: (result, mark) => {
        const { targetId = "" } = result as ResourceResult;
        nothingLeft(mark, { volume: [targetId] });
        const volumes = fake.read.volumes(project);
        const { id, name, bytes, metadata, imageMetadata, bootable, status } = volumes[0] ?? {};
        expect([volumes.length, sha(bytes?.read() ?? new Uint8Array(0))]).toEqual([1, sha(VOLUME)]);
        expect({ id, name, metadata, imageMetadata, bootable, status }).toEqual({
          id: targetId,
          name: "disk",
          metadata: { tier: "gold" },
          imageMetadata: { hw_disk_bus: "virtio", image_name: "base" },
          bootable: true,
          status: "available",
        });
      },
    };
  });

  dies("the restore of an image", async (point) => {
    const { project, options, ...rest } = restoring(point);
    return {
      ...rest,
      work: applying("picture", options),
      check: (result, mark) => {
        const { targetId = "" } = result as ResourceResult;
        nothingLeft(mark, { image: [targetId] });
        const images = fake.read.images(project);
        const { id, name, bytes, properties, visibility, hidden, status, members } = images[0] ?? {};
        expect([images.length, sha(bytes?.read() ?? new Uint8Array(0))]).toEqual([1, sha(IMAGE)]);
        expect({ id, name, properties, visibility, hidden, status, protected: images[0]?.protected }).toEqual({
          id: targetId,
          name: "picture",
          properties: { os_distro: "debian" },
          visibility: "shared",
          hidden: true,
          status: "active",
          protected: true,
        });
        expect([...(members?.keys() ?? [])]).toEqual([fake.read.project("friend")?.id]);
      },
    };
  });

  dies("the restore of a container", async (point) => {
    const { project, options, ...rest } = restoring(point);
    const shape = (id: string) => {
      const container = fake.read.container(id, "files");
      const objects = [...(container?.objects.values() ?? [])].map(({ name, etag, headers, contentType }) => ({
        name,
        etag,
        headers,
        contentType,
      }));
      return canonicalJson({ headers: container?.headers ?? {}, objects: objects.sort((a, b) => (a.name < b.name ? -1 : 1)) });
    };
    return { ...rest, work: applying("files", options), check: () => expect(shape(project)).toEqual(shape(projectId)) };
  });

  dies("the verification of a volume", async (point) => {
    const { options, project, ...rest } = restoring(point);
    const { id } = fake.seed.volume({
      project,
      name: "disk",
      size: 1,
      bytes: VOLUME,
      bootable: true,
      metadata: { tier: "gold" },
      imageMetadata: { hw_disk_bus: "virtio", image_name: "base" },
    });
    return {
      ...rest,
      work: { kind: "verify", options, resource: { ...original("disk"), targetId: id }, targets: {}, level: "data" },
      check: (result, mark) => {
        expect(result).toMatchObject({ state: "succeeded", verified: "data", mismatches: [] });
        nothingLeft(mark);
      },
    };
  });
});
