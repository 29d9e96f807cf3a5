/**
 * glance.image: an image that the project owns, with its data, properties, tags and members.
 *
 * Image data never changes once the image is active, so `os_hash_value` equal to the parent's proves the bytes unchanged and
 * nothing is downloaded. The hash is verified whenever data is read. Restored images are made private and
 * unprotected, filled, and get visibility and protection last, so that a half-restored image is never seen by others and can always be removed.
 */

import { EMPTY_STATS, type RestoreOptions, type StreamRoot } from "@permafrost/model";
import type { Cloud, Image } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import { fieldDifferences, firstDifference } from "./compare.ts";
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
  ResourceType,
  Restored,
  RestoreInput,
  UndoInput,
  Verified,
  VerifyInput,
} from "./resource-type.ts";
import { UNFINISHED_IMAGE, UNFINISHED_MARK } from "./temporaries.ts";

/** Document version 1. A type, not an interface: it must be assignable to JSON. */
export type ImageDocument = {
  readonly version: 1;
  readonly name: string;
  readonly status: string;
  readonly visibility: string;
  readonly protected: boolean;
  readonly hidden: boolean;
  readonly diskFormat: string;
  readonly containerFormat: string;
  readonly minDiskGiB: number;
  readonly minRamMiB: number;
  readonly sizeBytes: number;
  readonly hashAlgorithm: string;
  readonly hashValue: string;
  readonly checksum: string;
  readonly tags: readonly string[];
  readonly members: readonly { readonly project: string; readonly status: string }[];
  readonly properties: Readonly<Record<string, string>>;
};

