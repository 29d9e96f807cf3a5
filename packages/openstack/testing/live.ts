/**
 * Every call of this package against a real cloud, run by hand:
 *
 *   OS_CLIENT_CONFIG_FILE=…/clouds.yaml node packages/openstack/testing/live.ts lab-admin
 *
 * Needs an administrator. Makes a project `os-client-test` and objects named `os-client-…` in it, and removes them. Prints one line
 * per check; the exit status is the number of checks that failed.
 */

import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { CodedError, systemClock, systemRandom } from "@permafrost/std";
import { type Cloud, loadCloud, openCloud } from "../src/index.ts";

const PROJECT = "os-client-test";
const MIB = 2 ** 20;
const env = process.env;
const parts = { clock: systemClock, random: systemRandom };
let failures = 0;

async function check(what: string, work: () => Promise<unknown>): Promise<void> {
  const startMs = systemClock.monotonic();
  try {
    const result = await work();
    console.log(
      `ok    ${what} (${Math.round(systemClock.monotonic() - startMs)} ms)${result === undefined ? "" : `: ${String(result)}`}`,
    );
  } catch (error) {
    failures++;
    const coded = CodedError.from(error);
    console.log(`FAIL  ${what}: ${coded.code} ${coded.message} ${JSON.stringify(coded.facts)}`);
    if (coded.code === "INTERNAL") console.log(error);
  }
}

function same(found: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(found, expected))
    throw new CodedError("ASSERTION", `${what}: ${JSON.stringify(found)} is not ${JSON.stringify(expected)}`);
}

async function code(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "none";
  } catch (error) {
    return CodedError.from(error).code;
  }
}

async function read(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(body, (chunk) => Buffer.from(chunk)));
}

