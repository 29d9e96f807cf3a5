/**
 * cinder.volume: a volume's bytes and metadata.
 *
 * Freeze requests the snapshots of all volumes at once; capture turns a snapshot into a temporary volume, that into a
 * temporary image, and streams it, so the volume itself is never held. Restore goes the way back through a temporary image. A
 * volume snapshot is taken behind the guest's back: crash-consistent, and said to be so.
 */

import { type DiscoveredResource, EMPTY_STATS, type FrozenResource } from "@permafrost/model";
import type { Cloud } from "@permafrost/openstack";
import { CodedError, isoTime, mapPool, retry } from "@permafrost/std";
import { comparable, describe, mapped, targetSizeGiB, type VolumeDocument } from "./cinder-volume-document.ts";
import { groupIn, groupPart, leaveGroup } from "./cinder-volume-group.ts";
import { finishVolume, lostKey, makeVolume, withoutEncryption } from "./cinder-volume-restore.ts";
import { volumeTypeKey } from "./cinder-volume-type.ts";
import { mappedTypeName } from "./cinder-volume-type-choice.ts";
import { differenceOf } from "./cinder-volume-verify.ts";
import { fieldDifferences } from "./compare.ts";
import { readKey } from "./encryption-key.ts";
import { toFailureOf } from "./failure.ts";
import { ifThere } from "./if-there.ts";
import { TEMPORARY_PREFIX } from "./ledger.ts";
import { decideByName, restoredName } from "./name-conflict.ts";
import type {
  Captured,
  CaptureInput,
  Context,
  Found,
  PlanInput,
  Planned,
  PlanScope,
  ResourceType,
  Restored,
  RestoreInput,
  UndoInput,
  Verified,
  VerifyInput,
} from "./resource-type.ts";
import { TEMPORARY_SNAPSHOT, TEMPORARY_VOLUME } from "./temporaries.ts";
import { readVolume } from "./volume-transport.ts";

/** Without bytes worth keeping. In every other state a volume has some: whether they can be had now, Cinder says, and the session is `partial` if not. */
const EMPTY_STATUS = /^(creating|managing|error|error_managing|deleting|error_deleting|deleted)$/;
const GIB = 2 ** 30;
/** Volume snapshots requested at once. A service answers them one by one anyway; without a bound a large tenant would open a thousand connections. */
const REQUESTS_AT_ONCE = 64;

