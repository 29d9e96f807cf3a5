/**
 * swift.container: a container with its settings and all its objects, as one resource with a listing.
 *
 * An object whose listing row (etag, size, type, time of its metadata) equals the parent's is not asked for. A static or dynamic large
 * object is kept as such: its manifest here, its segments in the containers they live in. There are no snapshots in Swift: objects are
 * read one after another while the tenant may write (`fuzzy`); each is itself consistent, checked against its etag.
 */

import { addStats, EMPTY_STATS, type StreamStats } from "@permafrost/model";
import type { Container, ListedObject } from "@permafrost/openstack";
import { CodedError, mapPool } from "@permafrost/std";
import { fieldDifferences } from "./compare.ts";
import { ifThere } from "./if-there.ts";
import { besideParent, encodeListing, readListing, whileReadable } from "./listing.ts";
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
import { captureObject, type ObjectEntry, restoreObject, verifyObject } from "./swift-object.ts";

/** Document version 1. Header names in lower case, as Swift returns them. */
export type ContainerDocument = {
  readonly version: 1;
  readonly name: string;
  readonly objects: number;
  readonly bytes: number;
  readonly storagePolicy: string;
  /** Metadata, access lists, quotas, versioning, CORS, web, temporary URL keys. */
  readonly headers: Readonly<Record<string, string>>;
  /** Other containers that this one's large objects have segments in; known after the capture. */
  readonly segmentContainers?: readonly string[];
};

/** Objects read or written at once. */
const OBJECTS_AT_ONCE = 8;
/** Objects whose results are kept in order while others are under way. */
const BATCH = 64;
const KEPT_HEADER = /^(x-container-meta-|x-container-read$|x-container-write$|x-versions-|x-history-location$|x-container-sync-)/;
const QUOTA_HEADER = /^x-container-meta-quota-/;
/** Limits and rights that would stop the restore itself: set when the objects are there. */
const LAST_HEADER = /^(x-container-meta-quota-|x-container-read$|x-container-write$|x-versions-|x-history-location$)/;

