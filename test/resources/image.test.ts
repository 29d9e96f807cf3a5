/** glance.image between two projects: every field there and back, what is in the way, and what the verification sees. */

import { createHash } from "node:crypto";
import type { DiscoverResult } from "@permafrost/model";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noise } from "../harness/tenant.ts";
import { named, TwoProjects } from "./two-projects.ts";

let projects: TwoProjects;
const sha = (bytes: Uint8Array | undefined) =>
  createHash("sha256")
    .update(bytes ?? "")
    .digest("hex");

beforeAll(async () => {
  projects = await TwoProjects.start();
});
afterAll(async () => await projects?.close());

const FIELDS = {
  tags: ["b", "a"],
  minDisk: 3,
  minRam: 512,
  diskFormat: "raw",
  properties: { os_distro: "debian", hw_disk_bus: "virtio", note: "naïve ☃", "a/b~c": "odd key", base_image_ref: "0815" },
};

const seed = async (name: string, more: Record<string, unknown> = {}) =>
  await projects.fake.seed.image({ project: projects.sourceId, name, bytes: noise(name, 100_001), ...FIELDS, ...more });
const backedUp = async (name: string, more: Record<string, unknown> = {}) => {
  const { id } = await seed(name, more);
  return named(await projects.backup([`glance.image/${id}`]), name);
};
const target = (id: string | undefined) => projects.fake.read.image(id ?? "");