export const cinderVolume: ResourceType<VolumeDocument> = {
  type: "cinder.volume",

  async *discover({ cloud }: Context): AsyncIterable<Found> {
    for await (const volume of cloud.volume.listVolumes({})) {
      if (volume.name.startsWith(TEMPORARY_PREFIX)) continue;
      const hasData = !EMPTY_STATUS.test(volume.status);
      const warnings = hasData ? [] : [`The volume is ${volume.status}: only its metadata is backed up`];
      const { encryptionKeyId: keyId } = volume;
      const { key, why } = keyId === undefined ? { why: "Cinder does not name its key" } : await readKey(cloud, keyId);
      if (volume.encrypted && key === undefined)
        warnings.push(`The volume is encrypted and its bytes are backed up without the key, which alone can read them: ${why}`);
      yield {
        id: volume.id,
        name: volume.name,
        document: { ...describe(volume), ...(key === undefined ? {} : { key }), ...(keyId === undefined ? {} : { keyId }) },
        logicalBytes: hasData ? volume.sizeGiB * GIB : 0,
        captures: hasData,
        freezes: hasData,
        warnings,
      };
    }
  },

  async freeze(context: Context, resources: readonly DiscoveredResource[]): Promise<FrozenResource[]> {
    // All requests go out together: the window between the first and the last is what the session reports.
    return await mapPool(resources, REQUESTS_AT_ONCE, (r) => freezeOne(context, r));
  },

  async capture(context: Context, { resource, document, frozen, parent }: CaptureInput<VolumeDocument>): Promise<Captured> {
    const { ledger, signal } = context;
    // The key of an encrypted volume is copied for each object made of it, and only its own project may read it.
    const cloud = document.encrypted ? context.cloud : context.temporaryCloud;
    const snapshotId = frozen?.detail.snapshotId;
    if (snapshotId === undefined) throw new CodedError("ASSERTION", `Volume ${resource.id} was not frozen`);
    const before = parent?.streams.data;
    const written = await ledger.using(async () => {
      const volumeId = await ledger.obtain(TEMPORARY_VOLUME, resource.id, async (name) => {
        return (await cloud.volume.createVolume({ name, snapshotId, sizeGiB: document.sizeGiB })).id;
      });
      await cloud.volume.waitForVolume(volumeId, ["available"], { signal, sizeGiB: document.sizeGiB });
      const data = await context.writer.writeStream(
        readVolume({ cloud, ledger, signal }, volumeId, resource.id, document.sizeGiB),
        {
          chunking: "fixed",
          signal,
          onProgress: context.progress,
          ...(before === undefined ? {} : { parent: before }),
        },
      );
      await context.writer.finish();
      await ledger.release(TEMPORARY_VOLUME, resource.id, volumeId);
      return data;
    });
    // The snapshot stays until the sweep: should this worker die before its result is noted, the next begins again from it.
    const consistency = frozen?.detail.consistency === "quiesced" ? "quiesced" : "crash";
    return { streams: { data: written.root }, stats: written.stats, consistency, sourceHash: "none" };
  },

  quota: ({ sizeGiB }) => [
    { service: "block-storage", limit: "volumes", amount: 1 },
    { service: "block-storage", limit: "gigabytes", amount: sizeGiB },
    { service: "block-storage", limit: "per_volume_gigabytes", amount: sizeGiB, each: true },
  ],

  needs: ({ volumeType }) => (volumeType === "" ? [] : [volumeTypeKey(volumeType)]),

  async plan(context: Context, { resource, document, options }: PlanInput<VolumeDocument>, scope: PlanScope): Promise<Planned> {
    const { cloud } = context;
    const name = restoredName(document.name, resource, options);
    const type = mappedTypeName(options.maps, document.volumeType) ?? document.volumeType;
    const typeKey = volumeTypeKey(document.volumeType);
    const isTypeMade = scope.planned(typeKey)?.action === "create";
    const group = await groupPart(document, scope);
    const dependsOn = [...(isTypeMade ? [typeKey] : []), ...group.dependsOn];
    const zone = mapped(options.maps.zone, document.availabilityZone);
    const types = await cloud.volume.listTypes();
    if (type !== "" && !isTypeMade && !types.some((t) => t.name === type)) {
      return {
        action: "conflict",
        reason: `the target has no volume type ${type} (it has ${types.map((t) => t.name).join(", ")}): map it with --map volume-type:${document.volumeType}=NEW`,
        dependsOn: [],
      };
    }
    const zones = await cloud.volume.listAvailabilityZones();
    if (zone !== "" && !zones.some((z) => z.name === zone && z.available)) {
      return {
        action: "conflict",
        reason: `the target has no availability zone ${zone} (it has ${zones.map((z) => z.name).join(", ")}): map it with --map zone:${document.availabilityZone}=NEW`,
        dependsOn: [],
      };
    }
    const lost = await lostKey(cloud, document);
    if (lost !== undefined && resource.streams.data !== undefined) return { action: "conflict", reason: lost, dependsOn: [] };
    const existing: string[] = [];
    if (name !== "") for await (const volume of cloud.volume.listVolumes({ name })) existing.push(volume.id);
    const sizeGiB = targetSizeGiB(document, resource.streams.data);
    const grown = `The volume becomes ${sizeGiB} GiB instead of ${document.sizeGiB}: with its encryption header it fits into no less`;
    const empty = resource.streams.data === undefined ? ["The backup has no data of this volume: it is created empty"] : [];
    const warnings = [...empty, ...group.warnings];
    return {
      ...decideByName("volume", name, existing, options.onConflict, context.sessionId),
      dependsOn,
      warnings: sizeGiB === document.sizeGiB ? warnings : [...warnings, grown],
    };
  },

  async restore(context: Context, input: RestoreInput<VolumeDocument>): Promise<Restored> {
    const { resource, document } = input;
    if (resource.action === "reuse" && resource.targetId !== undefined)
      return { targetId: resource.targetId, stats: EMPTY_STATS };
    const { cloud, ledger, signal } = context;
    const data = resource.streams.data;
    const noted = await context.journal.find("cinder.volume", resource.id);
    const done = noted === undefined ? undefined : await ifThere(cloud.volume.getVolume(noted));
    const volumeId = done?.id ?? (await ledger.using(() => makeVolume(context, input)));
    const volume = await cloud.volume.waitForVolume(volumeId, ["available"], { signal, sizeGiB: document.sizeGiB });
    if (document.encrypted && !volume.encrypted) throw await withoutEncryption(context, volume, document);
    await context.journal.note("cinder.volume", resource.id, volume.id);
    await finishVolume(context, volume, document);
    return { targetId: volume.id, stats: { ...EMPTY_STATS, logicalBytes: data?.sizeBytes ?? 0 } };
  },

  async verify(
    context: Context,
    { resource, document, options, targets, targetId, level }: VerifyInput<VolumeDocument>,
  ): Promise<Verified> {
    const { cloud, ledger } = context;
    const volume = await cloud.volume.getVolume(targetId);
    const expected = comparable({
      ...document,
      name: restoredName(document.name, resource, options),
      sizeGiB: targetSizeGiB(document, resource.streams.data),
      volumeType: mappedTypeName(options.maps, document.volumeType) ?? document.volumeType,
      availabilityZone: mapped(options.maps.zone, document.availabilityZone),
    });
    const mismatches = fieldDifferences(expected, comparable(describe(volume)));
    const groupId = groupIn(targets, document);
    if (resource.action === "create") mismatches.push(...fieldDifferences({ groupId }, { groupId: volume.groupId }));
    const data = resource.streams.data;
    // Cinder keeps no hash of a volume: only reading it back proves its bytes.
    if (level !== "data" || data === undefined) return { level: level === "data" ? "data" : "metadata", mismatches };
    const differs = await ledger.using(() =>
      differenceOf(context, { volumeId: targetId, sizeGiB: volume.sizeGiB, encrypted: document.encrypted, data }),
    );
    if (differs !== undefined) mismatches.push(`data: first difference at byte ${differs}`);
    return { level: "data", mismatches };
  },

  async undo({ cloud, signal }: Context, { targetId }: UndoInput<VolumeDocument>): Promise<void> {
    if ((await ifThere(cloud.volume.getVolume(targetId))) === undefined) return;
    await leaveGroup(cloud, targetId, signal);
    await cloud.volume.deleteVolume(targetId);
    await cloud.volume.waitForVolumeGone(targetId, { signal });
  },

  async find(cloud: Cloud, nameOrId: string): Promise<{ id: string; name: string }[]> {
    const byId = await ifThere(cloud.volume.getVolume(nameOrId));
    const found = byId === undefined ? await Array.fromAsync(cloud.volume.listVolumes({ name: nameOrId })) : [byId];
    return found.map(({ id, name }) => ({ id, name }));
  },

  coverage: {
    captured: [
      ...["name", "description", "size", "volume_type", "availability_zone", "bootable", "encrypted", "multiattach"],
      ...["metadata", "volume_image_metadata", "group_id", "data", "the encryption key, sealed"],
    ],
    restored: [
      ...["name", "description", "size", "volume_type", "availability_zone", "bootable", "metadata", "volume_image_metadata"],
      ...["readonly", "group_id", "data", "the encryption key, by an image that names it"],
    ],
    roles: { capture: "member", restore: "member" },
    reported: {
      "encryption key":
        "one that the credentials may not read is not captured: the volume is then a conflict where the target lacks it",
    },
  },
};

