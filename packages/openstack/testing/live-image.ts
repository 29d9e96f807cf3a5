/** Glance for real: metadata, data whole, in part and broken, members, tags, states. */

import { createHash } from "node:crypto";
import { CodedError } from "@permafrost/std";
import type { Cloud } from "../src/index.ts";
import { check, code, inParts, MIB, noise, read, same } from "./live-checks.ts";

export async function imageChecks(cloud: Cloud): Promise<void> {
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
