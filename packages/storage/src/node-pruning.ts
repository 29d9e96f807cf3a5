/**
 * One node's side of a prune over its index, its condemned and its packs; the contract is `NodePruning`.
 *
 * A sweep looks up where the condemned lie and clears packs, those with the most to give back first, so that a full disk has room
 * before anything is moved. A pack that is nearly all alive is not worth the writing: its condemned wait until more is.
 */

import {
  ascending,
  checkCycle,
  checkIds,
  checkNotFenced,
  checkRepositoryId,
  checkSweep,
  type ListedBlock,
  type NodePruning,
  type SweepProgress,
} from "@permafrost/blocks";
import { type IndexLocation, indexBlockKey, recordBytes } from "@permafrost/format";
import { BLOCK_ID_BYTES, IDS_PER_REQUEST_MAX, type RepositoryId } from "@permafrost/model";
import { CodedError, fromHex, toHex } from "@permafrost/std";
import { damagedValue } from "./node-index.ts";
import { type ClearingParts, clearPack } from "./pack-clearing.ts";

export interface PruningParts extends ClearingParts {
  readonly nodeId: string;
  /** Throws when the store is closed. */
  readonly checkOpen: () => void;
  /** Throws when the store takes no writes either. */
  readonly checkWritable: () => void;
  /** Seals the pack that is being written. */
  readonly seal: () => Promise<void>;
}

/** A pack is cleared when at least this part of it is condemned. */
const CLEARED_PART_MIN = 0.1;

export interface EnginePruning extends NodePruning {
  /** Resolves when no sweep runs. */
  stopped(): Promise<void>;
}

export function nodePruning(parts: PruningParts): EnginePruning {
  const { condemned, nodeId, index } = parts;
  /** Sweeps one at a time: two would clear the same packs. */
  let sweeping: Promise<unknown> = Promise.resolve();

  const check = (repositoryId: RepositoryId, cycle: number) => {
    parts.checkOpen();
    checkCycle(repositoryId, cycle);
    checkNotFenced(cycle, condemned.begun(repositoryId));
  };

  return {
    nodeId,
    stopped: async () => void (await sweeping),

    async begin(repositoryId, cycle) {
      check(repositoryId, cycle);
      parts.checkWritable();
      await condemned.begin(repositoryId, cycle);
    },

    async *list(repositoryId) {
      checkRepositoryId(repositoryId);
      const repository = fromHex(repositoryId);
      const to = afterRepository(repository);
      let from: Uint8Array = indexBlockKey(repository, Buffer.alloc(BLOCK_ID_BYTES));
      for (;;) {
        parts.checkOpen();
        const page = await index.ask(async (now) => {
          const entries = await now.blockPage(from, to, IDS_PER_REQUEST_MAX);
          const damaged = entries.find(([, location]) => location === undefined);
          return damaged ? damagedValue(damaged[0]) : entries;
        });
        if (page.length === 0) return;
        yield page.map(([key, location]): ListedBlock => {
          const id = Buffer.from(key.subarray(17));
          const { bodyBytes } = location as IndexLocation;
          return { id, bodyBytes, condemnedIn: condemned.condemnedIn(repositoryId, id) };
        });
        const last = page.at(-1)?.[0] ?? from;
        from = Buffer.concat([last, Buffer.of(0)]);
      }
    },

    async condemn(repositoryId, cycle, ids) {
      check(repositoryId, cycle);
      parts.checkWritable();
      const repository = fromHex(repositoryId);
      const chosen: Uint8Array[] = [];
      for await (const page of ascending(ids)) {
        const known = await index.ask((now) => now.blocksAt(page.map((id) => indexBlockKey(repository, id))));
        chosen.push(...page.filter((id, i) => known[i] && condemned.condemnedIn(repositoryId, id) === 0));
      }
      await condemned.add(repositoryId, cycle, Buffer.concat(chosen), () => check(repositoryId, cycle));
      return chosen.length;
    },

    async spare(repositoryId, cycle, ids) {
      check(repositoryId, cycle);
      checkIds(ids);
      await condemned.spare(repositoryId, ids);
    },

    async *sweep(repositoryId, cycle, upToCycle) {
      checkSweep(repositoryId, cycle, upToCycle);
      const { promise: over, resolve: end } = Promise.withResolvers<void>();
      const before = sweeping;
      sweeping = over;
      try {
        await before;
        yield* sweep(parts, repositoryId, upToCycle, () => {
          check(repositoryId, cycle);
          parts.checkWritable();
        });
      } finally {
        end();
      }
    },
  };
}

