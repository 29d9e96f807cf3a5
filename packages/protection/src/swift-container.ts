/**
 * swift.container: a container with its settings and all its objects, as one resource with a listing.
 *
 * An object whose listing row (etag, size, type, time of its metadata) equals the parent's is not asked for. A static or dynamic large
 * object is kept as such: its manifest here, its segments in the containers they live in; a symlink as a symlink. There are no snapshots
 * in Swift: objects are read one after another while the tenant may write (`fuzzy`); each is itself consistent, checked against its etag.
 */

import { addStats, EMPTY_STATS } from "@permafrost/model";
import type { Cloud, Container } from "@permafrost/openstack";
import { readListing } from "@permafrost/repository";
import { CodedError, mapPool } from "@permafrost/std";
import { fieldDifferences } from "./compare.ts";
import { ifThere } from "./if-there.ts";
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
import { captureListings } from "./swift-capture.ts";
import type { ObjectEntry } from "./swift-object.ts";
import { verifyObject } from "./swift-object-restore.ts";
import { restoreObjects } from "./swift-restore.ts";
import { type Retelling, retelling, retoldAcl, type SwiftSource, sourceOf } from "./swift-retelling.ts";
import { objectName, removeVersions, restoreVersions, versionDifferences } from "./swift-versions.ts";

/** Document version 1. Header names in lower case, as Swift returns them. */
export type ContainerDocument = {
  readonly version: 1;
  readonly name: string;
  readonly objects: number;
  readonly bytes: number;
  readonly storagePolicy: string;
  /** Metadata, access lists, quotas, versioning, CORS, web, temporary URL keys. */
  readonly headers: Readonly<Record<string, string>>;
  /** Other containers that this one's large objects have segments in or static links point into; known after the capture. */
  readonly segmentContainers?: readonly string[];
  readonly source?: SwiftSource;
};

/** Objects verified or removed at once. */
const OBJECTS_AT_ONCE = 8;
const KEPT_HEADER =
  /^(x-container-meta-|x-container-read$|x-container-write$|x-versions-|x-history-location$|x-container-sync-(to|key)$)/;
const QUOTA_HEADER = /^x-container-meta-quota-/;
/** Names another container, in which what is replaced goes. */
const ARCHIVE_HEADER = /^x-(versions|history)-location$/;
const ENABLED_HEADER = "x-versions-enabled";
/** Limits and rights that would stop the restore itself: set when the objects are there. */
const LAST_HEADER = /^(x-container-meta-quota-|x-container-read$|x-container-write$|x-versions-|x-history-location$)/;
/** What a cluster needs for a header; without it the header is left out. */
const FEATURES: readonly (readonly [RegExp, string, string])[] = [
  [ARCHIVE_HEADER, "versioned_writes", "versions in another container"],
  [/^x-versions-enabled$/, "object_versioning", "object versioning: older versions are not restored"],
];

