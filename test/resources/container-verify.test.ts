/** What the verification of a restored container sees, level by level. */

import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { noise } from "../harness/tenant.ts";
import { named, TwoProjects } from "./two-projects.ts";

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

function put(name: string, bytes: Uint8Array, more: Record<string, unknown> = {}): void {
  projects.fake.seed.object({ project: projects.sourceId, container, name, bytes, ...more });
}

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");

/** A static large object of one object of 1,000 bytes per path, made through the API. */
async function putSlo(name: string, paths: readonly string[]): Promise<void> {
  const manifest = paths.map((path) => ({ path, size_bytes: 1000, etag: md5(noise(path, 1000)) }));
  await projects.cloud("source").object.putManifest(container, name, Buffer.from(JSON.stringify(manifest)), {
    "x-object-meta-kind": "slo",
  });
}

const backup = async () => await projects.backup([`swift.container/${container}`]);

describe("verification sees", () => {
  it("a wrong byte, a lost object, other metadata, a manifest of other segments", async () => {
    for (const s of ["1", "2"]) put(`part ${s}`, noise(`/${container}/part ${s}`, 1000));
    await putSlo("static", [`/${container}/part 1`, `/${container}/part 2`]);
    put("plain", noise("plain", 9000), { headers: { "x-object-meta-a": "b" } });
    const restored = await projects.restore(named(await backup(), container));
    const object = (name: string) => {
      const found = projects.fake.read.object(projects.targetId, container, name);
      if (found === undefined) throw new Error(`no ${name}`);
      return found;
    };
    const seen = async (level: "data" | "hash" | "metadata" = "data") => (await projects.verify(restored, level)).mismatches;
    expect(await seen()).toEqual([]);

    const byte = object("plain").bytes.read(5000, 1)[0] ?? 0;
    object("plain").bytes.write(5000, Buffer.of(byte ^ 1));
    await expect(seen()).resolves.toEqual([expect.stringContaining(`${container}/plain: data: `)]);
    object("plain").bytes.write(5000, Buffer.of(byte));

    object("plain").headers = { "x-object-meta-a": "c", "x-object-meta-more": "x" };
    expect(await seen("metadata")).toEqual([
      `${container}/plain: x-object-meta-a: expected "b", found "c"`,
      `${container}/plain: x-object-meta-more: expected null, found "x"`,
    ]);
    object("plain").headers = { "x-object-meta-a": "b" };

    const replaced = { project: projects.targetId, container, name: "plain", bytes: noise("else", 9000) };
    projects.fake.seed.object({ ...replaced, headers: { "x-object-meta-a": "b" } });
    expect(await seen("hash")).toEqual([expect.stringMatching(/plain: etag: expected/)]);

    projects.fake.seed.removeObject(projects.targetId, container, "plain");
    expect(await seen("metadata")).toEqual([`${container}/plain: is not in the target`]);

    projects.fake.seed.object({ ...replaced, bytes: noise("plain", 9000), headers: { "x-object-meta-a": "b" } });
    const short = Buffer.from(JSON.stringify([{ path: `/${container}/part 1` }]));
    await projects.cloud("target").object.putManifest(container, "static", short, {
      "x-object-meta-kind": "slo",
      "content-type": "application/octet-stream",
    });
    for (const level of ["hash", "data"] as const)
      expect(await seen(level)).toEqual([expect.stringContaining(`${container}/static: segments: `)]);
  });

  it("by hash, other bytes of a dynamic large object itself", async () => {
    put("seg/1", noise("1", 5000));
    const headers = { "x-object-manifest": `${container}/seg/` };
    put("dynamic", noise("own", 77), { headers });
    const restored = await projects.restore(named(await backup(), container));
    expect(await projects.verify(restored, "hash")).toMatchObject({ verified: "hash", mismatches: [] });
    const bytes = noise("else", 77);
    projects.fake.seed.object({ project: projects.targetId, container, name: "dynamic", bytes, headers });
    expect((await projects.verify(restored, "hash")).mismatches).toEqual([expect.stringMatching(/dynamic: etag: expected/)]);
  });

  it("settings that differ, and a container that is gone", async () => {
    put("one", noise("one", 10));
    const restored = await projects.restore(named(await backup(), container));
    const made = projects.fake.read.container(projects.targetId, container);
    if (made === undefined) throw new Error("no container");
    made.headers = { "x-container-read": ".r:*" };
    expect((await projects.verify(restored, "metadata")).mismatches).toEqual([expect.stringMatching(/^headers: /)]);
    const gone = { ...restored, targetId: "nowhere" };
    await expect(projects.verify(gone)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
