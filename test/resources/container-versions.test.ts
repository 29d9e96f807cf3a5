/** swift.container between two projects: older versions and deletions, symlinks of both kinds, archives in another container. */

import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { noise } from "../harness/tenant.ts";
import { type Backup, named, TwoProjects } from "./two-projects.ts";

let projects: TwoProjects;
let number = 0;
let container = "";

beforeAll(async () => {
  projects = await TwoProjects.start();
});
afterAll(async () => await projects?.close());

beforeEach(async () => {
  container = `versions${++number}`;
  await source().putContainer(container, {});
});

const source = () => projects.cloud("source").object;
const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");
const put = async (name: string, bytes: Uint8Array, headers: Record<string, string> = {}, into = container) =>
  await source().putObject(into, name, bytes, { sizeBytes: bytes.length, headers });
const versioning = async (on: boolean) => await source().postContainer(container, { "x-versions-enabled": String(on) });
const backup = async (parent?: Backup, ...more: string[]) =>
  await projects.backup([`swift.container/${container}`, ...more.map((c) => `swift.container/${c}`)], parent);

/** By name, the oldest first: what each version is. */
function history(projectId: string, name = container): Record<string, unknown[]> {
  const found = projects.fake.read.container(projectId, name);
  return Object.fromEntries(
    [...(found?.versions ?? [])]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .filter(([, versions]) => versions.length > 0)
      .map(([object, versions]) => [
        object,
        versions.map(({ object: v }) =>
          v === undefined
            ? "deleted"
            : { etag: v.slo?.etag ?? v.etag, headers: v.headers, contentType: v.contentType, link: v.link },
        ),
      ]),
  );
}