describe("backup", () => {
  it("keeps every field", async () => {
    const friend = projects.fake.seed.project("friend");
    const image = await seed("fields", { visibility: "shared", protected: true, hidden: true });
    image.members.set(friend.id, { status: "pending", createdMs: 0, updatedMs: 0 });
    const result = named(await projects.backup([`glance.image/${image.id}`]), "fields");
    expect(await projects.document(result)).toEqual({
      version: 1,
      name: "fields",
      status: "active",
      visibility: "shared",
      protected: true,
      hidden: true,
      diskFormat: "raw",
      containerFormat: "bare",
      minDiskGiB: 3,
      minRamMiB: 512,
      sizeBytes: 100_001,
      hashAlgorithm: "sha512",
      hashValue: createHash("sha512").update(noise("fields", 100_001)).digest("hex"),
      checksum: createHash("md5").update(noise("fields", 100_001)).digest("hex"),
      tags: ["a", "b"],
      members: [{ project: friend.id, status: "pending" }],
      properties: expect.objectContaining(FIELDS.properties),
    });
    expect(result).toMatchObject({ consistency: "immutable", sourceHash: "verified" });
    const restored = await projects.restore(result);
    const made = target(restored.targetId);
    expect(made).toMatchObject({ protected: true, hidden: true, visibility: "shared", minDisk: 3, minRam: 512 });
    expect([...(made?.members.keys() ?? [])]).toEqual([friend.id]);
    const { base_image_ref: _, ...own } = FIELDS.properties;
    expect(made?.properties).toEqual(own);
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("downloads nothing of an image whose hash is the parent's", async () => {
    const { id } = await seed("same");
    const first = await projects.backup([`glance.image/${id}`]);
    const mark = projects.fake.journal.mark();
    const second = await projects.backup([`glance.image/${id}`], first);
    expect(named(second, "same")).toMatchObject({ sourceHash: "skipped", streams: named(first, "same").streams });
    expect(projects.fake.journal.find({ path: /\/file$/ }, mark)).toEqual([]);
  });

  it("reads an image again whose parent's metadata is lost", async () => {
    const { id } = await seed("orphan");
    const first = await projects.backup([`glance.image/${id}`]);
    const { document, ...rest } = named(first, "orphan");
    if (document === undefined) throw new Error("no document");
    const parent = { ...rest, document: { ...document, id: "00".repeat(32) } };
    const second = await projects.backup([`glance.image/${id}`], { ...first, results: new Map([["orphan", parent]]) });
    expect(named(second, "orphan")).toMatchObject({ state: "succeeded", sourceHash: "verified", streams: rest.streams });
  });

  it("goes on when an image vanishes while it is described", async () => {
    const { id } = await seed("stays");
    const gone = await seed("vanishing", { visibility: "shared" });
    projects.fake.faults.add({ match: { method: "GET", path: new RegExp(`${gone.id}/members`) }, action: { status: 404 } });
    const { found } = await projects.backup([`glance.image/${id}`, `glance.image/${gone.id}`]);
    expect(found.map((f) => f.name)).toEqual(["stays"]);
  });

  it("does not leave out the bytes of an image that is deactivated", async () => {
    await seed("off", { status: "deactivated" });
    const source = { cloud: "source" };
    const selection = { include: ["glance.image/off"], exclude: [] };
    const { resources } = await projects.run<DiscoverResult>(projects.session(), { kind: "discover", source, selection });
    expect(resources).toMatchObject([{ captures: true, logicalBytes: 100_001, warnings: [] }]);
  });

  it("restores an image without data as one without data", async () => {
    const image = await projects.fake.seed.image({ project: projects.sourceId, name: "queued", ...FIELDS });
    const backup = await projects.backup([`glance.image/${image.id}`]);
    expect(named(backup, "queued").warnings).toEqual(["The image is queued: only its metadata is backed up"]);
    const restored = await projects.restore(named(backup, "queued"));
    expect(target(restored.targetId)).toMatchObject({ status: "queued", tags: expect.arrayContaining(["a", "b"]), minRam: 512 });
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("restores an image without formats", async () => {
    const image = await projects.fake.seed.image({
      project: projects.sourceId,
      name: "bare",
      diskFormat: null,
      containerFormat: null,
    });
    const restored = await projects.restore(named(await projects.backup([`glance.image/${image.id}`]), "bare"));
    expect(target(restored.targetId)).toMatchObject({ diskFormat: null, containerFormat: null });
  });
});

describe("restore", () => {
  it.each([
    ["create", "create", false],
    ["skip", "skip", true],
    ["fail", "conflict", false],
    ["reuse", "reuse", true],
  ] as const)("--on-conflict %s of one name: %s", async (onConflict, action, keeps) => {
    const resource = await backedUp(`clash ${onConflict}`);
    const there = await projects.fake.seed.image({ project: projects.targetId, name: resource.name, bytes: noise("x", 10) });
    const [planned] = await projects.plan([resource], { onConflict });
    expect(planned).toMatchObject({ action, ...(keeps ? { targetId: there.id } : {}) });
    if (action !== "create" && action !== "reuse") return;
    const restored = await projects.restore(resource, { onConflict });
    expect(restored.targetId === there.id).toBe(keeps);
    expect(projects.fake.read.images(projects.targetId).filter((i) => i.name === there.name)).toHaveLength(keeps ? 1 : 2);
  });

  it("puts a prefix before the name, and verifies it", async () => {
    const restored = await projects.restore(await backedUp("plain"), { namePrefix: "old-" });
    expect(target(restored.targetId)?.name).toBe("old-plain");
    expect((await projects.verify(restored, "hash", { namePrefix: "old-" })).mismatches).toEqual([]);
  });

  it("keeps an image private that the role cannot publish, and says so", async () => {
    const restored = await projects.restore(await backedUp("public", { visibility: "public" }));
    expect(restored.warnings).toEqual([expect.stringContaining("The image stays private, not public")]);
    expect(target(restored.targetId)).toMatchObject({ visibility: "private", status: "active" });
  });

  it("makes the target again when it was removed between two attempts", async () => {
    const resource = { ...(await backedUp("removed")), action: "create" as const };
    const first = await projects.apply(resource, {}, "again");
    projects.fake.images.all.delete(first.targetId ?? "");
    const second = await projects.apply(resource, {}, "again");
    expect(sha(target(second.targetId)?.bytes?.read())).toBe(sha(noise("removed", 100_001)));
  });
});

describe("who sees it", () => {
  it("maps members by project, and verifies them", async () => {
    const [old, made] = [projects.fake.seed.project("old friend"), projects.fake.seed.project("new friend")];
    const image = await seed("offered", { visibility: "shared" });
    image.members.set(old.id, { status: "accepted", createdMs: 0, updatedMs: 0 });
    const options = { maps: { project: { [old.id]: made.id } } };
    const restored = await projects.restore(named(await projects.backup([`glance.image/${image.id}`]), "offered"), options);
    expect([...(target(restored.targetId)?.members.keys() ?? [])]).toEqual([made.id]);
    expect((await projects.verify(restored, "metadata", options)).mismatches).toEqual([]);
    target(restored.targetId)?.members.clear();
    expect((await projects.verify(restored, "metadata", options)).mismatches).toEqual([
      `members: expected ["${made.id}"], found []`,
    ]);
  });
});

describe("verification sees", () => {
  let restored: Awaited<ReturnType<TwoProjects["restore"]>>;
  beforeAll(async () => {
    restored = await projects.restore(await backedUp("checked"));
  });
  const tampered = async (change: (image: NonNullable<ReturnType<typeof target>>) => void, level: "data" | "hash" = "data") => {
    const image = target(restored.targetId);
    if (image === undefined) throw new Error("no target");
    const saved = { ...image, bytes: image.bytes?.clone() };
    change(image);
    const { mismatches } = await projects.verify(restored, level);
    Object.assign(image, saved);
    return mismatches;
  };

  it("nothing when nothing differs", async () => expect(await tampered(() => undefined)).toEqual([]));
  it("one wrong byte, though Glance's own hash is the right one", async () =>
    expect(await tampered((i) => i.bytes?.write(77_777, Buffer.of((i.bytes.read(77_777, 1)[0] ?? 0) ^ 1)))).toEqual([
      "data: first difference at byte 77777",
    ]));
  it("another hash", async () =>
    expect(await tampered((i) => void Object.assign(i, { hashValue: "00" }), "hash")).toEqual([
      expect.stringMatching(/^os_hash_value: expected/),
    ]));
  it("a property lost, changed and more than there was", async () => {
    for (const properties of [{}, { ...FIELDS.properties, os_distro: "arch" }, { ...FIELDS.properties, more: "x" }])
      expect(await tampered((i) => void Object.assign(i, { properties }))).toEqual([expect.stringMatching(/^properties: /)]);
  });
  it("other flags, limits, tags and visibility", async () =>
    expect(
      await tampered((i) => {
        Object.assign(i, { protected: true, minRam: 1, minDisk: 1, tags: ["c"], visibility: "community" });
      }),
    ).toEqual([
      "minDiskGiB: expected 3, found 1",
      "minRamMiB: expected 512, found 1",
      "protected: expected false, found true",
      expect.stringMatching(/^tags: /),
      'visibility: expected "shared", found "community"',
    ]));
});

describe("images that need others", () => {
  it("kernel and ramdisk are made first and referred to by their new ids", async () => {
    const kernel = await seed("kernel", { diskFormat: "raw" });
    const shared = await projects.fake.seed.image({ project: projects.targetId, name: "their ramdisk", bytes: noise("r", 10) });
    const ids = { kernel_id: kernel.id, ramdisk_id: shared.id };
    shared.members.set(projects.sourceId, { status: "accepted", createdMs: 0, updatedMs: 0 });
    const image = await seed("guest", { properties: ids });
    const backup = await projects.backup([`glance.image/${kernel.id}`, `glance.image/${image.id}`]);
    expect(await projects.document(named(backup, "guest"))).toMatchObject({
      parts: { [kernel.id]: "kernel", [shared.id]: "their ramdisk" },
    });
    const plan = await projects.plan([...backup.results.values()]);
    expect(plan.find((r) => r.name === "guest")).toMatchObject({ dependsOn: [`glance.image/${kernel.id}`], warnings: [] });
    const made = await projects.restore(named(backup, "kernel"));
    const targets = { [`glance.image/${kernel.id}`]: made.targetId ?? "", [`glance.image/${shared.id}`]: shared.id };
    const restored = await projects.apply({ ...named(backup, "guest"), action: "create" }, {}, projects.session(), targets);
    expect(target(restored.targetId)?.properties).toEqual({ kernel_id: made.targetId, ramdisk_id: shared.id });
    const alone = await projects.plan([named(await projects.backup([`glance.image/${image.id}`]), "guest")]);
    expect(alone[0]?.warnings).toEqual([]);
    projects.fake.images.all.delete(kernel.id);
    const [without] = await projects.plan([named(backup, "guest")], { namePrefix: "x-" });
    expect(without?.warnings).toEqual([]);
  });

  it("says what a member cannot have again", async () => {
    const result = await backedUp("told", {
      visibility: "public",
      properties: { img_signature: "s", img_signature_key_type: "RSA" },
    });
    const [planned] = await projects.plan([result]);
    expect(planned?.warnings).toEqual([
      "The image was public: it stays private, for only an administrator may publish one",
      "Its signature is left out: it names a certificate in the source's key manager",
    ]);
    const restored = await projects.restore(result);
    expect(target(restored.targetId)).toMatchObject({ visibility: "private", properties: {} });
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("leaves out Nova's image of a volume-backed server, and says so", async () => {
    const properties = { block_device_mapping: JSON.stringify([{ snapshot_id: "s", source_type: "snapshot" }]) };
    const image = await projects.fake.seed.image({
      project: projects.sourceId,
      name: "of volumes",
      bytes: Buffer.alloc(0),
      properties,
    });
    const result = named(await projects.backup([`glance.image/${image.id}`]), "of volumes");
    expect(result.warnings).toEqual(["The image has no bytes but names volume snapshots: those are not backed up"]);
    expect((await projects.plan([result]))[0]).toMatchObject({ action: "skip" });
  });
});

describe("an image of an encrypted volume", () => {
  const KEY = Buffer.from("0123456789abcdef0123456789abcdef");
  const encrypted = async (name: string) => {
    const { id } = projects.fake.keys.addSecret({
      ...{ projectId: projects.sourceId, secretType: "symmetric", algorithm: "aes", bitLength: 256, payload: KEY },
    });
    const properties = { cinder_encryption_key_id: id, cinder_encryption_key_deletion_policy: "on_image_deletion" };
    return await backedUp(name, { properties });
  };

  it("comes back with a key of its own, which the sweep leaves and an undo takes", async () => {
    const resource = { ...(await encrypted("locked")), action: "create" as const };
    const session = projects.session();
    const first = await projects.apply(resource, {}, session);
    const restored = await projects.apply(resource, {}, session);
    expect(restored.targetId).toBe(first.targetId);
    const { properties } = target(restored.targetId) ?? {};
    const key = projects.fake.keys.secret(properties?.cinder_encryption_key_id ?? "");
    expect([key?.projectId, Buffer.from(key?.payload ?? "").toString("hex")]).toEqual([projects.targetId, KEY.toString("hex")]);
    expect(properties?.cinder_encryption_key_deletion_policy).toBe("on_image_deletion");
    expect(projects.fake.keys.secretsOf(projects.targetId)).toHaveLength(1);
    expect((await projects.verify(restored)).mismatches).toEqual([]);
    await projects.undo(resource, session);
    expect(projects.fake.keys.secretsOf(projects.targetId)).toEqual([]);
    expect(target(restored.targetId)).toBeUndefined();
  });

  it("is a conflict without its key", async () => {
    const image = await seed("keyless", { properties: { cinder_encryption_key_id: "00000000-0000-4000-8000-00000000000b" } });
    const backup = await projects.backup([`glance.image/${image.id}`]);
    const { found } = backup;
    const result = named(backup, "keyless");
    expect(found[0]?.warnings).toEqual([expect.stringMatching(/without the key.*is not in the key manager/)]);
    expect((await projects.plan([result]))[0]).toMatchObject({ action: "conflict" });
  });
});