async function* inParts(bytes: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function noise(length: number): Buffer {
  return Buffer.from(systemRandom.bytes(length));
}

async function identity(admin: Cloud): Promise<void> {
  const config = await loadCloud("lab-admin", { env });
  await check("whoAmI", async () => {
    const me = await admin.identity.whoAmI();
    same([me.user.name, me.project?.name, me.isAdmin], ["admin", "admin", true], "user");
    return `${me.catalog.length} services, expires ${me.expiresAt}`;
  });
  await check("wrong password is AUTH_FAILED", async () => {
    if (config.credential.kind !== "password") return;
    const wrong = { ...config, credential: { ...config.credential, password: "wrong" } };
    same(await code(() => openCloud(wrong, parts)), "AUTH_FAILED", "code");
  });
  await check("unknown project is PROJECT_UNKNOWN", async () => {
    same(await code(() => openCloud(config, { ...parts, project: "os-client-nowhere" })), "PROJECT_UNKNOWN", "code");
  });
  await check("token credential", async () => {
    const id = (await admin.service("identity").send({ method: "GET", path: "/auth/projects", expect: [200] })).status;
    same(id, 200, "status");
  });
  await check("own projects and all projects", async () => {
    const own = await Array.fromAsync(admin.identity.ownProjects(), (p) => p.name);
    const all = await Array.fromAsync(admin.identity.listProjects(), (p) => p.name);
    same([own.includes("admin"), all.includes("service") || all.length >= own.length], [true, true], "projects");
    return `${own.length} of ${all.length}`;
  });
}

async function images(cloud: Cloud): Promise<void> {
  const bytes = noise(5 * MIB + 17);
  const sha512 = createHash("sha512").update(bytes).digest("hex");
  let id = "";
  await check("image create", async () => {
    const image = await cloud.image.create({
      name: "os-client-image",
      visibility: "private",
      diskFormat: "raw",
      containerFormat: "bare",
      minDiskGiB: 1,
      minRamMiB: 64,
      tags: ["os-client-tag"],
      properties: { os_client_mark: "x/y ü", hw_disk_bus: "virtio" },
    });
    id = image.id;
    same(
      [image.status, image.minDiskGiB, image.properties.os_client_mark, image.ownerId],
      ["queued", 1, "x/y ü", cloud.projectId],
      "image",
    );
  });
  await check("a source that fails", async () => {
    const discarded = (await cloud.image.create({ name: "os-client-broken", diskFormat: "raw", containerFormat: "bare" })).id;
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, MIB);
      throw new CodedError("SOURCE_BROKE", "the source broke");
    }
    same(await code(() => cloud.image.upload(discarded, broken(), { sizeBytes: bytes.length })), "SOURCE_BROKE", "code");
    // Glance may still be busy with the broken one, or keep what came as a whole image: such an image is thrown away.
    await cloud.image.delete(discarded);
  });
  await check("image upload with hash", async () => {
    const image = await cloud.image.upload(id, inParts(bytes), { sizeBytes: bytes.length, verifyHash: true });
    same(
      [image.status, image.sizeBytes, image.hashAlgorithm, image.hashValue],
      ["active", bytes.length, "sha512", sha512],
      "image",
    );
  });
  await check("second upload is CONFLICT", async () =>
    same(await code(() => cloud.image.upload(id, inParts(bytes), {})), "CONFLICT", "code"),
  );
  await check("image download with hash", async () => {
    const body = cloud.image.download(id, { sizeBytes: bytes.length, hash: { algorithm: "sha512", value: sha512 } });
    same((await read(body)).equals(bytes), true, "bytes");
  });
  await check("image download, wrong size and wrong hash", async () => {
    same(await code(() => read(cloud.image.download(id, { sizeBytes: 1 }))), "SOURCE_CHANGED", "size");
    same(
      await code(() => read(cloud.image.download(id, { hash: { algorithm: "sha512", value: "00" } }))),
      "HASH_MISMATCH",
      "hash",
    );
  });
  await check("image range", async () => {
    const body = cloud.image.download(id, { sizeBytes: bytes.length, range: { start: MIB, end: 2 * MIB + 3 } });
    same((await read(body)).equals(bytes.subarray(MIB, 2 * MIB + 3)), true, "bytes");
    const last = cloud.image.download(id, { sizeBytes: bytes.length, range: { start: 5 * MIB, end: bytes.length } });
    same((await read(last)).equals(bytes.subarray(5 * MIB)), true, "last bytes");
  });
  await check("image list by owner, name, property", async () => {
    const found = await Array.fromAsync(
      cloud.image.list({ owner: cloud.projectId, name: "os-client-image", properties: { os_client_mark: "x/y ü" } }),
      (i) => i.id,
    );
    same(found, [id], "ids");
    same((await Array.fromAsync(cloud.image.list({ owner: cloud.projectId, name: "os-client-other" }))).length, 0, "others");
  });
  await check("image update, hidden, protected, remove property, list hidden", async () => {
    const image = await cloud.image.update(id, {
      hidden: true,
      protected: true,
      properties: { "os_client/a~b": "1" },
      removeProperties: ["hw_disk_bus"],
      visibility: "shared",
    });
    same(
      [image.hidden, image.protected, image.properties],
      [true, true, { os_client_mark: "x/y ü", "os_client/a~b": "1" }],
      "image",
    );
    same(await Array.fromAsync(cloud.image.list({ owner: cloud.projectId }), (i) => i.id), [id], "hidden is listed");
  });
  await check("protected image cannot be deleted", async () =>
    same(await code(() => cloud.image.delete(id)), "FORBIDDEN", "code"),
  );
  await check("members", async () => {
    const other = await cloud.identity.findProject("admin");
    same(await cloud.image.addMember(id, other.id), { memberId: other.id, status: "pending" }, "member");
    same(await code(() => cloud.image.addMember(id, other.id)), "CONFLICT", "again");
    same(await cloud.image.members(id), [{ memberId: other.id, status: "pending" }], "members");
    same((await cloud.image.setMemberStatus(id, other.id, "accepted")).status, "accepted", "status");
    await cloud.image.removeMember(id, other.id);
    await cloud.image.removeMember(id, other.id);
  });
  await check("tags and deactivation", async () => {
    await cloud.image.addTag(id, "os client ü/2");
    await cloud.image.removeTag(id, "os-client-tag");
    await cloud.image.deactivate(id);
    same((await cloud.image.get(id)).status, "deactivated", "status");
    await cloud.image.reactivate(id);
    same((await cloud.image.get(id)).tags, ["os client ü/2"], "tags");
  });
  await check("reserved property is FORBIDDEN", async () =>
    same(await code(() => cloud.image.create({ name: "os-client-bad", properties: { os_glance_x: "1" } })), "FORBIDDEN", "code"),
  );
  await check("image delete, twice, gone", async () => {
    await cloud.image.update(id, { protected: false });
    await cloud.image.delete(id);
    await cloud.image.delete(id);
    await cloud.image.waitForGone(id);
    same(await code(() => cloud.image.get(id)), "NOT_FOUND", "get");
  });
  await check("queued image has no data", async () => {
    const empty = await cloud.image.create({ name: "os-client-empty", diskFormat: "raw", containerFormat: "bare" });
    const got = await code(() => read(cloud.image.download(empty.id)));
    await cloud.image.delete(empty.id);
    return got;
  });
}

