/**
 * A stream's bytes in order, fetched ahead: several calls of many ids each are in flight, at most READ_AHEAD_BYTES in all.
 *
 * Exact bytes or an error: every block is authenticated, its id recomputed and its length compared. A block that occurs
 * again soon is kept, opened, in a small cache. What is yielded may be shared with the cache: it is read, not written.
 */

import type { SealedBlock } from "@permafrost/blocks";
import type { BlockId, StreamRoot } from "@permafrost/model";
import { CodedError, fromHex, fromUtf8, type Json } from "@permafrost/std";
import type { Extent, Reader, ReadOptions } from "./contract.ts";
import { located, type PageReader } from "./page-reader.ts";
import { PlaintextCache } from "./plaintext-cache.ts";
import { idName } from "./recent-ids.ts";
import { ZEROS } from "./zeros.ts";

const READ_AHEAD_BYTES = 16 * 1024 * 1024;
const BATCH_IDS = 64;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Zero runs and blocks already underway ask nothing, but take a place in a batch. */
const BATCH_EXTENTS = 256;
const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024;

type BlockExtent = Extract<Extent, { kind: "block" }>;

interface Batch {
  readonly extents: readonly Extent[];
  /** Plaintext bytes of the blocks it fetches. */
  readonly bytes: number;
  readonly names: readonly string[];
  readonly fetched: Promise<ReadonlyMap<string, SealedBlock | CodedError>>;
}

export class RepositoryReader implements Reader {
  readonly #pages: PageReader;

  constructor(pages: PageReader) {
    this.#pages = pages;
  }

  async *readStream(root: StreamRoot, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    const start = options.start ?? 0;
    const end = options.end ?? root.sizeBytes;
    if (!(0 <= start && start <= end && end <= root.sizeBytes)) {
      throw new RangeError(`bytes ${start} to ${end} are not within a stream of ${root.sizeBytes} bytes`);
    }
    const { signal } = options;
    const cache = new PlaintextCache();
    for await (const batch of this.#fetchAhead(root, start, end, cache, signal)) {
      const fetched = await batch.fetched;
      for (const extent of batch.extents) {
        signal?.throwIfAborted();
        const from = Math.max(0, start - extent.offset);
        const to = Math.min(extent.length, end - extent.offset);
        if (extent.kind === "zero") {
          for (let at = from; at < to; at += ZEROS.length) yield ZEROS.subarray(0, Math.min(ZEROS.length, to - at));
        } else {
          const plaintext = await this.#plaintext(extent, fetched, cache);
          yield to - from === plaintext.length ? plaintext : plaintext.subarray(from, to);
        }
      }
    }
  }

  async readDocument(root: StreamRoot, bytesMax: number = DOCUMENT_BYTES_MAX): Promise<Json> {
    if (root.sizeBytes > bytesMax) {
      throw new CodedError("DOCUMENT_TOO_LARGE", `a document of ${root.sizeBytes} bytes is larger than ${bytesMax} bytes`, {
        facts: { sizeBytes: root.sizeBytes, bytesMax },
      });
    }
    const parts: Uint8Array[] = [];
    for await (const part of this.readStream(root)) parts.push(part);
    try {
      return JSON.parse(fromUtf8(Buffer.concat(parts))) as Json;
    } catch (cause) {
      throw new CodedError("DOCUMENT_INVALID", "the stream is not a JSON document", { facts: { id: root.id }, cause });
    }
  }

  extents(root: StreamRoot): AsyncGenerator<Extent> {
    return this.#extents(root, 0, root.sizeBytes, undefined);
  }

  async *#extents(root: StreamRoot, start: number, end: number, signal: AbortSignal | undefined): AsyncGenerator<Extent> {
    if (root.form === "empty" || start === end) return;
    if (root.form === "block") {
      yield { kind: "block", offset: 0, length: root.sizeBytes, id: fromHex(root.id) };
      return;
    }
    for await (const leaf of this.#pages.leaves(root, { start, end, signal })) {
      if ("damage" in leaf) throw leaf.damage;
      let offset = leaf.offset;
      for (const entry of leaf.page.entries) {
        if (offset < end && offset + entry.length > start) yield { ...entry, offset };
        offset += entry.length;
      }
    }
  }

  /** Batches in order; those behind the one yielded are underway already. */
  async *#fetchAhead(
    root: StreamRoot,
    start: number,
    end: number,
    cache: PlaintextCache,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Batch> {
    const window: Batch[] = [];
    const underway = new Set<string>();
    let windowBytes = 0;
    for await (const extents of batched(
      this.#extents(root, start, end, signal),
      (id) => underway.has(idName(id)) || cache.has(id),
    )) {
      const ids = new Map<string, BlockId>();
      let bytes = 0;
      for (const extent of extents) {
        if (extent.kind === "zero") continue;
        const name = idName(extent.id);
        if (underway.has(name) || cache.has(extent.id)) continue;
        underway.add(name);
        ids.set(name, extent.id);
        bytes += extent.length;
      }
      const fetched = this.#fetch(ids);
      fetched.catch(() => {}); // thrown where the batch is read
      window.push({ extents, bytes, names: [...ids.keys()], fetched });
      windowBytes += bytes;
      while (windowBytes >= READ_AHEAD_BYTES || window.length >= READ_AHEAD_BYTES / BATCH_BYTES) {
        const batch = window.shift() as Batch;
        windowBytes -= batch.bytes;
        yield batch;
        for (const name of batch.names) underway.delete(name);
      }
    }
    yield* window;
  }

  async #fetch(ids: ReadonlyMap<string, BlockId>): Promise<ReadonlyMap<string, SealedBlock | CodedError>> {
    const blocks = await this.#pages.fetch([...ids.values()]);
    return new Map([...ids.keys()].map((name, index) => [name, blocks[index] as SealedBlock | CodedError]));
  }

  async #plaintext(
    extent: BlockExtent,
    fetched: ReadonlyMap<string, SealedBlock | CodedError>,
    cache: PlaintextCache,
  ): Promise<Uint8Array> {
    const { id, offset, length } = extent;
    const cached = cache.get(id);
    if (cached?.length === length) return cached;
    // Not in the batch: it was in the cache, or underway in an earlier batch, and has been dropped since.
    const block = fetched.get(idName(id)) ?? (await this.#pages.fetch([id]))[0];
    const plaintext = this.#pages.open("data", id, block as SealedBlock | CodedError, length);
    if (plaintext instanceof CodedError) throw located(plaintext, offset, length, id, "data");
    cache.set(id, plaintext);
    return plaintext;
  }
}

/** Groups of extents that fetch at most BATCH_IDS blocks and BATCH_BYTES. */
async function* batched(extents: AsyncIterable<Extent>, isKnown: (id: BlockId) => boolean): AsyncGenerator<Extent[]> {
  let batch: Extent[] = [];
  let ids = 0;
  let bytes = 0;
  for await (const extent of extents) {
    batch.push(extent);
    if (extent.kind === "block" && !isKnown(extent.id)) {
      ids++;
      bytes += extent.length;
    }
    if (ids < BATCH_IDS && bytes < BATCH_BYTES && batch.length < BATCH_EXTENTS) continue;
    yield batch;
    batch = [];
    ids = 0;
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
