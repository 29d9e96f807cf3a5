/**
 * Points in time of servers. One that is booted from an image: an image of its root disk is requested; its further volumes are Cinder's to
 * freeze. One that is booted from a volume: the one `createImage` that snapshots every attached volume, whose volume snapshots are
 * then the frozen points of those volumes.
 *
 * Image and volume snapshots are in the ledger before the request: the image under its own name, the volume snapshots under the name that
 * Nova makes of it. Interleavings: death or silence at any point (the image is found by its name and adopted; volume snapshots without
 * an image are left to the sweep), and a zombie's request that comes late (the sweep finds its image and volume snapshots, too).
 */

import type { DiscoveredResource, FrozenResource } from "@permafrost/model";
import { type Image, snapshotNameOf } from "@permafrost/openstack";
import { CodedError, isoTime, type JsonObject, mapPool, retry } from "@permafrost/std";
import { toFailureOf } from "./failure.ts";
import type { TemporaryKind } from "./ledger.ts";
import { type BlockDevice, isVolumeBacked, type ServerDocument } from "./nova-server-document.ts";
import type { Context, FreezeScope, TemporaryContext } from "./resource-type.ts";
import { TEMPORARY_IMAGE, TEMPORARY_SNAPSHOT, temporaryKinds } from "./temporaries.ts";

export const SERVER_SNAPSHOTS = "nova.snapshots";

/** Nova answers when it has asked for all volume snapshots: each request keeps one of its workers for seconds. */
const REQUESTS_AT_ONCE = 16;
const VOLUME = "cinder.volume";

interface Requested {
  readonly imageId: string;
  /** Empty if an earlier attempt asked. */
  readonly requestedAt: string;
  readonly acknowledgedAt: string;
}

export async function freezeServers(
  context: Context,
  resources: readonly DiscoveredResource[],
  scope: FreezeScope,
): Promise<FrozenResource[]> {
  const volumes = new Set(scope.resources.filter((r) => r.type === VOLUME).map((r) => r.id));
  return (await mapPool(resources, REQUESTS_AT_ONCE, (r) => freezeServer(context, r, volumes))).flat();
}

/** The image of a server that this session needs: adopted, or asked for. Also when a capture finds that there is none any more. */
export async function obtainImage(context: Context, serverId: string): Promise<Requested> {
  const { temporaryCloud: cloud, ledger, clock } = context;
  let [requestedAt, acknowledgedAt] = ["", ""];
  const imageId = await ledger.obtain(TEMPORARY_IMAGE, serverId, async (name) => {
    requestedAt = isoTime(clock.now());
    const made = await cloud.compute.createServerImage(serverId, name);
    acknowledgedAt = isoTime(clock.now());
    return made.imageId;
  });
  return { imageId, requestedAt, acknowledgedAt };
}