async function freezeOne(context: Context, resource: DiscoveredResource): Promise<FrozenResource> {
  const { temporaryCloud: cloud, ledger, clock, signal } = context;
  const key = { type: resource.type, id: resource.id };
  let [requestedAt, acknowledgedAt] = ["", ""];
  try {
    const request = () =>
      ledger.obtain(TEMPORARY_SNAPSHOT, resource.id, async (name) => {
        requestedAt = isoTime(clock.now());
        const made = await cloud.volume.createSnapshot({ volumeId: resource.id, name, force: true });
        acknowledgedAt = isoTime(clock.now());
        return made.id;
      });
    // One volume's hiccup must not cost it the session: the task as a whole is not run again when one of its volumes fails.
    const snapshotId = await retry(request, { attemptsMax: 3, delayMs: 1_000, delayMsMax: 4_000, clock, signal });
    const snapshot = await cloud.volume.waitForSnapshot(snapshotId, ["available"], {
      signal,
      sizeGiB: Math.ceil(resource.logicalBytes / GIB),
    });
    // Adopted from an attempt that died: what it noted of its times died with it, the cloud's own remain.
    const createdAt = snapshot.createdAt;
    return {
      ...key,
      detail: { snapshotId },
      requestedAt: requestedAt || createdAt,
      acknowledgedAt: acknowledgedAt || createdAt,
      createdAt,
    };
  } catch (error) {
    signal.throwIfAborted();
    return {
      ...key,
      detail: {},
      requestedAt,
      acknowledgedAt,
      createdAt: "",
      failure: toFailureOf(error, { volume: resource.id }),
    };
  }
}