export const swiftContainer: ResourceType<ContainerDocument> = {
  type: "swift.container",

  async *discover({ cloud }: Context): AsyncIterable<Found> {
    const source = await sourceOf(cloud);
    for await (const { name } of cloud.object.listContainers()) {
      const container = await ifThere(cloud.object.headContainer(name));
      if (container === undefined) continue;
      const document: ContainerDocument = { ...describe(name, container), source };
      yield { id: name, name, document, logicalBytes: container.bytes, captures: true, freezes: false };
    }
  },

  async capture(context: Context, { resource, document, parent }: CaptureInput<ContainerDocument>): Promise<Captured> {
    const { writer } = context;
    const captured = await captureListings(context, {
      container: resource.id,
      versioned: document.headers[ENABLED_HEADER] !== undefined,
      parent: parent?.streams ?? {},
    });
    const segmentContainers = captured.containers.filter((c) => c !== resource.id);
    const stored = await writer.writeDocument({ ...document, segmentContainers } satisfies ContainerDocument);
    return {
      streams: captured.streams,
      stats: addStats(captured.stats, { ...stored.stats, logicalBytes: 0, readBytes: 0, zeroBytes: 0 }),
      consistency: "fuzzy",
      sourceHash: captured.isUnchanged ? "skipped" : "verified",
      document: stored.root,
      warnings: captured.warnings,
    };
  },

  async plan({ cloud }: Context, { resource, document, options }: PlanInput<ContainerDocument>): Promise<Planned> {
    const name = (options.namePrefix ?? "") + document.name;
    const dependsOn = (document.segmentContainers ?? []).map((c) => `swift.container/${c}`);
    const policy = mappedPolicy(options.maps.policy, document.storagePolicy);
    const { policies, features } = await cloud.object.info();
    const warnings = missingFeatures(document, features).map(([, what]) => `the target has no ${what}`);
    if (policy !== "" && !policies.includes(policy)) {
      return {
        action: "conflict",
        reason: `the target has no storage policy ${policy} (it has ${policies.join(", ")}): map it with --map policy:${document.storagePolicy}=NEW`,
        dependsOn,
      };
    }
    const there = await ifThere(cloud.object.headContainer(name));
    if (there === undefined) return { action: "create", reason: "no container of that name", dependsOn, warnings };
    if (await isEmpty(cloud, name, there))
      return { action: "create", reason: `container ${name} is there and empty`, dependsOn, warnings };
    const reason = `container ${name} is there with ${there.objects} objects`;
    if (options.onConflict === "skip") return { action: "skip", reason, dependsOn, targetId: name };
    // A container cannot stand beside another of its name; `create` and `fail` come to the same.
    if (options.onConflict !== "reuse")
      return { action: "conflict", reason: `${reason}; use --on-conflict reuse to write into it, or --name-prefix`, dependsOn };
    return {
      action: "create",
      reason: `${reason}; objects of the same names are replaced`,
      dependsOn,
      warnings,
      ...(resource.id === name ? { targetId: name } : {}),
    };
  },

  async restore(context: Context, { resource, document, options, targets }: RestoreInput<ContainerDocument>): Promise<Restored> {
    const { cloud, journal, reader, signal } = context;
    const name = (options.namePrefix ?? "") + document.name;
    const retold = retelling(await sourceOf(cloud), document.source, options, targets);
    const { features } = await cloud.object.info();
    const headers = targetHeaders(document, retold);
    for (const [header] of missingFeatures(document, features)) delete headers[header];
    const early = Object.fromEntries(Object.entries(headers).filter(([k]) => !LAST_HEADER.test(k)));
    const policy = mappedPolicy(options.maps.policy, document.storagePolicy);
    // A quota that an earlier attempt set would refuse the rest, and what it replaces would go into the archive.
    for (const header of Object.keys(headers)) if (QUOTA_HEADER.test(header) || ARCHIVE_HEADER.test(header)) early[header] = "";
    // What is there with objects of its own is the user's: an undo leaves it.
    const before = await ifThere(cloud.object.headContainer(name));
    if (before === undefined || (await isEmpty(cloud, name, before))) await journal.note("swift.container", resource.id, name);
    await cloud.object.putContainer(name, { ...early, ...(policy === "" ? {} : { "x-storage-policy": policy }) });
    const { listing, versions } = resource.streams;
    const warnings: string[] = [];
    const versioned = headers[ENABLED_HEADER];
    if (versioned !== undefined && (versions !== undefined || isTrue(versioned))) {
      await cloud.object.postContainer(name, { [ENABLED_HEADER]: "true" });
      const isOurs = (await journal.find("swift.container", resource.id)) !== undefined;
      if (versions !== undefined) {
        const entries = () => readListing<ObjectEntry>(reader, versions, signal);
        warnings.push(...(await restoreVersions(context, { container: name, entries, retold, isOurs })));
      }
      if (!isTrue(versioned)) await cloud.object.postContainer(name, { [ENABLED_HEADER]: "false" });
    }
    const done = await restoreObjects(context, { container: name, listing, retold });
    await cloud.object.postContainer(name, headers);
    return {
      targetId: name,
      stats: { ...EMPTY_STATS, logicalBytes: done.bytes },
      warnings: [...warnings, ...done.warnings],
    };
  },

  async verify(
    context: Context,
    { resource, document, options, targetId, targets, level }: VerifyInput<ContainerDocument>,
  ): Promise<Verified> {
    const { cloud, reader, signal } = context;
    const retold = retelling(await sourceOf(cloud), document.source, options, targets);
    const headers = targetHeaders(document, retold);
    const { features } = await cloud.object.info();
    for (const [header] of missingFeatures(document, features)) delete headers[header];
    const mismatches = fieldDifferences(
      { headers, storagePolicy: mappedPolicy(options.maps.policy, document.storagePolicy) },
      describe(targetId, await cloud.object.headContainer(targetId)),
    );
    const { listing, versions } = resource.streams;
    if (listing !== undefined) {
      const found = await mapPool(readListing<ObjectEntry>(reader, listing, signal), OBJECTS_AT_ONCE, (entry) =>
        verifyObject(context, targetId, entry, level, retold),
      );
      mismatches.push(...found.flat());
    }
    if (versions !== undefined && headers[ENABLED_HEADER] !== undefined)
      mismatches.push(...(await versionDifferences(context, targetId, readListing<ObjectEntry>(reader, versions, signal))));
    return { level, mismatches };
  },

  /** The objects that the restore put there, and the container if nothing else is in it. */
  async undo(context: Context, { resource, targetId }: UndoInput<ContainerDocument>): Promise<void> {
    const { cloud, reader, signal } = context;
    const there = await ifThere(cloud.object.headContainer(targetId));
    if (there === undefined) return;
    const { listing, versions } = resource.streams;
    const isVersioned = there.headers[ENABLED_HEADER] !== undefined;
    // Otherwise every removal would leave a mark, or bring back what it removes.
    const off = Object.keys(there.headers).filter((h) => ARCHIVE_HEADER.test(h) && there.headers[h] !== "");
    if (off.length > 0) await cloud.object.postContainer(targetId, Object.fromEntries(off.map((h) => [h, ""])));
    if (isVersioned) await cloud.object.postContainer(targetId, { [ENABLED_HEADER]: "false" });
    const put = async function* (): AsyncIterable<string> {
      for (const root of [listing, versions])
        if (root !== undefined) for await (const entry of readListing<ObjectEntry>(reader, root, signal)) yield objectName(entry);
    };
    if (isVersioned) await removeVersions(context, targetId, put());
    await mapPool(put(), OBJECTS_AT_ONCE, (name) => cloud.object.deleteObject(targetId, name));
    const left = isVersioned ? cloud.object.listVersions(targetId, { signal }) : cloud.object.listObjects(targetId, { signal });
    for await (const object of left)
      throw new CodedError(
        "CONFLICT",
        `Container ${targetId} has objects that the restore did not put there, such as ${object.name}`,
        {
          facts: { container: targetId, object: object.name },
          hint: "Move or delete them, then undo again.",
        },
      );
    await cloud.object.deleteContainer(targetId);
  },

  coverage: {
    captured: [
      ...["metadata", "access lists", "quotas", "storage policy", "versioning", "temporary URL keys", "container sync"],
      ...["objects with their headers", "SLO and DLO manifests", "symlinks", "older versions and deletions"],
    ],
    restored: [
      ...["metadata", "access lists", "quotas", "storage policy", "versioning", "temporary URL keys", "container sync"],
      ...["objects with their headers", "SLO and DLO manifests", "symlinks", "older versions and deletions"],
    ],
    roles: { capture: "member", restore: "member" },
    reported: {
      "last-modified": "Swift sets it to the time of the restore",
      "x-delete-at in the past": "the object has expired: it is not restored",
      "ids of versions": "Swift makes them of the time",
      "a static link to what is no more": "Swift takes none without its target",
      "versioning, older versions": "a cluster without the middleware cannot have them: the plan says so",
    },
  },
};

