/**
 * The blueprint's plain inputs: one byte stream, or a tree of files, that a client sends. The same engine, no cloud.
 * A tree is a listing in the order it arrives, which must be the order of names.
 */

import { addStats, EMPTY_STATS, type ResourceResult, type StreamRoot, type StreamStats, type Task } from "@permafrost/model";
import {
  besideParent,
  compareNames,
  encodeListing,
  type ListingEntry,
  type Repository,
  readListing,
  type Writer,
  whileReadable,
} from "@permafrost/repository";
import { type Clock, CodedError, isoTime } from "@permafrost/std";

/** A file, directory or link, as it goes over the wire and into the listing. */
export interface TreeEntry extends ListingEntry {
  /** Path relative to the root of the tree, `/` between its parts. */
  readonly name: string;
  readonly kind: "file" | "directory" | "symlink";
  readonly mode: number;
  readonly modifiedAtMs: number;
  readonly sizeBytes: number;
  readonly linkTarget?: string;
}

export interface UploadedEntry {
  readonly entry: TreeEntry;
  /** The bytes of a file; empty for the others. */
  readonly data: AsyncIterable<Uint8Array>;
}

export interface UploadInput {
  readonly task: Extract<Task, { kind: "upload" }>;
  readonly repository: Repository;
  readonly writer: Writer;
  readonly signal: AbortSignal;
  readonly progress: (bytes: number) => void;
  readonly clock: Clock;
  readonly entries: AsyncIterable<UploadedEntry>;
}

export async function captureUpload(input: UploadInput): Promise<ResourceResult> {
  const { task, clock } = input;
  const startedAt = isoTime(clock.now());
  const { streams, stats } = task.input === "stream" ? await captureStream(input) : await captureTree(input);
  await input.writer.finish();
  return {
    type: task.input === "stream" ? "input.stream" : "input.tree",
    id: task.name,
    name: task.name,
    state: "succeeded",
    streams,
    stats,
    consistency: "fuzzy",
    sourceHash: "none",
    warnings: [],
    startedAt,
    endedAt: isoTime(clock.now()),
  };
}

interface Stored {
  readonly streams: Readonly<Record<string, StreamRoot>>;
  readonly stats: StreamStats;
}

async function captureStream(input: UploadInput): Promise<Stored> {
  const parent = input.task.parent?.streams.data;
  let stored: Stored | undefined;
  for await (const { data } of input.entries) {
    if (stored !== undefined) throw new CodedError("UPLOAD_MALFORMED", "A stream is one entry; another one came");
    const written = await input.writer.writeStream(data, {
      chunking: "content",
      signal: input.signal,
      onProgress: input.progress,
      ...(parent === undefined ? {} : { parent }),
    });
    stored = { streams: { data: written.root }, stats: written.stats };
  }
  if (stored === undefined) throw new CodedError("UPLOAD_MALFORMED", "The upload ended before its stream began");
  return stored;
}

async function captureTree(input: UploadInput): Promise<Stored> {
  let stats = EMPTY_STATS;
  const listing = input.task.parent?.streams.listing;
  const parent =
    listing === undefined
      ? undefined
      : whileReadable(readListing<TreeEntry>(input.repository.reader(), listing, input.signal), input.signal);
  let last: string | undefined;
  async function* heads(): AsyncIterable<{ readonly name: string; readonly uploaded: UploadedEntry }> {
    for await (const uploaded of input.entries) {
      const name = uploaded.entry.name;
      checkPath(name);
      if (last !== undefined && compareNames(last, name) >= 0)
        throw new CodedError("UPLOAD_MALFORMED", `The entries are not in order: ${name} after ${last}`);
      last = name;
      yield { name, uploaded };
    }
  }
  async function* entries(): AsyncIterable<TreeEntry> {
    for await (const [{ uploaded }, old] of besideParent(heads(), parent)) {
      if (uploaded.entry.kind !== "file") {
        yield uploaded.entry;
        continue;
      }
      const root = old?.content;
      const written = await input.writer.writeStream(uploaded.data, {
        chunking: "content",
        signal: input.signal,
        onProgress: input.progress,
        ...(root === undefined ? {} : { parent: root }),
      });
      stats = addStats(stats, written.stats);
      yield { ...uploaded.entry, sizeBytes: written.root.sizeBytes, content: written.root };
    }
  }
  const written = await input.writer.writeStream(encodeListing(entries()), { chunking: "content", signal: input.signal });
  return { streams: { listing: written.root }, stats: addStats(stats, { ...written.stats, logicalBytes: 0, readBytes: 0 }) };
}

/** A path that stays inside its tree. Throws PATH_REFUSED. */
export function checkPath(path: string): void {
  const bad =
    path === "" ||
    path.startsWith("/") ||
    path.includes("\0") ||
    path.split("/").some((part) => part === "" || part === "." || part === "..");
  if (bad)
    throw new CodedError("PATH_REFUSED", `The path ${JSON.stringify(path)} does not stay inside its tree`, { facts: { path } });
}