async function* sweep(
  parts: PruningParts,
  repositoryId: RepositoryId,
  upToCycle: number,
  checkMayGoOn: () => void,
): AsyncGenerator<SweepProgress> {
  const { condemned, catalog } = parts;
  checkMayGoOn();
  const lying = await whereTheyLie(parts, repositoryId, upToCycle);
  let progress: SweepProgress = { deletedBlocks: 0, deletedBytes: 0, freedBytes: 0, leftBlocks: 0 };
  const worth = [...lying].flatMap(([name, { bytes, blocks }]) => {
    const sizeBytes = catalog.get(name)?.sizeBytes;
    return sizeBytes === undefined ? [] : [{ name, blocks, sizeBytes, part: bytes / sizeBytes }];
  });
  if (worth.some(({ name }) => catalog.get(name)?.sealed === false)) await parts.seal();
  for (const { name, blocks, sizeBytes, part } of worth.sort((a, b) => b.part - a.part)) {
    checkMayGoOn();
    const cleared = part < CLEARED_PART_MIN ? undefined : await clearOrLeave(parts, name, repositoryId, upToCycle);
    progress = cleared
      ? {
          deletedBlocks: progress.deletedBlocks + cleared.deletedBlocks,
          deletedBytes: progress.deletedBytes + cleared.deletedBytes,
          freedBytes: progress.freedBytes + sizeBytes - cleared.movedBytes,
          leftBlocks: progress.leftBlocks,
        }
      : { ...progress, leftBlocks: progress.leftBlocks + blocks };
    yield progress;
  }
  const repository = fromHex(repositoryId);
  await condemned.tidy(repositoryId, upToCycle, async (page) => {
    const known = await parts.index.ask((index) => index.blocksAt(page.map((id) => indexBlockKey(repository, id))));
    return known.map((location) => location !== undefined);
  });
  yield progress;
}

/** Where an index or a disk fails it, a pack is left: it is whole, and the next sweep sees it again. */
async function clearOrLeave(parts: PruningParts, name: string, repositoryId: RepositoryId, upToCycle: number) {
  try {
    return await clearPack(parts, name, repositoryId, upToCycle);
  } catch (error) {
    if (CodedError.is(error) && ["PACK_IO", "PACK_MISSING", "INDEX_DAMAGED", "KV_CORRUPT"].includes(error.code)) return undefined;
    throw error;
  }
}

/** Bytes and number of condemned blocks by pack. */
async function whereTheyLie({ condemned, index }: PruningParts, repositoryId: RepositoryId, upToCycle: number) {
  const repository = fromHex(repositoryId);
  const lying = new Map<string, { bytes: number; blocks: number }>();
  for (const page of condemned.upTo(repositoryId, upToCycle)) {
    const known = await index.ask((now) => now.blocksAt(page.map((id) => indexBlockKey(repository, id))));
    for (const location of known) {
      if (!location) continue;
      const name = toHex(location.packId);
      const at = lying.get(name) ?? { bytes: 0, blocks: 0 };
      at.bytes += recordBytes(location.bodyBytes);
      at.blocks++;
      lying.set(name, at);
    }
  }
  return lying;
}

/** The first index key behind all blocks of the repository. */
function afterRepository(repository: Uint8Array): Buffer {
  return Buffer.concat([indexBlockKey(repository, Buffer.alloc(BLOCK_ID_BYTES, 0xff)), Buffer.of(0)]);
}