async function volumes(cloud: Cloud): Promise<void> {
  const gone: (() => Promise<void>)[] = [];
  await check("microversion", async () => same(await cloud.volume.client.microversion(), "3.70", "version"));
  await check("types, zones, quotas, limits", async () => {
    const types = await cloud.volume.listTypes();
    const zones = await cloud.volume.listAvailabilityZones();
    const quotas = await cloud.volume.getQuotas(cloud.projectId);
    const limits = await cloud.volume.getLimits();
    same(
      [types.some((t) => t.name === "standard"), zones[0]?.available, quotas.volumes?.inUse, typeof limits.maxTotalVolumes],
      [true, true, 0, "number"],
      "offers",
    );
    return types.map((t) => t.name).join(",");
  });
  let volumeId = "";
  await check("volume create and wait", async () => {
    const made = await cloud.volume.createVolume({
      name: "os-client-volume",
      description: "d",
      sizeGiB: 1,
      volumeType: "standard",
      metadata: { os_client: "ü x" },
    });
    volumeId = made.id;
    gone.push(() => removeVolume(cloud, volumeId));
    const volume = await cloud.volume.waitForVolume(volumeId, ["available"], { sizeGiB: 1 });
    same(
      [volume.sizeGiB, volume.volumeType, volume.bootable, volume.metadata.os_client],
      [1, "standard", false, "ü x"],
      "volume",
    );
  });
  await check("volume list by name and metadata", async () => {
    same(await Array.fromAsync(cloud.volume.listVolumes({ name: "os-client-volume" }), (v) => v.id), [volumeId], "name");
    same(
      await Array.fromAsync(cloud.volume.listVolumes({ metadata: { os_client: "ü x" } }), (v) => v.id),
      [volumeId],
      "metadata",
    );
    same((await Array.fromAsync(cloud.volume.listVolumes({ metadata: { os_client: "no" } }))).length, 0, "none");
  });
  await check("update, metadata, image metadata, bootable, readonly", async () => {
    await cloud.volume.updateVolume(volumeId, { description: "e" });
    await cloud.volume.updateMetadata(volumeId, { a: "1" });
    await cloud.volume.deleteMetadata(volumeId, "os_client");
    await cloud.volume.deleteMetadata(volumeId, "os_client");
    await cloud.volume.setImageMetadata(volumeId, { hw_disk_bus: "scsi", os_type: "linux" });
    await cloud.volume.deleteImageMetadata(volumeId, "os_type");
    await cloud.volume.deleteImageMetadata(volumeId, "os_type");
    await cloud.volume.setBootable(volumeId, true);
    await cloud.volume.setReadonly(volumeId, true);
    const volume = await cloud.volume.getVolume(volumeId);
    same(
      [volume.description, volume.bootable, volume.imageMetadata, volume.metadata.a],
      ["e", true, { hw_disk_bus: "scsi" }, "1"],
      "volume",
    );
  });
  let snapshotId = "";
  await check("snapshot create, list, wait", async () => {
    const made = await cloud.volume.createSnapshot({
      volumeId,
      name: "os-client-snapshot",
      force: true,
      metadata: { os_client: "s" },
    });
    snapshotId = made.id;
    gone.unshift(async () => {
      await cloud.volume.deleteSnapshot(snapshotId);
      await cloud.volume.waitForSnapshotGone(snapshotId);
    });
    const snapshot = await cloud.volume.waitForSnapshot(snapshotId, ["available"]);
    same(
      await Array.fromAsync(cloud.volume.listSnapshots({ metadata: { os_client: "s" } }), (s) => s.id),
      [snapshotId],
      "metadata",
    );
    same(await Array.fromAsync(cloud.volume.listSnapshots({ name: "os-client-snapshot" }), (s) => s.id), [snapshotId], "name");
    return snapshot.createdAt;
  });
  let copyId = "";
  await check("volume from snapshot", async () => {
    copyId = (await cloud.volume.createVolume({ name: "os-client-copy", sizeGiB: 1, snapshotId })).id;
    gone.unshift(() => removeVolume(cloud, copyId));
    await cloud.volume.waitForVolume(copyId, ["available"], { sizeGiB: 1 });
  });
  await check("volume to image, download", async () => {
    const { imageId } = await cloud.volume.uploadToImage(copyId, { imageName: "os-client-upload", force: false });
    gone.unshift(() => cloud.image.delete(imageId));
    const image = await cloud.image.waitFor(imageId, ["active"], { sizeBytes: 2 ** 30 });
    let zeros = true;
    let length = 0;
    const startMs = systemClock.monotonic();
    for await (const chunk of cloud.image.download(imageId, { sizeBytes: image.sizeBytes })) {
      length += chunk.length;
      zeros &&= chunk[0] === 0;
    }
    same([length, zeros], [2 ** 30, true], "bytes");
    await cloud.volume.waitForVolume(copyId, ["available"]);
    return `${Math.round(1024 / ((systemClock.monotonic() - startMs) / 1000))} MiB/s`;
  });
  await check("QUOTA_EXCEEDED", async () =>
    same(await code(() => cloud.volume.createVolume({ name: "os-client-huge", sizeGiB: 900_000 })), "QUOTA_EXCEEDED", "code"),
  );
  await check("snapshot under a volume: delete of the volume is refused", async () =>
    same(await code(() => cloud.volume.deleteVolume(volumeId)), "CLOUD_HTTP", "code"),
  );
  await check("clean", async () => {
    for (const remove of gone) await remove();
    same(await Array.fromAsync(cloud.volume.listVolumes(), (v) => v.name), [], "volumes");
  });
}

