/** swift.container between two projects: objects of every kind, odd names, and what changed only a little. */

import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { noise } from "../harness/tenant.ts";
import { type Backup, named, TwoProjects } from "./two-projects.ts";

interface Entry {
  readonly name: string;
  readonly kind: string;
  readonly headers: Record<string, string>;
}

let projects: TwoProjects;
let number = 0;
let container = "";

beforeAll(async () => {
  projects = await TwoProjects.start();
});
afterAll(async () => await projects?.close());

/** A new container of the source for each test. */
beforeEach(() => {
  container = `c${++number}`;
  projects.fake.seed.container({ project: projects.sourceId, name: container });
});

function put(name: string, bytes: Uint8Array, more: Record<string, unknown> = {}, into = container): void {
  projects.fake.seed.object({ project: projects.sourceId, container: into, name, bytes, ...more });
}

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");

/** A static large object of one object of 1,000 bytes per path, made through the API. */
async function putSlo(name: string, paths: readonly string[], into = container): Promise<void> {
  const manifest = paths.map((path) => ({ path, size_bytes: 1000, etag: md5(noise(path, 1000)) }));
  await projects.cloud("source").object.putManifest(into, name, Buffer.from(JSON.stringify(manifest)), {
    "x-object-meta-kind": "slo",
  });
}

const backup = async (parent?: Backup, ...more: string[]) =>
  await projects.backup([`swift.container/${container}`, ...more.map((c) => `swift.container/${c}`)], parent);

/** Name → what counts of it. */
function shape(projectId: string, name = container): Record<string, unknown> {
  return Object.fromEntries(
    [...(projects.fake.read.container(projectId, name)?.objects.values() ?? [])].map((o) => [
      o.name,
      {
        contentType: o.contentType,
        headers: o.headers,
        ...(o.slo === undefined ? { etag: o.etag, md5: md5(o.bytes.read()) } : { slo: o.slo.etag, size: o.slo.size }),
      },
    ]),
  );
}

async function thereAndBack(): Promise<void> {
  const restored = await projects.restore(named(await backup(), container));
  expect(shape(projects.targetId)).toEqual(shape(projects.sourceId));
  expect((await projects.verify(restored)).mismatches).toEqual([]);
}

describe("there and back", () => {
  it("names of every kind", async () => {
    const names = [
      "100%",
      "a?b=c&d#e",
      "trailing ",
      " leading",
      "😀/ünï/日本",
      "a/../b",
      "..",
      "./x",
      "double//slash",
      "end/",
      'quote"back\\slash',
      "plus+and;semi:colon",
      "new\nline",
      "%2e%2e%2f",
      "é",
      "é",
      "x".repeat(1000),
    ];
    for (const [i, name] of names.entries()) put(name, noise(name, i * 100), { headers: { "x-object-meta-i": String(i) } });
    const listed = await projects.listing<Entry>(named(await backup(), container));
    expect(listed.map((e) => e.name).sort()).toEqual([...new Set(names)].sort());
    await thereAndBack();
  });

  it("a container with an odd name", async () => {
    container = "ünï 100%? #x";
    projects.fake.seed.container({ project: projects.sourceId, name: container, headers: { "x-container-meta-a": "b" } });
    put("one", noise("one", 10));
    await thereAndBack();
  });

  it("every kept header, and a type with parameters", async () => {
    put("all", noise("all", 100), {
      contentType: "text/html; charset=utf-8",
      headers: {
        "x-object-meta-note": "one two",
        "content-encoding": "gzip",
        "content-disposition": "attachment; filename=x",
        "x-delete-at": "4102444800",
      },
    });
    await thereAndBack();
  });

  it("a dynamic large object with bytes of its own", async () => {
    put("seg/1", noise("1", 5000));
    put("dynamic", noise("own", 77), { headers: { "x-object-manifest": `${container}/seg/` } });
    const entries = await projects.listing<Entry>(named(await backup(), container));
    expect(entries.find((e) => e.name === "dynamic")).toMatchObject({ kind: "dlo", sizeBytes: 77 });
    await thereAndBack();
  });

  it("a static large object of static large objects", async () => {
    for (const s of ["1", "2"]) put(`part ${s}`, noise(`/${container}/part ${s}`, 1000));
    await putSlo("inner", [`/${container}/part 1`, `/${container}/part 2`]);
    const inner = projects.fake.read.object(projects.sourceId, container, "inner")?.slo;
    const outer = [{ path: `/${container}/inner`, size_bytes: 2000, etag: inner?.etag }];
    // Sorts before what it is made of.
    await projects.cloud("source").object.putManifest(container, "a outer", Buffer.from(JSON.stringify(outer)));
    await thereAndBack();
  });

  it("three hundred objects, listed page by page", async () => {
    for (let i = 0; i < 300; i++) put(`n${i}`, noise(`n${i}`, i), { headers: { "x-object-meta-i": String(i) } });
    const real = projects.fake.faults.add({
      match: { service: "object", method: "GET", path: /limit=10000/ },
      times: 99,
      action: { hook: (call) => call.query.set("limit", "70") },
    });
    const listed = await projects.listing<Entry>(named(await backup(), container));
    expect(
      listed
        .map((e) => e.headers["x-object-meta-i"])
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 300 }, (_, i) => i));
    await thereAndBack();
    real.remove();
    expect(real.hits).toBeGreaterThan(9);
  });
});

