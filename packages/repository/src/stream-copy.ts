/**
 * One stream of another repository into blocks and a manifest of this one: each block is opened with that one's keys, which proves it, and named
 * and sealed with this one's.
 *
 * The source's cuts are kept, whatever this repository would cut itself: so a later copy learns from manifests alone what an earlier one has, and
 * reads no data of it. Several reads are in flight; their memory is bounded. Damage at the source ends this stream and names its place.
 */

import type { SealedBlock } from "@permafrost/blocks";
import { type BlockId, EMPTY_STATS, type StreamRoot } from "@permafrost/model";
import { assert, CodedError } from "@permafrost/std";
import type { CopyOptions, Extent, Repository, Written } from "./contract.ts";
import { CopiedBlocks } from "./copied-blocks.ts";
import { openedParts } from "./opened.ts";
import { located } from "./page-reader.ts";
import { PageTree } from "./page-tree.ts";
import { RepositoryReader } from "./stream-reader.ts";
import type { StreamWriterParts } from "./stream-writer.ts";
import { emptyTally } from "./uploader.ts";

const BATCH_IDS = 64;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Zeros and blocks that are here already ask nothing, but take a place in a batch. */
const BATCH_EXTENTS = 1024;
const BATCHES_AHEAD = 4;

/** An extent of the source; `known`: its block's id here. */
interface Piece {
  readonly extent: Extent;
  readonly known?: BlockId;
}

interface Batch {
  readonly pieces: readonly Piece[];
  /** Of the pieces that are blocks and not known, in order. */
  readonly bodies: Promise<(SealedBlock | CodedError)[]>;
}

/** See `Writer.copyStream`. */
export async function copyStream(
  { sealing, uploader, reader }: StreamWriterParts,
  source: Repository,
  root: StreamRoot,
  { parent, signal, onProgress }: CopyOptions,
): Promise<Written> {
  if (parent !== undefined && isSameRoot(parent.source, root))
    return { root: parent.copy, stats: { ...EMPTY_STATS, logicalBytes: root.sizeBytes } };
  const { pages } = openedParts(source);
  const copied = new CopiedBlocks(source.reader(), new RepositoryReader(reader), parent);
  const tally = emptyTally();
  const tree = new PageTree(root.chunking, (page) => {
    const id = sealing.id("page", page);
    uploader.offer("page", id, page, tally);
    return id;
  });
  let [zeroBytes, readBytes, parentBlocks] = [0, 0, 0];
  try {
    uploader.throwIfFailed();
    const fetch = (ids: readonly BlockId[]) => pages.fetch(ids);
    for await (const { pieces, bodies } of fetchedAhead(source.reader().extents(root), copied, fetch)) {
      signal?.throwIfAborted();
      const fetched = await bodies;
      let at = 0;
      for (const { extent, known } of pieces) {
        for (let wait = uploader.room(signal); wait; wait = uploader.room(signal)) await wait;
        if (extent.kind === "zero") {
          zeroBytes += extent.length;
          tree.addZeros(extent.length);
        } else if (known !== undefined) {
          parentBlocks++;
          tree.addBlock(known, extent.length);
        } else {
          const body = fetched[at++];
          assert(body, "a block was asked for and not answered");
          const plaintext = pages.open("data", extent.id, body, extent.length);
          if (plaintext instanceof CodedError) throw located(plaintext, extent.offset, extent.length, extent.id, "data");
          const id = sealing.id("data", plaintext);
          uploader.offer("data", id, plaintext, tally);
          readBytes += extent.length;
          tree.addBlock(id, extent.length);
        }
        onProgress?.(extent.length);
      }
    }
    const made = tree.finish();
    assert(made.sizeBytes === root.sizeBytes, `a copy of ${root.sizeBytes} bytes has ${made.sizeBytes}`);
    await uploader.settle(tally, signal);
    const { newBytes, storedBytes, newBlocks, reservedBlocks } = tally;
    const counted = { readBytes, zeroBytes, newBytes, storedBytes, newBlocks, parentBlocks, reservedBlocks };
    return { root: made, stats: { logicalBytes: root.sizeBytes, ...counted } };
  } finally {
    await copied.close();
  }
}

/** Batches in order; those behind the one yielded are underway already. */
async function* fetchedAhead(
  extents: AsyncIterable<Extent>,
  copied: CopiedBlocks,
  fetch: (ids: readonly BlockId[]) => Promise<(SealedBlock | CodedError)[]>,
): AsyncGenerator<Batch> {
  const window: Batch[] = [];
  for await (const pieces of batched(extents, copied)) {
    const ids = pieces.flatMap(({ extent, known }) => (extent.kind === "block" && known === undefined ? [extent.id] : []));
    const bodies = fetch(ids);
    bodies.catch(() => undefined); // thrown where the batch is read
    window.push({ pieces, bodies });
    if (window.length > BATCHES_AHEAD) yield window.shift() as Batch;
  }
  yield* window;
}

async function* batched(extents: AsyncIterable<Extent>, copied: CopiedBlocks): AsyncGenerator<Piece[]> {
  let pieces: Piece[] = [];
  let [ids, bytes] = [0, 0];
  for await (const extent of extents) {
    const known = extent.kind === "block" ? await copied.find(extent.id, extent.length, extent.offset) : undefined;
    pieces.push(known === undefined ? { extent } : { extent, known });
    if (extent.kind === "block" && known === undefined) {
      ids++;
      bytes += extent.length;
    }
    if (ids < BATCH_IDS && bytes < BATCH_BYTES && pieces.length < BATCH_EXTENTS) continue;
    yield pieces;
    pieces = [];
    [ids, bytes] = [0, 0];
  }
  if (pieces.length > 0) yield pieces;
}

function isSameRoot(a: StreamRoot, b: StreamRoot): boolean {
  return a.id === b.id && a.form === b.form && a.sizeBytes === b.sizeBytes && a.chunking === b.chunking;
}
