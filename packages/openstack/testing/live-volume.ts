/** Cinder for real: volumes, snapshots, copies, upload to an image, quota. */

import { systemClock } from "@permafrost/std";
import type { Cloud } from "../src/index.ts";
import { check, code, same } from "./live-checks.ts";

export async function volumeChecks(cloud: Cloud): Promise<void> {
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
