/** Which blocks a stream is made of: its pages and, without reading them, its data blocks. */

import type { BlockId, StreamRoot } from "@permafrost/model";
import { fromHex } from "@permafrost/std";
import type { Repository } from "./contract.ts";
import { openedParts } from "./opened.ts";

/** Hears of blocks, some of them many times. */
export interface Reached {
  /** A page; answers whether what lies below it is still to be told. It will be, or the walk fails. */
  page(id: BlockId): boolean;
  data(id: BlockId): void;
}

/** Tells every block of the stream. Throws BLOCK_MISSING or BLOCK_CORRUPT for a page that cannot be read, and what the store throws. */
export async function reachBlocks(
  repository: Repository,
  root: StreamRoot,
  reached: Reached,
  signal?: AbortSignal,
): Promise<void> {
  if (root.form === "empty") return;
  const id = fromHex(root.id);
  if (root.form === "block") return reached.data(id);
  if (!reached.page(id)) return;
  const { pages } = openedParts(repository);
  for await (const leaf of pages.leaves(root, { signal, skip: (page) => !reached.page(page) })) {
    if ("damage" in leaf) throw leaf.damage;
    for (const entry of leaf.page.entries) if (entry.kind === "block") reached.data(entry.id);
  }
}
