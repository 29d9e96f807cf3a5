/**
 * A server's root disk as bytes: the image that freezing asked for, streamed as it is. Of a shelved server it is the image that shelving
 * made, which stays. What the image's own hash proves unchanged since the parent is not downloaded.
 */

import { addStats, EMPTY_STATS, type StreamStats } from "@permafrost/model";
import type { Image } from "@permafrost/openstack";
import { CodedError, isoTime, type Json } from "@permafrost/std";
import { type BlockDevice, diskSourceOf, isVolumeBacked, type RootDisk, type ServerDocument } from "./nova-server-document.ts";
import { obtainImage } from "./nova-server-freeze.ts";
import type { Captured, CaptureInput, Context } from "./resource-type.ts";
import { TEMPORARY_IMAGE } from "./temporaries.ts";

/** Of an image that Nova makes of a server: said of the making, or to be known by the service that made it only. */
const OF_THE_IMAGE =
  /^(os_glance_|owner_(id|project_name|user_name)$|owner_specified\.|image_(location|type|state)$|instance_(uuid|owner)$|user_id$|boot_roles$|base_image_ref$|bdm_v2$|block_device_mapping$|root_device_name$|clean_attempts$|stores$|signature_verified$|permafrost_|cinder_encryption_key_)/;

export async function captureServer(context: Context, input: CaptureInput<ServerDocument>): Promise<Captured> {
  const { document, frozen } = input;
  if (!isVolumeBacked(document.server)) return await captureRootDisk(context, input);
  const consistency = frozen?.detail.consistency === "quiesced" ? "quiesced" : "crash";
  const none = { streams: {}, stats: EMPTY_STATS, consistency, sourceHash: "none" } as const;
  if (frozen === undefined) return { ...none, warnings: ["None of its volumes is part of this backup"] };
  const devices = JSON.parse(frozen.detail.devices ?? "[]") as readonly BlockDevice[];
  const written = await context.writer.writeDocument({ ...document, devices } as unknown as Json);
  return { ...none, stats: ofDocument(written.stats), document: written.root };
}

async function captureRootDisk(
  context: Context,
  { resource, document, frozen, parent }: CaptureInput<ServerDocument>,
): Promise<Captured> {
  const { ledger, writer, signal } = context;
  const isShelved = diskSourceOf(document.server) === "shelved-image";
  const cloud = isShelved ? context.cloud : context.temporaryCloud;
  return await ledger.using(async () => {
    const imageId = isShelved ? await shelvedImage(context, document) : (await obtainImage(context, resource.id)).imageId;
    const image = await cloud.image.waitFor(imageId, ["active"], { signal, sizeBytes: resource.logicalBytes });
    const disk = rootDisk(image);
    const before = parent?.streams.data;
    const isSame = before !== undefined && (await isUnchanged(context, parent?.document, disk));
    const hash = disk.hashValue === "" ? undefined : { algorithm: disk.hashAlgorithm, value: disk.hashValue };
    const data = isSame
      ? { root: before, stats: { ...EMPTY_STATS, logicalBytes: before.sizeBytes } }
      : await writer.writeStream(
          cloud.image.download(imageId, { sizeBytes: image.sizeBytes, signal, ...(hash === undefined ? {} : { hash }) }),
          { chunking: "fixed", signal, onProgress: context.progress, ...(before === undefined ? {} : { parent: before }) },
        );
    const written = await writer.writeDocument({ ...document, disk } as unknown as Json);
    await writer.finish();
    // Should this worker die before its result is noted, the next asks for another image, and says so.
    if (!isShelved) await ledger.release(TEMPORARY_IMAGE, resource.id, imageId);
    const isLate = !isShelved && imageId !== frozen?.detail.imageId;
    return {
      streams: { data: data.root },
      stats: addStats(data.stats, ofDocument(written.stats)),
      consistency: isShelved ? "immutable" : "crash",
      sourceHash: isSame ? "skipped" : hash === undefined ? "none" : "verified",
      document: written.root,
      warnings: isLate
        ? [`Its root disk is of ${image.createdAt || isoTime(context.clock.now())}: the image first asked for is gone`]
        : [],
    };
  });
}

/** The document's own bytes are no data of the resource. */
function ofDocument(stats: StreamStats): StreamStats {
  return { ...stats, logicalBytes: 0, readBytes: 0 };
}

/** Nova calls it `<name>-shelved`, and it says whose it is. */
async function shelvedImage({ cloud }: Context, { server }: ServerDocument): Promise<string> {
  const properties = { instance_uuid: String(server.id), image_type: "snapshot" };
  const found = await Array.fromAsync(cloud.image.list({ owner: cloud.projectId, name: `${server.name}-shelved`, properties }));
  const newest = found.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0];
  if (newest !== undefined) return newest.id;
  throw new CodedError(
    "RESOURCE_STATE",
    `The image ${server.name}-shelved, which holds the root disk of the shelved server, is gone`,
    {
      facts: { server: String(server.id) },
      hint: "Without it Nova cannot unshelve the server either.",
    },
  );
}

function rootDisk(image: Image): RootDisk {
  const { diskFormat, containerFormat, sizeBytes, minDiskGiB, minRamMiB, hashAlgorithm, hashValue } = image;
  const properties = Object.fromEntries(Object.entries(image.properties).filter(([name]) => !OF_THE_IMAGE.test(name)));
  return { diskFormat, containerFormat, sizeBytes, minDiskGiB, minRamMiB, hashAlgorithm, hashValue, properties };
}

/** A parent that cannot be read is no parent: the disk is read again. */
async function isUnchanged(
  { reader, signal }: Context,
  parent: Parameters<typeof reader.readDocument>[0] | undefined,
  disk: RootDisk,
) {
  if (parent === undefined || disk.hashValue === "") return false;
  try {
    const { disk: old } = (await reader.readDocument(parent)) as unknown as ServerDocument;
    return old?.hashValue === disk.hashValue && old.hashAlgorithm === disk.hashAlgorithm && old.sizeBytes === disk.sizeBytes;
  } catch (error) {
    signal.throwIfAborted();
    if (!CodedError.is(error) || error.retry === "later") throw error;
    return false;
  }
}