async function freezeServer(
  context: Context,
  resource: DiscoveredResource,
  volumes: ReadonlySet<string>,
): Promise<FrozenResource[]> {
  const { clock, signal, ledger, temporaryCloud: cloud } = context;
  const key = { type: resource.type, id: resource.id };
  try {
    const document = (await context.reader.readDocument(resource.document)) as unknown as ServerDocument;
    const onVolumes = isVolumeBacked(document.server);
    // Without its volumes in the backup there is nothing to freeze.
    if (onVolumes && !document.attachments.some((a) => volumes.has(String(a.volumeId)))) return [];
    if (onVolumes) await ledger.expect(SERVER_SNAPSHOTS, resource.id, { imageName: ledger.nameOf(TEMPORARY_IMAGE, resource.id) });
    // CONFLICT: something else is going on with the server at this moment, perhaps the request of a worker that died.
    const requested = await retry(() => obtainImage(context, resource.id), {
      attemptsMax: 5,
      delayMs: 2_000,
      delayMsMax: 10_000,
      shouldRetry: (e) => CodedError.is(e, "CONFLICT") || (CodedError.is(e) && e.retry === "later"),
      clock,
      signal,
    });
    // Its bytes may take long to come: only an image without bytes is complete at once.
    const image = onVolumes
      ? await cloud.image.waitFor(requested.imageId, ["active"], { signal })
      : await cloud.image.get(requested.imageId);
    const times = (createdAt: string) => ({
      requestedAt: requested.requestedAt || createdAt,
      acknowledgedAt: requested.acknowledgedAt || createdAt,
      createdAt,
    });
    const consistency = onVolumes && isQuiesced(document, image) ? "quiesced" : "crash";
    const frozen: FrozenResource[] = [];
    const devices: BlockDevice[] = [];
    for (const device of onVolumes ? mappingOf(image) : []) {
      const { snapshot, failure } = await snapshotOf(context, String(device.snapshot_id));
      if (snapshot === undefined || !volumes.has(snapshot.volumeId)) continue;
      devices.push(blockDevice(device, snapshot.volumeId));
      frozen.push({
        type: VOLUME,
        id: snapshot.volumeId,
        detail: { snapshotId: snapshot.id, consistency },
        ...times(snapshot.createdAt),
        ...(failure === undefined ? {} : { failure }),
      });
    }
    const detail = { imageId: image.id, consistency, devices: JSON.stringify(devices) };
    return [{ ...key, detail, ...times(image.createdAt) }, ...frozen];
  } catch (error) {
    signal.throwIfAborted();
    const failure = toFailureOf(error, { server: resource.id });
    return [{ ...key, detail: {}, requestedAt: "", acknowledgedAt: "", createdAt: "", failure }];
  }
}

/** With `os_require_quiesce` Nova refuses the image of a running server whose guest agent does not freeze its file systems; without, it may not even try. */
function isQuiesced({ server }: ServerDocument, { properties }: Image): boolean {
  const isTrue = (text: string | undefined) => /^(1|t|true|on|y|yes)$/i.test(text ?? "");
  return server.status === "ACTIVE" && isTrue(properties.os_require_quiesce) && isTrue(properties.hw_qemu_guest_agent);
}

/** The volume snapshots that an image of a volume-backed server names. */
function mappingOf(image: Image): JsonObject[] {
  const mapping = JSON.parse(image.properties.block_device_mapping ?? "[]") as JsonObject[];
  return mapping.filter((d) => typeof d.snapshot_id === "string" && d.snapshot_id !== "");
}

function blockDevice(device: JsonObject, volumeId: string): BlockDevice {
  const { snapshot_id, boot_index, disk_bus, device_type } = device;
  return {
    volumeId,
    snapshotId: String(snapshot_id),
    bootIndex: typeof boot_index === "number" ? boot_index : -1,
    diskBus: typeof disk_bus === "string" ? disk_bus : "",
    deviceType: typeof device_type === "string" ? device_type : "",
  };
}

/** One volume's snapshot that failed fails that volume, not the server. */
async function snapshotOf({ temporaryCloud: cloud, signal }: Context, id: string) {
  const snapshot = await cloud.volume.getSnapshot(id);
  try {
    return { snapshot: await cloud.volume.waitForSnapshot(id, ["available"], { signal, sizeGiB: snapshot.sizeGiB }) };
  } catch (error) {
    signal.throwIfAborted();
    return { snapshot, failure: toFailureOf(error, { volume: snapshot.volumeId }) };
  }
}

/** The volume snapshots of a server's image: Nova names them after it. */
export function serverSnapshots({ cloud, clock, signal }: TemporaryContext): TemporaryKind {
  const plain = temporaryKinds(cloud, clock, signal).find((k) => k.kind === TEMPORARY_SNAPSHOT);
  if (plain === undefined) throw new CodedError("ASSERTION", `No temporary kind ${TEMPORARY_SNAPSHOT}`);
  return {
    ...plain,
    kind: SERVER_SNAPSHOTS,
    find: (_name, detail) => plain.find(snapshotNameOf((detail as { imageName: string }).imageName), undefined),
  };
}