describe("restore", () => {
  it("maps policy and projects of access lists, and sets limits last", async () => {
    container = `${container}-settings`;
    const headers = {
      "x-container-meta-owner": "ann",
      "x-container-read": ".r:*,.rlistings,old:*,other:ann",
      "x-container-write": "old:bob",
      "x-container-meta-quota-count": "1",
    };
    projects.fake.seed.container({ project: projects.sourceId, name: container, policy: "silver", headers });
    put("one", noise("one", 10));
    const options = { maps: { policy: { silver: "gold" }, project: { old: "new" } } };
    const resource = named(await backup(), container);
    expect((await projects.plan([resource], { maps: { policy: { "*": "lead" } } }))[0]).toMatchObject({
      action: "conflict",
      actionReason: expect.stringContaining("no storage policy lead"),
    });
    // Twice: the quota that the first set must not stop the second.
    await projects.apply({ ...resource, action: "create" }, options, "twice");
    projects.fake.seed.removeObject(projects.targetId, container, "one");
    const restored = await projects.apply({ ...resource, action: "create" }, options, "twice");
    const made = projects.fake.read.container(projects.targetId, container);
    expect(made).toMatchObject({
      policy: "gold",
      headers: { ...headers, "x-container-read": ".r:*,.rlistings,new:*,other:ann", "x-container-write": "new:bob" },
    });
    expect((await projects.verify(restored, "data", options)).mismatches).toEqual([]);
    expect((await projects.verify(restored)).mismatches).toEqual([
      expect.stringMatching(/^headers: /),
      expect.stringMatching(/^storagePolicy: /),
    ]);
  });

  it("puts the prefix before the containers of segments, too", async () => {
    const segments = `${container}-segments`;
    put("part 1", noise(`/${segments}/part 1`, 1000), {}, segments);
    await putSlo("static", [`/${segments}/part 1`]);
    put("dynamic", Buffer.alloc(0), { headers: { "x-object-manifest": `${segments}/part` } });
    const made = await backup(undefined, segments);
    const options = { namePrefix: "new-" };
    const plan = await projects.plan([...made.results.values()], options);
    expect(plan.find((r) => r.id === container)?.dependsOn).toEqual([`swift.container/${segments}`]);
    await projects.restore(named(made, segments), options);
    const restored = await projects.restore(named(made, container), options);
    const dynamic = projects.fake.read.object(projects.targetId, `new-${container}`, "dynamic");
    expect(dynamic?.headers["x-object-manifest"]).toBe(`new-${segments}/part`);
    expect(projects.fake.read.object(projects.targetId, `new-${container}`, "static")?.slo?.segments[0]?.path).toBe(
      `/new-${segments}/part 1`,
    );
    expect((await projects.verify(restored, "data", options)).mismatches).toEqual([]);
  });

  it.each([
    ["create", "conflict"],
    ["fail", "conflict"],
    ["skip", "skip"],
    ["reuse", "create"],
  ] as const)("--on-conflict %s of a container that has objects: %s", async (onConflict, action) => {
    put("mine", noise("mine", 100));
    const resource = named(await backup(), container);
    const there = { project: projects.targetId, container, bytes: noise("theirs", 50) };
    projects.fake.seed.object({ ...there, name: "theirs" });
    projects.fake.seed.object({ ...there, name: "mine" });
    expect((await projects.plan([resource], { onConflict }))[0]).toMatchObject({ action });
    if (action !== "create") return;
    const restored = await projects.restore(resource, { onConflict });
    expect(Object.keys(shape(projects.targetId)).sort()).toEqual(["mine", "theirs"]);
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("an empty container of that name is filled", async () => {
    put("one", noise("one", 10));
    projects.fake.seed.container({ project: projects.targetId, name: container });
    await thereAndBack();
  });

  it("leaves out what has expired since, and says so", async () => {
    // Whole seconds, and far enough away that the backup surely comes before.
    const expiresAt = Math.floor(Date.now() / 1000) + 5;
    put("short", noise("short", 10), { headers: { "x-delete-at": String(expiresAt) } });
    put("long", noise("long", 10));
    const resource = named(await backup(), container);
    await new Promise((resolve) => setTimeout(resolve, expiresAt * 1000 - Date.now() + 100));
    const restored = await projects.restore(resource);
    expect(restored.warnings).toEqual([`${container}/short has expired and is not restored`]);
    expect(Object.keys(shape(projects.targetId))).toEqual(["long"]);
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("a second attempt sends only what is not there yet", async () => {
    for (let i = 0; i < 20; i++) put(`o${i}`, noise(`o${i}`, 1000), { headers: { "x-object-meta-i": String(i) } });
    const resource = { ...named(await backup(), container), action: "create" as const };
    const cut = projects.fake.faults.add({ match: { method: "PUT", path: /o7$/ }, times: 99, action: { status: 403 } });
    await expect(projects.apply(resource, {}, "cut")).rejects.toMatchObject({ code: "FORBIDDEN" });
    cut.remove();
    const there = Object.keys(shape(projects.targetId)).length;
    // One of them with other metadata: equal bytes are not enough.
    const other = projects.fake.read.object(projects.targetId, container, "o0");
    if (other !== undefined) other.headers = { "x-object-meta-i": "changed" };
    const mark = projects.fake.journal.mark();
    const restored = await projects.apply(resource, {}, "cut");
    const sent = projects.fake.journal.find({ service: "object", method: "PUT", path: /\/o\d+$/ }, mark);
    expect(there).toBeGreaterThan(3);
    expect(sent).toHaveLength(20 - there + 1);
    expect(shape(projects.targetId)).toEqual(shape(projects.sourceId));
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("a manifest without its segments is refused at the end, everything else is there", async () => {
    const segments = `${container}-gone`;
    put("part 1", noise(`/${segments}/part 1`, 1000), {}, segments);
    await putSlo("static", [`/${segments}/part 1`]);
    put("zz plain", noise("plain", 100));
    const resource = { ...named(await backup(), container), action: "create" as const };
    await expect(projects.apply(resource)).rejects.toMatchObject({
      code: "SEGMENTS_MISSING",
      retry: "later",
      message: expect.stringContaining("1 objects of"),
    });
    expect(Object.keys(shape(projects.targetId))).toEqual(["zz plain"]);
  });

  it("two containers with segments of each other, in one wave and two attempts", async () => {
    const other = `${container}-other`;
    put("part", noise(`/${container}/part`, 1000));
    put("part", noise(`/${other}/part`, 1000), {}, other);
    await putSlo("static", [`/${other}/part`]);
    await putSlo("static", [`/${container}/part`], other);
    const made = await backup(undefined, other);
    const plan = await projects.plan([...made.results.values()]);
    expect(plan.map((r) => r.dependsOn)).toEqual([[], []]);
    const [one, two] = [named(made, container), named(made, other)].map((r) => ({ ...r, action: "create" as const }));
    if (one === undefined || two === undefined) throw new Error("no containers");
    await expect(projects.apply(one, {}, "cycle")).rejects.toMatchObject({ code: "SEGMENTS_MISSING", retry: "later" });
    await projects.apply(two, {}, "cycle");
    await projects.apply(one, {}, "cycle");
    for (const name of [container, other]) expect(shape(projects.targetId, name)).toEqual(shape(projects.sourceId, name));
  });
});

describe("backup", () => {
  it("goes on when an object vanishes between listing and reading", async () => {
    for (const name of ["a", "b", "c"]) put(name, noise(name, 100));
    projects.fake.faults.add({
      match: { method: "GET", path: new RegExp(`/${container}/b`) },
      action: { hook: () => projects.fake.seed.removeObject(projects.sourceId, container, "b") },
    });
    const result = named(await backup(), container);
    expect(result.warnings).toEqual([`${container}/b was gone before it could be read`]);
    expect((await projects.listing(result)).map((e) => e.name)).toEqual(["a", "c"]);
  });

  it("goes on when a container vanishes between the list of them and its headers", async () => {
    put("a", noise("a", 100));
    projects.fake.seed.container({ project: projects.sourceId, name: "vanishing" });
    projects.fake.faults.add({ match: { method: "HEAD", path: /\/vanishing$/ }, action: { status: 404 } });
    expect((await backup(undefined, "vanishing")).found.map((f) => f.name)).toEqual([container]);
  });

  it("asks for nothing that did not change", async () => {
    for (const name of ["a", "b"]) put(name, noise(name, 100));
    const first = await backup();
    const mark = projects.fake.journal.mark();
    const second = named(await backup(first), container);
    expect(projects.fake.journal.find({ path: new RegExp(`/${container}/`) }, mark)).toEqual([]);
    expect(second).toMatchObject({ streams: named(first, container).streams, sourceHash: "skipped" });
  });

  it("downloads nothing of an object whose metadata alone changed, and keeps the new metadata", async () => {
    put("plain", noise("plain", 50_000), { headers: { "x-object-meta-a": "1" } });
    put("dynamic", noise("own", 70), { headers: { "x-object-manifest": `${container}/pl` } });
    const first = await backup();
    const api = projects.cloud("source").object;
    await api.postObject(container, "plain", { "x-object-meta-a": "2", "content-type": "text/plain" });
    await api.postObject(container, "dynamic", { "x-object-manifest": `${container}/other` });
    const mark = projects.fake.journal.mark();
    const second = named(await backup(first), container);
    const asked = projects.fake.journal.find({ path: new RegExp(`/${container}/`) }, mark);
    expect(asked.map((e) => e.method)).toEqual(["HEAD", "HEAD"]);
    const entries = await projects.listing<Entry>(second);
    expect(entries.find((e) => e.name === "plain")).toMatchObject({
      headers: { "x-object-meta-a": "2" },
      contentType: "text/plain",
    });
    expect(entries.find((e) => e.name === "dynamic")?.headers["x-object-manifest"]).toBe(`${container}/other`);
    const restored = await projects.restore(second);
    expect(shape(projects.targetId)).toEqual(shape(projects.sourceId));
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("reads an object that became a large one with the same bytes, and one replaced after the listing", async () => {
    put("turned", noise("turned", 500));
    put("raced", noise("raced", 500));
    const first = await backup();
    put("turned", noise("turned", 500), { headers: { "x-object-manifest": `${container}/x` } });
    projects.fake.read.object(projects.sourceId, container, "raced");
    await projects.cloud("source").object.postObject(container, "raced", { "x-object-meta-a": "b" });
    projects.fake.faults.add({
      match: { method: "HEAD", path: new RegExp(`/${container}/raced`) },
      action: { hook: () => put("raced", noise("new", 500)) },
    });
    await projects.restore(named(await backup(first), container));
    expect(shape(projects.targetId)).toEqual(shape(projects.sourceId));
  });
});