async function removeVolume(cloud: Cloud, id: string): Promise<void> {
  await cloud.volume.deleteVolume(id);
  await cloud.volume.waitForVolumeGone(id);
}

async function objects(cloud: Cloud): Promise<void> {
  const container = "os-client container ü";
  const swift = cloud.object;
  const plain = noise(3 * MIB);
  const md5 = createHash("md5").update(plain).digest("hex");
  await check("account and info", async () => {
    const info = await swift.info();
    const account = await swift.headAccount();
    same([info.policies.includes("gold"), account.containers], [true, 0], "info");
    await swift.postAccount({ "x-account-meta-os-client": "1" });
    return `${info.policies.join(",")}; ${info.features.size} features`;
  });
  await check("container put, post, head", async () => {
    await swift.putContainer(container, { "x-container-meta-a": "ü", "x-storage-policy": "silver" });
    await swift.postContainer(container, { "x-container-meta-b": "2", "x-container-read": ".r:*" });
    const head = await swift.headContainer(container);
    same(
      [head.storagePolicy, head.headers["x-container-meta-a"], head.headers["x-container-meta-b"], head.objects],
      ["silver", "ü", "2", 0],
      "head",
    );
    same(await Array.fromAsync(swift.listContainers(), (c) => c.name), [container], "list");
  });
  const names = [
    "a/b/c.txt",
    "with space ",
    "ü/漢字",
    "per%cent?q#h&",
    "dots/../up",
    "dots/./here",
    "tra//iling/",
    "plus+semi;colon",
  ];
  await check("objects of all names", async () => {
    for (const name of names)
      await swift.putObject(container, name, Buffer.from(name, "utf8"), { headers: { "x-object-meta-title": "Grüße 漢" } });
    for (const name of names) {
      const got = await swift.getObject(container, name);
      same((await read(got.body)).toString("utf8"), name, "body");
      same(got.headers["x-object-meta-title"], "Grüße 漢", "meta");
    }
    const listed = await Array.fromAsync(swift.listObjects(container), (o) => o.name);
    same([...listed].sort(), [...names].sort(), "names");
  });
  await check("streamed put with etag, 422, chunked", async () => {
    same(
      (
        await swift.putObject(container, "plain", inParts(plain), {
          sizeBytes: plain.length,
          etag: md5,
          headers: { "content-type": "text/x-a" },
        })
      ).etag,
      md5,
      "etag",
    );
    same(
      await code(() => swift.putObject(container, "wrong", inParts(plain), { sizeBytes: plain.length, etag: "0".repeat(32) })),
      "HASH_MISMATCH",
      "422",
    );
    same(await code(() => swift.headObject(container, "wrong")), "NOT_FOUND", "nothing stored");
    same((await swift.putObject(container, "chunked", inParts(plain))).etag, md5, "chunked");
    const row = (await Array.fromAsync(swift.listObjects(container, { prefix: "plain" })))[0];
    same([row?.etag, row?.sizeBytes, row?.contentType], [md5, plain.length, "text/x-a"], "row");
  });
  await check("a source that fails stores nothing", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield plain.subarray(0, MIB);
      throw new CodedError("SOURCE_BROKE", "the source broke");
    }
    same(await code(() => swift.putObject(container, "half", broken(), { sizeBytes: plain.length })), "SOURCE_BROKE", "length");
    same(await code(() => swift.putObject(container, "half2", broken())), "SOURCE_BROKE", "chunked");
    same(
      [await code(() => swift.headObject(container, "half")), await code(() => swift.headObject(container, "half2"))],
      ["NOT_FOUND", "NOT_FOUND"],
      "stored",
    );
  });
  await check("get with range and etag", async () => {
    const got = await swift.getObject(container, "plain", { range: { start: 5, end: 1005 }, etag: md5 });
    same((await read(got.body)).equals(plain.subarray(5, 1005)), true, "range");
    same(await code(() => swift.getObject(container, "plain", { etag: "1".repeat(32) })), "SOURCE_CHANGED", "other version");
  });
  await check("static large object", async () => {
    const segments = ["s1", "s2"].map((name) => ({ name, bytes: noise(MIB + 5) }));
    for (const { name, bytes } of segments) await swift.putObject(container, name, bytes);
    const manifest = segments.map(({ name, bytes }) => ({
      path: `/${container}/${name}`,
      size_bytes: bytes.length,
      etag: createHash("md5").update(bytes).digest("hex"),
    }));
    await swift.putManifest(container, "slo", Buffer.from(JSON.stringify(manifest)), {
      "content-type": "video/x",
      "x-object-meta-k": "v",
    });
    const head = await swift.headObject(container, "slo");
    same(
      [head["x-static-large-object"], head["content-length"], head["content-type"], head["x-object-meta-k"]],
      ["True", String(2 * (MIB + 5)), "video/x", "v"],
      "head",
    );
    const whole = await swift.getObject(container, "slo");
    same((await read(whole.body)).equals(Buffer.concat(segments.map((s) => s.bytes))), true, "bytes");
    const raw = await swift.getObject(container, "slo", { query: { "multipart-manifest": "get", format: "raw" } });
    const text = await read(raw.body);
    same(JSON.parse(text.toString()).length, 2, "raw manifest");
    await swift.putManifest(container, "slo2", text);
    const row = (await Array.fromAsync(swift.listObjects(container, { prefix: "slo" })))[0];
    await read((await swift.getObject(container, "plain", { query: { "multipart-manifest": "get", format: "raw" } })).body);
    same(
      await code(() => swift.putManifest(container, "bad", Buffer.from(JSON.stringify([{ path: `/${container}/nothere` }])))),
      "CLOUD_HTTP",
      "missing segment",
    );
    return `listing etag ${row?.etag}, slo_etag ${row?.sloEtag}, GET etag ${whole.etag}, raw etag ${raw.etag}`;
  });
  await check("dynamic large object", async () => {
    await swift.putObject(container, "part-1", plain.subarray(0, 1000));
    await swift.putObject(container, "part-2", plain.subarray(1000, 2000));
    await swift.putObject(container, "dlo", Buffer.alloc(0), {
      headers: { "x-object-manifest": `${encodeURIComponent(container)}/part-` },
    });
    const got = await swift.getObject(container, "dlo");
    same((await read(got.body)).equals(plain.subarray(0, 2000)), true, "bytes");
    const own = await swift.getObject(container, "dlo", { query: { "multipart-manifest": "get" } });
    same([(await read(own.body)).length, own.headers["x-object-manifest"] !== undefined], [0, true], "manifest");
  });
  await check("post, delete, container not empty", async () => {
    await swift.postObject(container, "plain", { "x-object-meta-z": "1", "x-delete-after": "3600" });
    same((await swift.headObject(container, "plain"))["x-object-meta-z"], "1", "meta");
    same(await code(() => swift.deleteContainer(container)), "CONFLICT", "not empty");
    for await (const { name } of swift.listObjects(container)) await swift.deleteObject(container, name);
    await swift.deleteObject(container, "plain");
    await swift.deleteContainer(container);
    await swift.deleteContainer(container);
    same((await Array.fromAsync(swift.listContainers())).length, 0, "containers");
  });
}

const name = process.argv[2] ?? "lab-admin";
const only = process.argv[3];
const config = await loadCloud(name, { env });
const admin = await openCloud(config, parts);
const me = await admin.identity.whoAmI();
const project =
  (await Array.fromAsync(admin.identity.listProjects({ name: PROJECT })))[0] ??
  (await admin.identity.createProject({ name: PROJECT, domainId: me.project?.domain.id ?? "default" }));
const role = await admin.identity.findRole("admin");
if (role === undefined) throw new CodedError("ASSERTION", "there is no role admin");
await admin.identity.grantProjectRole(project.id, me.user.id, role.id);
const cloud = await openCloud(config, { ...parts, project: PROJECT });
try {
  if (only === undefined || only === "identity") await identity(admin);
  if (only === undefined || only === "image") await images(cloud);
  if (only === undefined || only === "volume") await volumes(cloud);
  if (only === undefined || only === "object") await objects(cloud);
} finally {
  await cloud.close();
  await admin.identity.revokeProjectRole(project.id, me.user.id, role.id);
  await admin.identity.deleteProject(project.id);
  await admin.close();
}
process.exitCode = failures;