export const swiftContainer: ResourceType<ContainerDocument> = {
  type: "swift.container",

  async *discover({ cloud }: Context): AsyncIterable<Found> {
    for await (const { name } of cloud.object.listContainers()) {
      const container = await ifThere(cloud.object.headContainer(name));
      if (container === undefined) continue;
      const document = describe(name, container);
      yield { id: name, name, document, logicalBytes: container.bytes, captures: true, freezes: false };
    }
  },

  async capture(context: Context, { resource, document, parent }: CaptureInput<ContainerDocument>): Promise<Captured> {
    const { cloud, reader, writer, signal } = context;
    const before = parent?.streams.listing;
    const old = before === undefined ? undefined : whileReadable(readListing<ObjectEntry>(reader, before, signal), signal);
    let stats: StreamStats = EMPTY_STATS;
    let [kept, read] = [0, 0];
    const segmentContainers = new Set<string>();
    const warnings: string[] = [];
    async function* entries(): AsyncIterable<ObjectEntry> {
      let batch: (readonly [ListedObject, ObjectEntry | undefined])[] = [];
      const flush = async function* (): AsyncIterable<ObjectEntry> {
        const results = await mapPool(batch, OBJECTS_AT_ONCE, ([listed, previous]) =>
          captureObject(context, resource.id, listed, previous),
        );
        batch = [];
        for (const { entry, stats: more, unchanged, warning } of results) {
          if (warning !== undefined) warnings.push(warning);
          stats = addStats(stats, more);
          if (unchanged) kept++;
          else read++;
          if (entry === undefined) continue;
          for (const c of entry.segmentContainers ?? []) if (c !== resource.id) segmentContainers.add(c);
          yield entry;
        }
      };
      for await (const pair of besideParent(cloud.object.listObjects(resource.id, { signal }), old)) {
        batch.push(pair);
        if (batch.length >= BATCH) yield* flush();
      }
      yield* flush();
    }
    const written = await writer.writeStream(encodeListing(entries()), { chunking: "content", signal });
    const withSegments: ContainerDocument = { ...document, segmentContainers: [...segmentContainers].sort() };
    const stored = await writer.writeDocument(withSegments);
    const own = addStats(written.stats, stored.stats);
    return {
      streams: { listing: written.root },
      stats: addStats(stats, { ...own, logicalBytes: 0, readBytes: 0, zeroBytes: 0 }),
      consistency: "fuzzy",
      sourceHash: read === 0 && kept > 0 ? "skipped" : "verified",
      document: stored.root,
      warnings,
    };
  },

  async plan({ cloud }: Context, { resource, document, options }: PlanInput<ContainerDocument>): Promise<Planned> {
    const name = (options.namePrefix ?? "") + document.name;
    const dependsOn = (document.segmentContainers ?? []).map((c) => `swift.container/${c}`);
    const policy = mappedPolicy(options.maps.policy, document.storagePolicy);
    const policies = (await cloud.object.info()).policies;
    if (policy !== "" && !policies.includes(policy)) {
      return {
        action: "conflict",
        reason: `the target has no storage policy ${policy} (it has ${policies.join(", ")}): map it with --map policy:${document.storagePolicy}=NEW`,
        dependsOn,
      };
    }
    const there = await ifThere(cloud.object.headContainer(name));
    if (there === undefined) return { action: "create", reason: "no container of that name", dependsOn };
    if (there.objects === 0) return { action: "create", reason: `container ${name} is there and empty`, dependsOn };
    const reason = `container ${name} is there with ${there.objects} objects`;
    if (options.onConflict === "skip") return { action: "skip", reason, dependsOn, targetId: name };
    // A container cannot stand beside another of its name; `create` and `fail` come to the same.
    if (options.onConflict !== "reuse")
      return { action: "conflict", reason: `${reason}; use --on-conflict reuse to write into it, or --name-prefix`, dependsOn };
    return {
      action: "create",
      reason: `${reason}; objects of the same names are replaced`,
      dependsOn,
      ...(resource.id === name ? { targetId: name } : {}),
    };
  },

  async restore(context: Context, { resource, document, options }: RestoreInput<ContainerDocument>): Promise<Restored> {
    const { cloud, reader, signal } = context;
    const name = (options.namePrefix ?? "") + document.name;
    const headers = targetHeaders(document, options.maps.project);
    const early = Object.fromEntries(Object.entries(headers).filter(([k]) => !LAST_HEADER.test(k)));
    const policy = mappedPolicy(options.maps.policy, document.storagePolicy);
    // A quota that an earlier attempt set would refuse the rest.
    const quotas = Object.keys(headers).filter((k) => QUOTA_HEADER.test(k));
    for (const quota of quotas) early[quota] = "";
    // What is there with objects of its own is the user's: an undo leaves it.
    const before = await ifThere(cloud.object.headContainer(name));
    if (before === undefined || before.objects === 0) await context.journal.note("swift.container", resource.id, name);
    await cloud.object.putContainer(name, { ...early, ...(policy === "" ? {} : { "x-storage-policy": policy }) });
    const listing = resource.streams.listing;
    let stats: StreamStats = EMPTY_STATS;
    const warnings: string[] = [];
    const refused = new Map<ObjectEntry, CodedError>();
    const put = async ([entry, there]: readonly [ObjectEntry, ListedObject | undefined]): Promise<void> => {
      try {
        const done = await restoreObject(context, { container: name, entry, prefix: options.namePrefix ?? "", there });
        refused.delete(entry);
        stats = addStats(stats, { ...EMPTY_STATS, logicalBytes: done.bytes });
        if (done.warning !== undefined) warnings.push(done.warning);
      } catch (error) {
        if (!CodedError.is(error, "SEGMENTS_MISSING")) throw error;
        refused.set(entry, error);
      }
    };
    if (listing !== undefined) {
      // Plain objects first: a static large object is refused while one of its segments is missing.
      for (const manifests of [false, true]) {
        const entries = entriesWhere(readListing<ObjectEntry>(reader, listing, signal), (e) => (e.kind === "slo") === manifests);
        await mapPool(besideParent(entries, cloud.object.listObjects(name, { signal })), OBJECTS_AT_ONCE, put);
      }
      // Large objects may be made of large objects: again, as long as that helps.
      for (let before = Number.POSITIVE_INFINITY; refused.size > 0 && refused.size < before; ) {
        before = refused.size;
        await mapPool([...refused.keys()], OBJECTS_AT_ONCE, (entry) => put([entry, undefined]));
      }
    }
    // The segments may be in a container that is being restored beside this one: everything else is there, and again costs little.
    if (refused.size > 0) throw refusedManifests(name, [...refused.values()]);
    await cloud.object.postContainer(name, headers);
    return { targetId: name, stats, warnings };
  },

  async verify(
    context: Context,
    { resource, document, options, targetId, level }: VerifyInput<ContainerDocument>,
  ): Promise<Verified> {
    const { cloud, reader, signal } = context;
    const container = describe(targetId, await cloud.object.headContainer(targetId));
    const mismatches = fieldDifferences(
      {
        headers: targetHeaders(document, options.maps.project),
        storagePolicy: mappedPolicy(options.maps.policy, document.storagePolicy),
      },
      container,
    );
    const listing = resource.streams.listing;
    if (listing !== undefined) {
      const found = await mapPool(readListing<ObjectEntry>(reader, listing, signal), OBJECTS_AT_ONCE, (entry) =>
        verifyObject(context, targetId, entry, level, options.namePrefix ?? ""),
      );
      mismatches.push(...found.flat());
    }
    return { level, mismatches };
  },

  /** The objects that the restore put there, and the container if nothing else is in it. */
  async undo({ cloud, reader, signal }: Context, { resource, targetId }: UndoInput<ContainerDocument>): Promise<void> {
    const listing = resource.streams.listing;
    if (listing !== undefined)
      await mapPool(readListing<ObjectEntry>(reader, listing, signal), OBJECTS_AT_ONCE, (entry) =>
        cloud.object.deleteObject(targetId, entry.name),
      );
    const there = await ifThere(cloud.object.headContainer(targetId));
    if (there === undefined) return;
    for await (const object of cloud.object.listObjects(targetId, { signal }))
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
    captured: ["metadata", "access lists", "quotas", "storage policy", "objects with their headers", "SLO and DLO manifests"],
    restored: ["metadata", "access lists", "quotas", "storage policy", "objects with their headers", "SLO and DLO manifests"],
    roles: { capture: "member", restore: "member" },
    reported: { "last-modified": "Swift sets it to the time of the restore" },
  },
};

