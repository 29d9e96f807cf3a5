/** cinder.volume between two projects: every field there and back, what is in the way, and what the verification sees. */

import { createHash } from "node:crypto";
import type { DiscoverResult, FreezeResult, RestoreMaps } from "@permafrost/model";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noise } from "../harness/tenant.ts";
import { named, TwoProjects } from "./two-projects.ts";

const GIB_BYTES = 256 * 1024;
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
  description: "first\nsecond line",
  size: 1,
  type: "fast",
  bootable: true,
  metadata: { tier: "gold", note: "naïve ☃" },
  imageMetadata: { hw_disk_bus: "virtio", image_name: "base", os_distro: "debian" },
};

function seed(name: string, more: Record<string, unknown> = {}) {
  const { seed, volumes } = projects.fake;
  if (!volumes.zones.includes("far")) volumes.zones.push("far");
  return seed.volume({ project: projects.sourceId, name, zone: "far", bytes: noise(name, GIB_BYTES), ...FIELDS, ...more });
}

const target = (id: string | undefined) => projects.fake.read.volume(id ?? "");

describe("backup", () => {
  it("keeps every field", async () => {
    const { id } = seed("fields");
    const backup = await projects.backup([`cinder.volume/${id}`]);
    expect(await projects.document(named(backup, "fields"))).toEqual({
      version: 1,
      name: "fields",
      description: "first\nsecond line",
      status: "available",
      sizeGiB: 1,
      volumeType: "fast",
      availabilityZone: "far",
      bootable: true,
      encrypted: false,
      multiattach: false,
      metadata: FIELDS.metadata,
      imageMetadata: FIELDS.imageMetadata,
    });
    expect(named(backup, "fields")).toMatchObject({ consistency: "crash", stats: { logicalBytes: GIB_BYTES } });
  });

  it("captures a volume that is in use, without its service's own metadata in the target", async () => {
    const { id } = seed("used", { attachments: [{ server_id: "s", attachment_id: "a", device: "/dev/vda" }] });
    const backup = await projects.backup([`cinder.volume/${id}`]);
    expect(await projects.document(named(backup, "used"))).toMatchObject({ status: "in-use", metadata: { attached_mode: "rw" } });
    const restored = await projects.restore(named(backup, "used"));
    expect(sha(target(restored.targetId)?.bytes.read())).toBe(sha(noise("used", GIB_BYTES)));
    expect(target(restored.targetId)?.metadata).toEqual(FIELDS.metadata);
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it("takes only the metadata of a volume in error, and says so", async () => {
    const { id } = seed("broken", { status: "error" });
    const backup = await projects.backup([`cinder.volume/${id}`]);
    expect(backup.found[0]).toMatchObject({ captures: false, freezes: false, logicalBytes: 0 });
    expect(named(backup, "broken").warnings).toEqual(["The volume is error: only its metadata is backed up"]);
    const [planned] = await projects.plan([named(backup, "broken")]);
    expect(planned).toMatchObject({
      action: "create",
      warnings: ["The backup has no data of this volume: it is created empty"],
    });
    const restored = await projects.restore(named(backup, "broken"));
    expect(target(restored.targetId)).toMatchObject({ name: "broken", size: 1, metadata: FIELDS.metadata, bootable: true });
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });

  it.each(["uploading", "backing-up", "retyping", "error_extending"])(
    "does not leave out a volume with data for being %s: Cinder says why it cannot be had",
    async (status) => {
      const volume = seed(status, { status });
      const { id } = volume;
      const source = { cloud: "source" };
      const selection = { include: [`cinder.volume/${id}`], exclude: [] };
      const { resources } = await projects.run<DiscoverResult>(projects.session(), { kind: "discover", source, selection });
      expect(resources).toMatchObject([{ captures: true, freezes: true, warnings: [] }]);
      const { frozen } = await projects.run<FreezeResult>(projects.session(), { kind: "freeze", source, resources });
      expect(frozen).toMatchObject([{ id, failure: { message: expect.stringContaining(status) } }]);
      volume.status = "available";
    },
  );

  it("says of an encrypted volume whose key cannot be read what the backup does not hold", async () => {
    const { id, encryptionKeyId = "" } = seed("secret", { type: "luks" });
    const key = projects.fake.keys.secret(encryptionKeyId);
    if (key !== undefined) projects.fake.keys.secrets.set(encryptionKeyId, { ...key, creatorId: "somebody" });
    const closed = projects.fake.keys.secret(encryptionKeyId);
    if (closed !== undefined) projects.fake.keys.setAcl(closed, [], false);
    const backup = await projects.backup([`cinder.volume/${id}`]);
    expect(backup.found[0]?.warnings).toEqual([expect.stringMatching(/without the key.*the credentials may not read its key/)]);
    expect((await projects.plan([named(backup, "secret")]))[0]).toMatchObject({
      action: "conflict",
      actionReason: "the volume is encrypted, and neither the backup nor the target has its key: its bytes could not be read",
    });
  });

  it("does not find its own temporaries", async () => {
    seed("permafrost-tmp-other-0123");
    const { found } = await projects.backup(["cinder.volume"]);
    expect(found.map((f) => f.name)).not.toContain("permafrost-tmp-other-0123");
  });
});

describe("restore", () => {
  it("applies the maps of types and zones, and the prefix, and verifies what they say", async () => {
    const { id } = seed("mapped");
    const backup = await projects.backup([`cinder.volume/${id}`]);
    const options = { maps: { "volume-type": { fast: "standard" }, zone: { "*": "nova" } }, namePrefix: "new-" };
    const restored = await projects.restore(named(backup, "mapped"), options);
    const made = target(restored.targetId);
    expect(made).toMatchObject({ name: "new-mapped", zone: "nova", description: FIELDS.description, bootable: true });
    expect([made?.type.name, made?.metadata, made?.imageMetadata]).toEqual(["standard", FIELDS.metadata, FIELDS.imageMetadata]);
    expect((await projects.verify(restored, "data", options)).mismatches).toEqual([]);
    expect((await projects.verify(restored, "metadata")).mismatches).toEqual([
      'availabilityZone: expected "far", found "nova"',
      'name: expected "mapped", found "new-mapped"',
      'volumeType: expected "fast", found "standard"',
    ]);
  });

  it("plans a conflict for a type or zone that the target does not have", async () => {
    const { id } = seed("typed");
    const backup = await projects.backup([`cinder.volume/${id}`]);
    const of = async (maps: RestoreMaps) => (await projects.plan([named(backup, "typed")], { maps }))[0];
    expect(await of({ "volume-type": { "*": "nvme" } })).toMatchObject({
      action: "conflict",
      actionReason: expect.stringContaining("no volume type nvme"),
    });
    expect(await of({ zone: { far: "mars" } })).toMatchObject({
      action: "conflict",
      actionReason: expect.stringContaining("no availability zone mars"),
    });
  });

  it.each([
    ["create", "create", false],
    ["skip", "skip", true],
    ["fail", "conflict", false],
    ["reuse", "reuse", true],
  ] as const)("--on-conflict %s of one name: %s", async (onConflict, action, keeps) => {
    const { id } = seed(`clash ${onConflict}`);
    const backup = await projects.backup([`cinder.volume/${id}`]);
    const there = projects.fake.seed.volume({ project: projects.targetId, name: `clash ${onConflict}`, size: 1 });
    const [planned] = await projects.plan([named(backup, `clash ${onConflict}`)], { onConflict });
    expect(planned).toMatchObject({ action, ...(keeps ? { targetId: there.id } : {}) });
    if (action !== "create" && action !== "reuse") return;
    const restored = await projects.restore(named(backup, `clash ${onConflict}`), { onConflict });
    expect(restored.targetId === there.id).toBe(keeps);
    expect(projects.fake.read.volumes(projects.targetId).filter((v) => v.name === there.name)).toHaveLength(keeps ? 1 : 2);
  });

  it("does not choose between two of one name", async () => {
    const { id } = seed("twins");
    const backup = await projects.backup([`cinder.volume/${id}`]);
    for (let i = 0; i < 2; i++) projects.fake.seed.volume({ project: projects.targetId, name: "twins", size: 1 });
    expect((await projects.plan([named(backup, "twins")], { onConflict: "reuse" }))[0]).toMatchObject({ action: "conflict" });
  });

  it("makes the target again when it was removed between two attempts", async () => {
    const { id } = seed("removed");
    const backup = await projects.backup([`cinder.volume/${id}`]);
    const resource = { ...named(backup, "removed"), action: "create" as const };
    const first = await projects.apply(resource, {}, "again");
    projects.fake.volumes.volumes.delete(first.targetId ?? "");
    const second = await projects.apply(resource, {}, "again");
    expect(sha(target(second.targetId)?.bytes.read())).toBe(sha(noise("removed", GIB_BYTES)));
  });
});

describe("an encrypted volume", () => {
  const secretsOf = (projectId: string) => projects.fake.keys.secretsOf(projectId);
  const encrypted = async (name: string) => {
    const { encryptionKeyId = "", id } = seed(name, { type: "luks" });
    const key = Buffer.from(projects.fake.keys.secret(encryptionKeyId)?.payload ?? "");
    return { key, id, result: named(await projects.backup([`cinder.volume/${id}`]), name) };
  };

  it("comes back with its bytes and its key, and leaves no other key on either side", async () => {
    const before = [secretsOf(projects.sourceId).length + 1, secretsOf(projects.targetId).length + 1];
    const { key, result } = await encrypted("locked");
    expect(result.warnings).toEqual([]);
    expect(await projects.document(result)).toMatchObject({
      encrypted: true,
      key: { algorithm: "aes", bitLength: 256, secretType: "symmetric", payload: key.toString("base64") },
    });
    const restored = await projects.restore(result);
    const made = target(restored.targetId);
    expect(sha(made?.bytes.read())).toBe(sha(noise("locked", GIB_BYTES)));
    const restoredKey = projects.fake.keys.secret(made?.encryptionKeyId ?? "");
    expect(Buffer.from(restoredKey?.payload ?? "").equals(key)).toBe(true);
    expect(restoredKey?.projectId).toBe(projects.targetId);
    expect((await projects.verify(restored)).mismatches).toEqual([]);
    expect([secretsOf(projects.sourceId).length, secretsOf(projects.targetId).length]).toEqual(before);
  });

  it("keeps its key when the answer to the request that stored it was lost, and the sweep looks for what may have been made", async () => {
    const { key, result } = await encrypted("lost answer");
    const before = secretsOf(projects.targetId).length;
    const match = { service: "key-manager", method: "POST", path: /\/secrets$/ } as const;
    const lost = projects.fake.faults.add({ match, action: { drop: "after" } });
    const restored = await projects.restore(result);
    expect(lost.hits).toBe(1);
    const kept = secretsOf(projects.targetId);
    expect(kept).toHaveLength(before + 1);
    const own = projects.fake.keys.secret(target(restored.targetId)?.encryptionKeyId ?? "");
    expect(Buffer.from(own?.payload ?? "").equals(key)).toBe(true);
    // The copy has its original's name for good: one that nobody takes for a thing to be tidied away.
    expect(own?.name).toMatch(/^permafrost-key-/);
  });

  it("is not made of a type that does not encrypt", async () => {
    const { result } = await encrypted("typed away");
    const options = { maps: { "volume-type": { luks: "fast" } } };
    await expect(projects.apply({ ...result, action: "create" }, options)).rejects.toMatchObject({
      code: "CONFLICT",
      message: "The volume type fast does not encrypt its volumes, and typed away was encrypted",
    });
    expect(projects.fake.read.volumes(projects.targetId).filter((v) => v.name === "typed away")).toEqual([]);
  });

  it("is not brought back as another thing than the secret that Cinder made for it", async () => {
    const { encryptionKeyId = "" } = seed("with a secret", { type: "luks" });
    const own = projects.fake.keys.addSecret({ projectId: projects.sourceId, name: "own", payload: Buffer.from("x") });
    const { found } = await projects.backup(["barbican.secret"]);
    expect(found.map((f) => f.id)).toContain(own.id);
    expect(found.map((f) => f.id)).not.toContain(encryptionKeyId);
  });
});

describe("a flag that only an action sets", () => {
  it("readonly, there and back", async () => {
    const { id } = seed("readonly", { readonly: true });
    const restored = await projects.restore(named(await projects.backup([`cinder.volume/${id}`]), "readonly"));
    expect(target(restored.targetId)?.readonly).toBe(true);
    expect((await projects.verify(restored)).mismatches).toEqual([]);
  });
});

describe("a temporary that vanishes", () => {
  it("is TEMPORARY_GONE, to be tried again", async () => {
    const { id } = seed("vanishing");
    const download = projects.fake.faults.add({
      match: { service: "image", method: "GET", path: /\/file$/ },
      action: {
        hook: () => {
          for (const image of projects.fake.read.images(projects.sourceId))
            if (image.name?.startsWith("permafrost-tmp-")) projects.fake.images.all.delete(image.id);
        },
      },
    });
    await expect(projects.backup([`cinder.volume/${id}`])).rejects.toMatchObject({ code: "TEMPORARY_GONE", retry: "later" });
    expect(download.hits).toBe(1);
    await projects.run("s0", { kind: "sweep", source: { cloud: "source" } });
  });
});

describe("verification sees", () => {
  let restored: Awaited<ReturnType<TwoProjects["restore"]>>;
  beforeAll(async () => {
    const { id } = seed("checked");
    restored = await projects.restore(named(await projects.backup([`cinder.volume/${id}`]), "checked"));
  });
  const tampered = async (change: (volume: NonNullable<ReturnType<typeof target>>) => void) => {
    const volume = target(restored.targetId);
    if (volume === undefined) throw new Error("no target");
    const saved = { ...volume, bytes: volume.bytes.clone() };
    change(volume);
    const { mismatches } = await projects.verify(restored);
    Object.assign(volume, saved);
    return mismatches;
  };

  it("nothing when nothing differs", async () => expect(await tampered(() => undefined)).toEqual([]));
  it("one wrong byte", async () =>
    expect(await tampered((v) => v.bytes.write(200_001, Buffer.of((v.bytes.read(200_001, 1)[0] ?? 0) ^ 1)))).toEqual([
      "data: first difference at byte 200001",
    ]));
  it("metadata lost, changed and more than there was", async () => {
    expect(await tampered((v) => void Object.assign(v, { metadata: {} }))).toEqual([expect.stringMatching(/^metadata: /)]);
    expect(await tampered((v) => void Object.assign(v, { metadata: { ...v.metadata, extra: "x" } }))).toEqual([
      expect.stringMatching(/^metadata: /),
    ]);
    expect(await tampered((v) => void Object.assign(v, { imageMetadata: { ...v.imageMetadata, hw_disk_bus: "ide" } }))).toEqual([
      expect.stringMatching(/^imageMetadata: .*virtio.*ide/),
    ]);
  });
  it("another name, description, size and bootable flag", async () => {
    expect(await tampered((v) => void Object.assign(v, { name: "x", description: "y", bootable: false }))).toEqual([
      "bootable: expected true, found false",
      expect.stringMatching(/^description: /),
      'name: expected "checked", found "x"',
    ]);
    expect(
      await tampered((v) => {
        v.size = 2;
        v.bytes.resize(2 * GIB_BYTES);
      }),
    ).toEqual(["sizeGiB: expected 1, found 2", `data: first difference at byte ${GIB_BYTES}`]);
  });
  it("a target that is gone, by an error that names it", async () => {
    const gone = { ...restored, targetId: "00000000-0000-4000-8000-000000000000" };
    await expect(projects.verify(gone)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