/** The current objects. */
function current(projectId: string, name = container): Record<string, unknown> {
  return Object.fromEntries(
    [...(projects.fake.read.container(projectId, name)?.objects.values() ?? [])]
      .map(
        (o) => [o.name, { headers: o.headers, contentType: o.contentType, link: o.link, etag: o.slo?.etag ?? o.etag }] as const,
      )
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** An object of three versions, one deleted, one deleted and made again, one from before versioning. */
async function versions(): Promise<void> {
  await put("early", noise("early", 300));
  await versioning(true);
  for (const n of ["1", "2", "3"]) await put("three/ü", noise(n, 1000), { "x-object-meta-n": n, "content-type": `text/x-${n}` });
  await put("gone", noise("gone", 500));
  await source().deleteObject(container, "gone");
  await put("again", noise("again 1", 500));
  await source().deleteObject(container, "again");
  await put("again", noise("again 2", 600));
  await put("single", noise("single", 100));
}

describe("older versions", () => {
  it("there and back, in their order, with deletions", async () => {
    await versions();
    const result = named(await backup(), container);
    expect(result.warnings).toEqual([]);
    const restored = await projects.restore(result);
    const [have, want] = [history(projects.targetId), history(projects.sourceId)];
    // What was there before versioning has a version in the target.
    const { early, ...rest } = have;
    expect([rest, early?.length]).toEqual([want, 1]);
    expect(current(projects.targetId)).toEqual(current(projects.sourceId));
    expect(projects.fake.read.container(projects.targetId, container)?.versioning).toEqual({ enabled: true });
    const at = projects.fake.read.container(projects.targetId, container)?.versions.get("three/ü");
    expect(at?.map((v) => md5(v.object?.bytes.read() ?? Buffer.of()))).toEqual(["1", "2", "3"].map((n) => md5(noise(n, 1000))));
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("of a container whose versioning was switched off", async () => {
    await versions();
    await versioning(false);
    await put("three/ü", noise("unversioned", 50));
    const restored = await projects.restore(named(await backup(), container));
    expect(history(projects.targetId)["three/ü"]).toEqual(history(projects.sourceId)["three/ü"]);
    expect(projects.fake.read.container(projects.targetId, container)?.versioning).toEqual({ enabled: false });
    expect(current(projects.targetId)).toEqual(current(projects.sourceId));
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("asks for none that it has already", async () => {
    await versions();
    const first = await backup();
    await put("three/ü", noise("4", 1000));
    const mark = projects.fake.journal.mark();
    const second = named(await backup(first), container);
    const asked = projects.fake.journal.find({ path: new RegExp(`/${container}/`) }, mark);
    // The new current one, when it expires, and the one that was current before.
    expect(asked.map((e) => e.method).sort()).toEqual(["GET", "GET", "HEAD"]);
    await projects.restore(second);
    expect(history(projects.targetId)["three/ü"]).toHaveLength(4);
  });

  it("a second attempt goes on where the first broke off, and makes no version twice", async () => {
    await versions();
    const resource = { ...named(await backup(), container), action: "create" as const };
    const cut = projects.fake.faults.add({ match: { method: "PUT", path: /three/ }, times: 1, action: { drop: "after" } });
    await projects.apply(resource, {}, `cut ${container}`).catch(() => undefined);
    cut.remove();
    await projects.apply(resource, {}, `cut ${container}`);
    await projects.apply(resource, {}, `cut ${container}`);
    const { early: _, ...rest } = history(projects.targetId);
    expect(rest).toEqual(history(projects.sourceId));
  });

  it("leaves versions alone that the target has of its own, and says so", async () => {
    await versions();
    const target = projects.cloud("target").object;
    await target.putContainer(container, { "x-versions-enabled": "true" });
    for (const n of ["mine 1", "mine 2"]) await target.putObject(container, "three/ü", noise(n, 10), { sizeBytes: 10 });
    const restored = await projects.restore(named(await backup(), container), { onConflict: "reuse" });
    expect(restored.warnings).toContain(
      `${container}/three/ü: its older versions are not restored, for the target has versions of its own`,
    );
    expect(history(projects.targetId)["three/ü"]).toHaveLength(3);
  });

  it("undo takes back every version and the container", async () => {
    await versions();
    const resource = { ...named(await backup(), container), action: "create" as const };
    await projects.apply(resource, {}, `undo ${container}`);
    await projects.undo(resource, `undo ${container}`);
    expect(projects.fake.read.container(projects.targetId, container)).toBeUndefined();
  });

  it("verification sees a version that is missing and one that is more", async () => {
    await versions();
    const restored = await projects.restore(named(await backup(), container));
    const found = projects.fake.read.container(projects.targetId, container)?.versions;
    found?.set("three/ü", (found.get("three/ü") ?? []).slice(1));
    expect((await projects.verify(restored)).mismatches).toEqual([expect.stringMatching(/three\/ü: older versions: expected/)]);
  });

  it("an expiring object of a versioned container", async () => {
    await versioning(true);
    await put("short", noise("short", 10), { "x-delete-at": "4102444800" });
    const restored = await projects.restore(named(await backup(), container));
    expect(projects.fake.read.object(projects.targetId, container, "short")?.headers["x-delete-at"]).toBe("4102444800");
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("a target that has no versioning gets the current objects, and the plan says what it does not get", async () => {
    await versions();
    const result = named(await backup(), container);
    const without = projects.fake.faults.add({
      match: { service: "object", path: /\/info$/ },
      times: 99,
      action: { status: 200, body: JSON.stringify({ swift: { policies: [{ name: "gold", default: true }] } }) },
    });
    const [planned] = await projects.plan([result]);
    expect(planned?.warnings).toEqual(["the target has no object versioning: older versions are not restored"]);
    const restored = await projects.restore(result);
    expect(history(projects.targetId)).toEqual({});
    expect(Object.keys(current(projects.targetId))).toEqual(["again", "early", "single", "three/ü"]);
    expect((await projects.verify(restored)).mismatches).toEqual([]);
    without.remove();
  });
});

describe("archives in another container", () => {
  it.each(["x-versions-location", "x-history-location"])("%s: restored without archiving what is restored", async (header) => {
    const archive = `${container} archive`;
    await source().putContainer(archive, {});
    await source().postContainer(container, { [header]: encodeURIComponent(archive) });
    for (const n of ["1", "2"]) await put("o", noise(n, 100));
    const made = await backup(undefined, archive);
    const options = { namePrefix: "new-" };
    for (const one of made.results.values()) await projects.apply({ ...one, action: "create" }, options, `archive ${container}`);
    const restored = await projects.apply({ ...named(made, container), action: "create" }, options, `archive ${container}`);
    expect(projects.fake.read.container(projects.targetId, `new-${container}`)?.headers).toEqual({
      [header]: encodeURIComponent(`new-${archive}`),
    });
    expect(current(projects.targetId, `new-${archive}`)).toEqual(current(projects.sourceId, archive));
    expect(Object.keys(current(projects.targetId, `new-${archive}`))).toHaveLength(1);
    expect((await projects.verify(restored, "data", options)).mismatches).toEqual([]);
    const session = `archive ${container}`;
    for (const one of made.results.values()) await projects.undo({ ...one, action: "create" }, session);
    expect(projects.fake.read.container(projects.targetId, `new-${archive}`)).toBeUndefined();
  });
});

describe("symlinks", () => {
  const link = async (name: string, target: string, headers: Record<string, string> = {}, into = container) =>
    await put(name, Buffer.alloc(0), { "x-symlink-target": encodeURIComponent(target).replaceAll("%2F", "/"), ...headers }, into);

  it("of both kinds, chained, to a large object and into another container, come back as links after their targets", async () => {
    const other = `${container} other ü?`;
    await source().putContainer(other, {});
    await put("z plain?", noise("plain", 1000));
    await put("far", noise("far", 200), {}, other);
    await put("z part", noise("part", 1000));
    const manifest = [{ path: `/${container}/z part`, size_bytes: 1000 }];
    await source().putManifest(container, "z large", Buffer.from(JSON.stringify(manifest)));
    await link("a soft", `${container}/z plain?`, { "x-object-meta-own": "1", "content-type": "text/own" });
    await link("a loose", `${container}/none`);
    await link("a hard", `${container}/z plain?`, { "x-symlink-target-etag": md5(noise("plain", 1000)) });
    await link("a far", `${other}/far`, { "x-symlink-target-etag": md5(noise("far", 200)) });
    await link("a chain", `${container}/a hard`);
    const large = (await source().headObject(container, "z large"))["x-manifest-etag"] ?? "";
    await link("a large", `${container}/z large`, { "x-symlink-target-etag": large });
    const made = await backup(undefined, other);
    expect(named(made, container).warnings).toEqual([]);
    const plan = await projects.plan([...made.results.values()]);
    expect(plan.find((r) => r.id === container)?.dependsOn).toEqual([`swift.container/${other}`]);
    // In the wrong order: what points elsewhere waits for it.
    const session = `links ${container}`;
    const resource = { ...named(made, container), action: "create" as const };
    await expect(projects.apply(resource, {}, session)).rejects.toMatchObject({ code: "SEGMENTS_MISSING", retry: "later" });
    await projects.apply({ ...named(made, other), action: "create" }, {}, session);
    const restored = await projects.apply(resource, {}, session);
    const strip = (shape: Record<string, unknown>) => ({ ...shape, "a large": null });
    expect(strip(current(projects.targetId))).toEqual(strip(current(projects.sourceId)));
    const target = projects.cloud("target").object;
    for (const [name, bytes] of [
      ["a soft", noise("plain", 1000)],
      ["a chain", noise("plain", 1000)],
      ["a far", noise("far", 200)],
      ["a large", noise("part", 1000)],
    ] as const) {
      const got = await target.getObject(container, name, { verifyHash: false });
      expect(Buffer.concat(await Array.fromAsync(got.body)).equals(bytes), name).toBe(true);
    }
    expect((await projects.verify(restored)).mismatches).toEqual([]);
    const mark = projects.fake.journal.mark();
    await projects.apply(resource, {}, session);
    expect(projects.fake.journal.find({ method: "PUT", path: new RegExp(`/${container}/`) }, mark)).toEqual([]);
    const soft = projects.fake.read.object(projects.targetId, container, "a soft");
    if (soft !== undefined) Object.assign(soft, { link: { target: `${container}/elsewhere` } });
    expect((await projects.verify(restored)).mismatches).toEqual([expect.stringMatching(/a soft: x-symlink-target: expected/)]);
  });

  it("puts the prefix before the container, keeps a foreign account and maps it", async () => {
    const friend = projects.fake.seed.project(`friend of ${container}`);
    projects.fake.seed.object({
      project: friend.id,
      container: "shared",
      name: "o",
      bytes: noise("shared", 10),
    });
    await link("own", `${container}/x`, { "x-symlink-target-account": `AUTH_${projects.sourceId}` });
    await link("foreign", "shared/o", { "x-symlink-target-account": `AUTH_${friend.id}` });
    const result = named(await backup(), container);
    const of = (name: string) => projects.fake.read.object(projects.targetId, `new-${container}`, name)?.link;
    await projects.restore(result, { namePrefix: "new-" });
    expect([of("own"), of("foreign")]).toEqual([
      { target: `new-${container}/x` },
      { target: "shared/o", account: `AUTH_${friend.id}` },
    ]);
    const options = { namePrefix: "new-", onConflict: "reuse" as const, maps: { project: { [friend.id]: "0123" } } };
    await projects.restore(result, options);
    expect(of("foreign")).toEqual({ target: "shared/o", account: "AUTH_0123" });
  });

  it("says of a static link whose target has changed that it cannot come back, and restores the rest", async () => {
    await put("t", noise("1", 10));
    await link("l", `${container}/t`, { "x-symlink-target-etag": md5(noise("1", 10)) });
    await put("t", noise("2", 10));
    const result = named(await backup(), container);
    expect(result.warnings).toEqual([
      `${container}/l is a link to an object that is no longer what the link says; it cannot be restored`,
    ]);
    const restored = await projects.restore(result);
    expect(restored.warnings).toEqual([`${container}/l is not restored: it was a link to what was no longer there`]);
    expect(Object.keys(current(projects.targetId))).toEqual(["t"]);
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("among the versions of an object", async () => {
    await versioning(true);
    await put("t", noise("t", 10));
    await link("o", `${container}/t`);
    await put("o", noise("o", 20));
    await put("p", noise("p", 20));
    await link("p", `${container}/t`);
    const restored = await projects.restore(named(await backup(), container));
    expect(history(projects.targetId)).toEqual(history(projects.sourceId));
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });
});