/** Set by services for their own use; Glance or Nova make them anew, or refuse them. */
const IMAGE_ID = /^[0-9a-f-]{32,36}$/i;
const SERVICE_PROPERTY =
  /^(os_glance_|owner_(id|project_name|user_name)$|image_location$|instance_uuid$|user_id$|boot_roles$|base_image_ref$|permafrost_|stores$|cinder_encryption_key_deletion_policy$)/;

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
      yield {
        id: image.id,
        name: image.name,
        document,
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

  async plan(context: Context, { resource, document, options }: PlanInput<ImageDocument>): Promise<Planned> {
    const { cloud } = context;
    const name = restoredName(document.name, resource, options);
    const existing: string[] = [];
    for await (const image of cloud.image.list({ owner: cloud.projectId, name })) existing.push(image.id);
    const decided = decideByName("image", name, existing, options.onConflict, context.sessionId);
    const warnings =
      resource.streams.data === undefined && decided.action === "create"
        ? ["The backup has no data of this image: it is created empty"]
        : [];
    return { ...decided, dependsOn: [], warnings };
  },

  async restore(context: Context, { resource, document, options }: RestoreInput<ImageDocument>): Promise<Restored> {
    if (resource.action === "reuse" && resource.targetId !== undefined)
      return { targetId: resource.targetId, stats: EMPTY_STATS };
    const { cloud, ledger } = context;
    const data = resource.streams.data;
    const noted = await context.journal.find("glance.image", resource.id);
    let image = noted === undefined ? undefined : await ifThere(cloud.image.get(noted));
    if (image === undefined) {
      // The entry stays in the ledger: a request that was under way when its worker died may make a second one yet, which keeps its mark.
      const id = await ledger.obtain(UNFINISHED_IMAGE, resource.id, (mark) =>
        make(context, mark, { resource, document, options }),
      );
      image = await ledger.using(() => cloud.image.get(id));
      if (data !== undefined) checkHash(document, image);
    }
    await context.journal.note("glance.image", resource.id, image.id);
    const warnings = await finish(context, image, document, options);
    return { targetId: image.id, stats: { ...EMPTY_STATS, logicalBytes: data?.sizeBytes ?? 0 }, warnings };
  },

  async verify(
    context: Context,
    { resource, document, options, targetId, level }: VerifyInput<ImageDocument>,
  ): Promise<Verified> {
    const image = await context.cloud.image.get(targetId);
    const have = await describe(context.cloud, image);
    const mismatches = fieldDifferences(
      comparable({ ...document, name: restoredName(document.name, resource, options) }),
      comparable(have),
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

  async undo({ cloud, signal }: Context, { targetId }: UndoInput<ImageDocument>): Promise<void> {
    const image = await ifThere(cloud.image.get(targetId));
    if (image === undefined) return;
    if (image.protected) await cloud.image.update(targetId, { protected: false });
    await cloud.image.delete(targetId);
    await cloud.image.waitForGone(targetId, { signal });
  },

  async find(cloud: Cloud, nameOrId: string): Promise<{ id: string; name: string }[]> {
    const byId = IMAGE_ID.test(nameOrId) ? await ifThere(cloud.image.get(nameOrId)) : undefined;
    const found = byId === undefined ? await Array.fromAsync(cloud.image.list({ name: nameOrId })) : [byId];
    return found.map(({ id, name }) => ({ id, name }));
  },

  coverage: {
    captured: ["*", "members", "data"],
    restored: [
      ...["name", "visibility", "protected", "os_hidden", "disk_format", "container_format", "min_disk", "min_ram"],
      ...["tags", "members", "custom properties", "data"],
    ],
    roles: { capture: "member", restore: "member" },
    reported: { "visibility public": "a member may not publish an image: it stays private" },
  },
};

/** The target with its data, private, unprotected and marked as unfinished. Glance takes data once: what broke off is begun again. */
async function make(context: Context, mark: string, { resource, document, options }: PlanInput<ImageDocument>): Promise<string> {
  const { cloud, reader, signal } = context;
  const properties = Object.fromEntries(Object.entries(document.properties).filter(([k]) => !SERVICE_PROPERTY.test(k)));
  const { id } = await cloud.image.create({
    name: restoredName(document.name, resource, options),
    visibility: "private",
    protected: false,
    ...(document.diskFormat === "" ? {} : { diskFormat: document.diskFormat, containerFormat: document.containerFormat }),
    minDiskGiB: document.minDiskGiB,
    minRamMiB: document.minRamMiB,
    tags: document.tags,
    properties: { ...properties, [UNFINISHED_MARK]: mark },
  });
  const data = resource.streams.data;
  if (data === undefined) return id;
  const bytes = counted(reader.readStream(data, { signal }), context.progress);
  await cloud.image.upload(id, bytes, { sizeBytes: data.sizeBytes, signal });
  await cloud.image.waitFor(id, ["active"], { signal, sizeBytes: data.sizeBytes });
  return id;
}

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

async function describe(cloud: Context["cloud"], image: Image): Promise<ImageDocument> {
  const members = image.visibility === "shared" ? await cloud.image.members(image.id) : [];
  return {
    version: 1,
    name: image.name,
    status: image.status,
    visibility: image.visibility,
    protected: image.protected,
    hidden: image.hidden,
    diskFormat: image.diskFormat,
    containerFormat: image.containerFormat,
    minDiskGiB: image.minDiskGiB,
    minRamMiB: image.minRamMiB,
    sizeBytes: image.sizeBytes,
    hashAlgorithm: image.hashAlgorithm,
    hashValue: image.hashValue,
    checksum: image.checksum,
    tags: [...image.tags].sort(),
    members: members.map((m) => ({ project: m.memberId, status: m.status })).sort((a, b) => (a.project < b.project ? -1 : 1)),
    properties: image.properties,
  };
}

/** What must be the same after a restore. Who sees it is compared apart. */
function comparable(d: ImageDocument): Record<string, unknown> {
  return {
    name: d.name,
    protected: d.protected,
    hidden: d.hidden,
    diskFormat: d.diskFormat,
    containerFormat: d.containerFormat,
    minDiskGiB: d.minDiskGiB,
    minRamMiB: d.minRamMiB,
    sizeBytes: d.sizeBytes,
    tags: d.tags,
    properties: Object.fromEntries(Object.entries(d.properties).filter(([k]) => !SERVICE_PROPERTY.test(k))),
  };
}

/** Members, hidden, visibility, and protection last. Returns what could not be done. */
async function finish({ cloud }: Context, image: Image, document: ImageDocument, { maps }: RestoreOptions): Promise<string[]> {
  const warnings: string[] = [];
  const attempt = async (what: string, work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      const { code, message } = CodedError.from(error);
      if (code !== "FORBIDDEN" && code !== "NOT_FOUND") throw error;
      warnings.push(`${what}: ${message}`);
    }
  };
  const wanted = document.visibility === "private" ? undefined : document.visibility;
  if (wanted !== undefined && image.visibility !== wanted)
    await attempt(`The image stays ${image.visibility}, not ${wanted}`, () =>
      cloud.image.update(image.id, { visibility: wanted }),
    );
  const known = new Set(
    document.visibility === "shared" && document.members.length > 0
      ? (await cloud.image.members(image.id)).map((m) => m.memberId)
      : [],
  );
  for (const project of membersOf(document, maps)) {
    if (project !== cloud.projectId && !known.has(project))
      await attempt(`Not shared with project ${project}`, () => cloud.image.addMember(image.id, project));
  }
  if (document.hidden !== image.hidden)
    await attempt("The image is not hidden", () => cloud.image.update(image.id, { hidden: document.hidden }));
  if (UNFINISHED_MARK in image.properties) await cloud.image.update(image.id, { removeProperties: [UNFINISHED_MARK] });
  if (document.protected && !image.protected)
    await attempt("The image is not protected", () => cloud.image.update(image.id, { protected: true }));
  return warnings;
}

/** The projects that an image is offered to, as the target calls them. */
function membersOf(document: ImageDocument, maps: RestoreOptions["maps"]): string[] {
  return document.members.map(({ project }) => maps.project?.[project] ?? project);
}

/** Who sees it. A member may not publish an image: that it stayed private was said when it was restored. */
function sharingDifferences(
  document: ImageDocument,
  have: ImageDocument,
  maps: RestoreOptions["maps"],
  ownProjectId: string,
): string[] {
  const mayNot = (document.visibility === "public" || document.visibility === "community") && have.visibility === "private";
  const differences = mayNot ? [] : fieldDifferences({ visibility: document.visibility }, { visibility: have.visibility });
  if (document.visibility !== "shared") return differences;
  const members = membersOf(document, maps).filter((project) => project !== ownProjectId);
  return [
    ...differences,
    ...fieldDifferences({ members: members.sort() }, { members: have.members.map((m) => m.project).sort() }),
  ];
}

function hashOf(document: ImageDocument): { readonly algorithm: string; readonly value: string } | undefined {
  if (document.hashValue !== "") return { algorithm: document.hashAlgorithm, value: document.hashValue };
  return document.checksum === "" ? undefined : { algorithm: "md5", value: document.checksum };
}

/** Glance hashes what it receives: the service's own proof that the bytes arrived. Throws HASH_MISMATCH. */
function checkHash(document: ImageDocument, image: Image): void {
  if (document.hashValue === "" || document.hashAlgorithm !== image.hashAlgorithm || document.hashValue === image.hashValue)
    return;
  throw new CodedError(
    "HASH_MISMATCH",
    `The restored image ${image.id} has another ${image.hashAlgorithm} than the backed-up one`,
    {
      facts: { expected: document.hashValue, found: image.hashValue, image: image.id },
    },
  );
}

/** Passes bytes on and counts them. */
export async function* counted(bytes: AsyncIterable<Uint8Array>, progress: (bytes: number) => void): AsyncIterable<Uint8Array> {
  for await (const chunk of bytes) {
    progress(chunk.length);
    yield chunk;
  }
}