function refusedManifests(container: string, refused: readonly CodedError[]): CodedError {
  const [first] = refused;
  return new CodedError(
    "SEGMENTS_MISSING",
    `${refused.length} static large objects of ${container} lack segments, the first: ${first?.message}`,
    { facts: { container, objects: refused.length }, hint: first?.hint ?? "", retry: "later", cause: first },
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

/** Access lists name projects by id or name: those are mapped. */
function targetHeaders(
  document: ContainerDocument,
  projects: Readonly<Record<string, string>> | undefined,
): Record<string, string> {
  const map = (list: string) =>
    list
      .split(",")
      .map((part) => part.replace(/^([^:]+):/, (_, project: string) => `${projects?.[project.trim()] ?? project}:`))
      .join(",");
  return Object.fromEntries(
    Object.entries(document.headers).map(([k, v]) => [k, k === "x-container-read" || k === "x-container-write" ? map(v) : v]),
  );
}

function mappedPolicy(map: Readonly<Record<string, string>> | undefined, policy: string): string {
  return map?.[policy] ?? map?.["*"] ?? policy;
}

async function* entriesWhere<E>(entries: AsyncIterable<E>, wanted: (entry: E) => boolean): AsyncIterable<E> {
  for await (const entry of entries) if (wanted(entry)) yield entry;
}