function isTrue(value: string): boolean {
  return value.toLowerCase() === "true";
}

/** No objects and, where it is versioned, no older versions. */
async function isEmpty(cloud: Cloud, name: string, container: Container): Promise<boolean> {
  if (container.objects > 0) return false;
  if (container.headers[ENABLED_HEADER] === undefined) return true;
  for await (const _ of cloud.object.listVersions(name)) return false;
  return true;
}

/** Headers that the target's cluster cannot do, with what they are. */
function missingFeatures(document: ContainerDocument, features: ReadonlySet<string>): [string, string][] {
  return Object.keys(document.headers).flatMap((header) =>
    FEATURES.filter(([pattern, feature]) => pattern.test(header) && !features.has(feature)).map(
      ([, , what]): [string, string] => [header, what],
    ),
  );
}

function describe(name: string, container: Container): ContainerDocument {
  const headers = Object.fromEntries(Object.entries(container.headers).filter(([k, v]) => KEPT_HEADER.test(k) && v !== ""));
  return {
    version: 1,
    name,
    objects: container.objects,
    bytes: container.bytes,
    storagePolicy: container.storagePolicy,
    headers,
  };
}

/** Access lists name projects and users, versioning another container: those are retold. */
function targetHeaders(document: ContainerDocument, retold: Retelling): Record<string, string> {
  const told = (header: string, value: string): string => {
    if (header === "x-container-read" || header === "x-container-write") return retoldAcl(value, retold);
    return ARCHIVE_HEADER.test(header) ? encodeURIComponent(retold.prefix) + value : value;
  };
  return Object.fromEntries(Object.entries(document.headers).map(([header, value]) => [header, told(header, value)]));
}

function mappedPolicy(map: Readonly<Record<string, string>> | undefined, policy: string): string {
  return map?.[policy] ?? map?.["*"] ?? policy;
}
