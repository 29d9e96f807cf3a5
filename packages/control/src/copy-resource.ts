/**
 * Copies what a restore point of another site has of one resource: its document, its streams, and what its listings name. What an earlier copy of the
 * same resource has is not transferred again: a whole stream or entry by its root, blocks by the two manifests.
 *
 * A listing holds the roots of its entries, so it is written anew with those of the copies; entries meet their earlier selves by name.
 */

import { addStats, EMPTY_STATS, type ResourceResult, type StreamRoot } from "@permafrost/model";
import {
  besideParent,
  type CopiedStream,
  encodeListing,
  LISTING_STREAMS,
  type ListingEntry,
  type Repository,
  readListing,
  type Writer,
  whileReadable,
} from "@permafrost/repository";
import { mapPool } from "@permafrost/std";

/** Entries of a listing taken together, and copied at the same time; each holds the memory of a stream. */
const ENTRIES_TOGETHER = 64;
const ENTRIES_AT_ONCE = 4;

export interface CopyParts {
  readonly source: Repository;
  readonly repository: Repository;
  readonly newWriter: () => Writer;
  readonly signal: AbortSignal;
}

/** A resource as an earlier restore point of the source has it, and as that one's copy has it. */
export interface CopiedResource {
  readonly source: ResourceResult;
  readonly copy: ResourceResult;
}

/** The result as this repository has it, durable. `readBytes` of its stats are what was transferred. */
export async function copyResource(
  parts: CopyParts,
  captured: ResourceResult,
  before: CopiedResource | undefined,
  onProgress: (bytes: number) => void,
): Promise<ResourceResult> {
  const { source, newWriter, signal } = parts;
  const writer = newWriter();
  let stats = EMPTY_STATS;
  const copy = async (root: StreamRoot, parent: CopiedStream | undefined): Promise<StreamRoot> => {
    const options = { signal, onProgress, ...(parent === undefined ? {} : { parent }) };
    const written = await writer.copyStream(source, root, options);
    stats = addStats(stats, written.stats);
    return written.root;
  };
  const { document } = captured;
  const copiedDocument = document && (await copy(document, paired(before?.source.document, before?.copy.document)));
  const streams: Record<string, StreamRoot> = {};
  for (const [name, root] of Object.entries(captured.streams)) {
    const parent = paired(before?.source.streams[name], before?.copy.streams[name]);
    if (!LISTING_STREAMS.has(name)) streams[name] = await copy(root, parent);
    else if (parent?.source.id === root.id) streams[name] = parent.copy;
    else {
      const options = { chunking: root.chunking, signal, ...(parent === undefined ? {} : { parent: parent.copy }) };
      const written = await writer.writeStream(encodeListing(copiedEntries(parts, root, parent, copy)), options);
      stats = addStats(stats, written.stats);
      streams[name] = written.root;
    }
  }
  await writer.finish();
  return {
    ...captured,
    ...(copiedDocument === undefined ? {} : { document: copiedDocument }),
    streams,
    stats: { ...stats, logicalBytes: captured.stats.logicalBytes },
  };
}

async function* copiedEntries(
  { source, repository, signal }: CopyParts,
  root: StreamRoot,
  parent: CopiedStream | undefined,
  copy: (root: StreamRoot, parent: CopiedStream | undefined) => Promise<StreamRoot>,
): AsyncGenerator<ListingEntry> {
  const earlier =
    parent &&
    pairedEntries(
      whileReadable(readListing(source.reader(), parent.source, signal), signal),
      whileReadable(readListing(repository.reader(), parent.copy, signal), signal),
    );
  const entries = besideParent<ListingEntry, EarlierEntry>(readListing(source.reader(), root, signal), earlier);
  let together: (readonly [ListingEntry, EarlierEntry | undefined])[] = [];
  const copyAll = () =>
    mapPool(together, ENTRIES_AT_ONCE, async ([entry, old]): Promise<ListingEntry> => {
      if (entry.content === undefined) return entry;
      return { ...entry, content: await copy(entry.content, paired(old?.content, old?.copy)) };
    });
  for await (const entry of entries) {
    together.push(entry);
    if (together.length < ENTRIES_TOGETHER) continue;
    yield* await copyAll();
    together = [];
  }
  yield* await copyAll();
}

interface EarlierEntry extends ListingEntry {
  /** Of its content. */
  readonly copy?: StreamRoot;
}

/** A copied listing has the entries of its source, in the same order; where it has not, it ends. */
async function* pairedEntries(
  source: AsyncIterable<ListingEntry>,
  copy: AsyncIterable<ListingEntry>,
): AsyncGenerator<EarlierEntry> {
  const copies = copy[Symbol.asyncIterator]();
  try {
    for await (const entry of source) {
      const { done, value } = await copies.next();
      if (done || value.name !== entry.name) return;
      yield { ...entry, ...(value.content === undefined ? {} : { copy: value.content }) };
    }
  } finally {
    await copies.return?.(undefined);
  }
}

function paired(source: StreamRoot | undefined, copy: StreamRoot | undefined): CopiedStream | undefined {
  return source === undefined || copy === undefined ? undefined : { source, copy };
}
