/**
 * glance.image: an image that the project owns, with its data, properties, tags and members.
 *
 * Image data never changes once the image is active, so `os_hash_value` equal to the parent's proves the bytes unchanged and
 * nothing is downloaded. The hash is verified whenever data is read. Restored images are made private and
 * unprotected, filled, and get visibility and protection last, so that a half-restored image is never seen by others and can always be removed.
 */

import { EMPTY_STATS, type StreamRoot } from "@permafrost/model";
import { type Cloud, SECRETS } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import { fieldDifferences, firstDifference } from "./compare.ts";
import { KEY_PROPERTY, readKey, storeKey } from "./encryption-key.ts";
import {
  comparable,
  describe,
  IMAGE_ID,
  type ImageDocument,
  isOfVolumes,
  membersOf,
  partsOf,
  planParts,
  SIGNATURE_PROPERTY,
  sharingDifferences,
  targetProperties,
} from "./glance-image-document.ts";
import { checkHash, finishImage, lostImageKey, makeImage } from "./glance-image-restore.ts";
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
import { UNFINISHED_IMAGE } from "./temporaries.ts";

const MIB = 1024 * 1024;

export const glanceImage: ResourceType<ImageDocument> = {
  type: "glance.image",

  async *discover({ cloud }: Context): AsyncIterable<Found> {
    for await (const image of cloud.image.list({ owner: cloud.projectId })) {
      if (image.name.startsWith(TEMPORARY_PREFIX)) continue;
      const document = await ifThere(describe(cloud, image));
      if (document === undefined) continue;
      // A deactivated image has its bytes; who may not read them is told so by Glance, and the session is `partial`.
      const captures = /^(active|deactivated)$/.test(image.status) && image.sizeBytes > 0;
      const warnings =
        captures || image.status === "active" ? [] : [`The image is ${image.status}: only its metadata is backed up`];
      if (isOfVolumes(image)) warnings.push("The image has no bytes but names volume snapshots: those are not backed up");
      const keyId = image.properties[KEY_PROPERTY];
      const { key, why } = keyId === undefined ? { why: "" } : await readKey(cloud, keyId);
      if (keyId !== undefined && key === undefined)
        warnings.push(`The image is encrypted and its bytes are backed up without the key, which alone can read them: ${why}`);
      const parts = await partsOf(cloud, image);
      yield {
        id: image.id,
        name: image.name,
        document: {
          ...document,
          ...(key === undefined ? {} : { key }),
          ...(Object.keys(parts).length === 0 ? {} : { parts }),
        },
        logicalBytes: captures ? image.sizeBytes : 0,
        captures,
        freezes: false,
        warnings,
      };
    }
  },

  async capture(context: Context, { resource, document, parent }: CaptureInput<ImageDocument>): Promise<Captured> {
    const before = parent?.streams.data;
    if (before !== undefined && parent?.document !== undefined && parent.state === "succeeded" && document.hashValue !== "") {
      const old = await documentOf(context, parent.document);
      if (
        old !== undefined &&
        old.hashValue === document.hashValue &&
        old.hashAlgorithm === document.hashAlgorithm &&
        before.sizeBytes === document.sizeBytes
      ) {
        return {
          streams: { data: before },
          stats: { ...EMPTY_STATS, logicalBytes: before.sizeBytes },
          consistency: "immutable",
          sourceHash: "skipped",
        };
      }
    }
    const hash = hashOf(document);
    const download = context.cloud.image.download(resource.id, {
      sizeBytes: document.sizeBytes,
      signal: context.signal,
      ...(hash === undefined ? {} : { hash }),
    });
    const written = await context.writer.writeStream(download, {
      chunking: "fixed",
      signal: context.signal,
      onProgress: context.progress,
      ...(before === undefined ? {} : { parent: before }),
    });
    return {
      streams: { data: written.root },
      stats: written.stats,
      consistency: "immutable",
      sourceHash: hash === undefined ? "none" : "verified",
    };
  },

  async plan(context: Context, { resource, document, options }: PlanInput<ImageDocument>, scope: PlanScope): Promise<Planned> {
    const { cloud } = context;
    const name = restoredName(document.name, resource, options);
    const existing: string[] = [];
    for await (const image of cloud.image.list({ owner: cloud.projectId, name })) existing.push(image.id);
    const decided = decideByName("image", name, existing, options.onConflict, context.sessionId);
    const { dependsOn, warnings } = await planParts(document, scope);
    if (decided.action !== "create") return { ...decided, dependsOn, warnings };
    if (isOfVolumes(document))
      return { action: "skip", reason: "it has no bytes and names volume snapshots that are not in the target", dependsOn: [] };
    const lost = await lostImageKey(cloud, document);
    if (lost !== undefined && resource.streams.data !== undefined) return { action: "conflict", reason: lost, dependsOn: [] };
    if (resource.streams.data === undefined) warnings.push("The backup has no data of this image: it is created empty");
    if (document.visibility === "public" && !cloud.roles.has("admin"))
      warnings.push("The image was public: it stays private, for only an administrator may publish one");
    for (const project of membersOf(document, options.maps)) {
      const { how } = await scope.resolve({ kind: "project", id: project, name: "" });
      if (how === "missing" && cloud.roles.has("admin"))
        warnings.push(`The image is shared with project ${project}, which the target does not have`);
    }
    if (document.members.some((m) => m.status === "accepted"))
      warnings.push("The projects that it is shared with must accept it again");
    if (Object.keys(document.properties).some((k) => SIGNATURE_PROPERTY.test(k)))
      warnings.push("Its signature is left out: it names a certificate in the source's key manager");
    if (document.status === "deactivated") warnings.push("The image was deactivated: it is restored active");
    return { ...decided, dependsOn, warnings };
  },

  async restore(context: Context, input: RestoreInput<ImageDocument>): Promise<Restored> {
    const { resource, document, options } = input;
    if (resource.action === "reuse" && resource.targetId !== undefined)
      return { targetId: resource.targetId, stats: EMPTY_STATS };
    const { cloud, ledger } = context;
    const data = resource.streams.data;
    const noted = await context.journal.find("glance.image", resource.id);
    let image = noted === undefined ? undefined : await ifThere(cloud.image.get(noted));
    if (image === undefined) {
      // The entry stays in the ledger: a request that was under way when its worker died may make a second one yet, which keeps its mark.
      const keyId = document.key === undefined ? undefined : await storeKey(context, resource.id, document.key);
      const id = await ledger.obtain(UNFINISHED_IMAGE, resource.id, (mark) => makeImage(context, mark, input, keyId));
      image = await ledger.using(() => cloud.image.get(id));
      if (data !== undefined) checkHash(document, image);
    }
    await context.journal.note("glance.image", resource.id, image.id);
    const warnings = await finishImage(context, image, document, options);
    return { targetId: image.id, stats: { ...EMPTY_STATS, logicalBytes: data?.sizeBytes ?? 0 }, warnings };
  },

  async verify(
    context: Context,
    { resource, document, options, targetId, targets, level }: VerifyInput<ImageDocument>,
  ): Promise<Verified> {
    const image = await context.cloud.image.get(targetId);
    const have = await describe(context.cloud, image);
    const mismatches = fieldDifferences(
      comparable(
        { ...document, name: restoredName(document.name, resource, options) },
        targetProperties(document, targets, undefined),
      ),
      comparable(have, have.properties),
    );
    mismatches.push(...sharingDifferences(document, have, options.maps, context.cloud.projectId));
    if (level === "metadata") return { level, mismatches };
    const data = resource.streams.data;
    if (data === undefined) return { level, mismatches };
    const sameAlgorithm = document.hashAlgorithm === have.hashAlgorithm;
    if (document.hashValue !== "" && sameAlgorithm && document.hashValue !== have.hashValue) {
      mismatches.push(`os_hash_value: expected ${document.hashValue}, found ${have.hashValue}`);
    }
    const hashed = document.hashValue !== "" && sameAlgorithm;
    if (level === "hash") return { level: hashed ? "hash" : "metadata", mismatches };
    const differs = await firstDifference(
      context.reader.readStream(data, { signal: context.signal }),
      context.cloud.image.download(targetId, { sizeBytes: data.sizeBytes, signal: context.signal }),
      context.progress,
    );
    if (differs !== undefined) mismatches.push(`data: first difference at byte ${differs}`);
    return { level: "data", mismatches };
  },

  async undo({ cloud, signal }: Context, { targetId, document }: UndoInput<ImageDocument>): Promise<void> {
    const image = await ifThere(cloud.image.get(targetId));
    if (image === undefined) return;
    if (image.protected) await cloud.image.update(targetId, { protected: false });
    await cloud.image.delete(targetId);
    await cloud.image.waitForGone(targetId, { signal });
    // Glance takes the key with it where the image says so; the restore made one for this image in any case.
    const keyId = document.key === undefined ? undefined : image.properties[KEY_PROPERTY];
    if (keyId !== undefined) await cloud.collection(SECRETS).delete(keyId);
  },

  async find(cloud: Cloud, nameOrId: string): Promise<{ id: string; name: string }[]> {
    const byId = IMAGE_ID.test(nameOrId) ? await ifThere(cloud.image.get(nameOrId)) : undefined;
    const found = byId === undefined ? await Array.fromAsync(cloud.image.list({ name: nameOrId })) : [byId];
    return found.map(({ id, name }) => ({ id, name }));
  },

  quota: ({ sizeBytes }) => [
    { service: "image", limit: "image_count_total", amount: 1 },
    { service: "image", limit: "image_size_total", amount: Math.ceil(sizeBytes / MIB) },
  ],

  coverage: {
    captured: ["*", "members", "data", "the key of an encrypted volume's image, sealed"],
    restored: [
      ...["name", "visibility", "protected", "os_hidden", "disk_format", "container_format", "min_disk", "min_ram"],
      ...["tags", "members", "custom properties", "kernel_id", "ramdisk_id", "data", "the key of an encrypted volume's image"],
    ],
    roles: { capture: "member", restore: "member" },
    reported: {
      "visibility public": "a member may not publish an image: it stays private",
      "signature properties": "they name a certificate in the source's key manager",
      "status deactivated":
        "it is restored active; only an administrator deactivates. Its bytes are read by an administrator only",
      "member status accepted": "only the member may accept: it is invited again",
      "an image without bytes that names volume snapshots": "Nova's image of a server: the snapshots' bytes are not backed up",
      "images shared with the project": "they are another's: looked up in the target where something refers to them",
    },
  },
};

/** The parent's document; undefined if it is damaged: then the image is read again. */
async function documentOf(context: Context, root: StreamRoot): Promise<ImageDocument | undefined> {
  try {
    return (await context.reader.readDocument(root)) as unknown as ImageDocument;
  } catch (error) {
    context.signal.throwIfAborted();
    if (!CodedError.is(error) || error.retry === "later") throw error;
    return undefined;
  }
}

function hashOf(document: ImageDocument): { readonly algorithm: string; readonly value: string } | undefined {
  if (document.hashValue !== "") return { algorithm: document.hashAlgorithm, value: document.hashValue };
  return document.checksum === "" ? undefined : { algorithm: "md5", value: document.checksum };
}
