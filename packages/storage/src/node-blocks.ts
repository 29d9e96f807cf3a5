/**
 * The blocks of one node: whether they are here, writing them into packs, reading them back.
 *
 * Interleavings it must survive: a put that replaces a damaged copy while a read finds the damage (changes of the index are decided one at
 * a time); a prune that deletes what is asked for (`condemned.ts`: what is here when it is asked for stays here).
 */

import type { SealedBlock } from "@permafrost/blocks";
import { encodeIndexBlock, type IndexLocation, indexBlockKey, RECORD_TYPE_BLOCK } from "@permafrost/format";
import type { BlockId, RepositoryId } from "@permafrost/model";
import type { PackStore } from "@permafrost/packs";
import { type CodedError, equalBytes, fromHex, toHex } from "@permafrost/std";
import { readRecords } from "./body-reader.ts";
import type { Condemned } from "./condemned.ts";
import { corrupt } from "./errors.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { LiveIndex } from "./live-index.ts";
import type { PackCatalog } from "./pack-catalog.ts";
import type { PendingRecord } from "./pack-writer.ts";

export interface NodeBlocksParts {
  readonly nodeId: string;
  readonly packs: PackStore;
  readonly catalog: PackCatalog;
  readonly index: LiveIndex;
  readonly condemned: Condemned;
  readonly commits: GroupCommit;
  /** Throws STORE_FULL unless there is room for so many bytes more. */
  readonly checkRoom: (bytes: number) => Promise<void>;
}

export class NodeBlocks {
  readonly #parts: NodeBlocksParts;
  /** Places found damaged, as `pack:offset`; known at once, and kept in the index too. */
  readonly #damaged = new Set<string>();

  constructor(parts: NodeBlocksParts) {
    this.#parts = parts;
  }

  get damagedFound(): number {
    return this.#damaged.size;
  }

  /** Stores those that are not here; resolves when all are durable. STORE_FULL, STORE_READ_ONLY. */
  async put(repositoryId: RepositoryId, blocks: readonly SealedBlock[]): Promise<void> {
    // Before anything is awaited: see `condemned.ts`.
    const isLeaving = blocks.map((block) => this.#parts.condemned.isLeaving(repositoryId, block.id));
    await this.#parts.condemned.spare(
      repositoryId,
      blocks.map((block) => block.id),
    );
    await this.#parts.commits.admit();
    const repository = fromHex(repositoryId);
    const keys = blocks.map((block) => indexBlockKey(repository, block.id));
    const known = await this.#parts.index.ask((index) => index.blocksAt(keys));
    const records: PendingRecord[] = [];
    let bytes = 0;
    blocks.forEach((block, i) => {
      const location = isLeaving[i] ? undefined : known[i];
      if (location && this.isIntact(location)) return;
      bytes += block.body.length;
      records.push({
        type: RECORD_TYPE_BLOCK,
        keyBytes: 32,
        repositoryId: repository,
        id: block.id,
        version: 0n,
        body: block.body,
        digest: block.digest,
        indexKey: keys[i] as Buffer,
        isNew: isLeaving[i] ? undefined : location === undefined,
      });
    });
    if (records.length === 0) return;
    await this.#parts.checkRoom(bytes);
    await this.#parts.commits.add(records);
  }

  /** Bodies in the order of `ids`. BLOCK_CORRUPT. */
  async get(repositoryId: RepositoryId, ids: readonly BlockId[]): Promise<(SealedBlock | undefined)[]> {
    const repository = fromHex(repositoryId);
    const keys = ids.map((id) => indexBlockKey(repository, id));
    const known = await this.#parts.index.ask((index) => index.blocksAt(keys));
    const at = known.flatMap((location, i) => (location ? [{ location, i }] : []));
    const reads = await readRecords(
      this.#parts.packs,
      this.#parts.catalog,
      at.map(({ location }) => location),
    );
    const out = new Array<SealedBlock | undefined>(ids.length).fill(undefined);
    let failure: CodedError | undefined;
    for (const [n, { location, i }] of at.entries()) {
      const id = ids[i] as BlockId;
      const read = reads[n];
      if (read?.ok && read.header.type === RECORD_TYPE_BLOCK && equalBytes(read.header.id, id)) {
        out[i] = { id, body: read.body, digest: read.digest };
        continue;
      }
      const reason = read?.ok === false ? read.reason : "another record lies there";
      await this.markDamaged(keys[i] as Buffer, location);
      failure ??= this.#corrupt(repositoryId, toHex(id), location, reason);
    }
    if (failure) throw failure;
    return out;
  }

  /** Which are here, and from now on are not condemned. */
  async keep(repositoryId: RepositoryId, ids: readonly BlockId[]): Promise<boolean[]> {
    // Before anything is awaited: see `condemned.ts`.
    const isLeaving = ids.map((id) => this.#parts.condemned.isLeaving(repositoryId, id));
    await this.#parts.condemned.spare(repositoryId, ids);
    const repository = fromHex(repositoryId);
    const keys = ids.map((id) => indexBlockKey(repository, id));
    const known = await this.#parts.index.ask((index) => index.blocksAt(keys));
    return known.map((location, i) => location !== undefined && !isLeaving[i] && this.isIntact(location));
  }

  /** As far as is known without reading it. */
  readonly isIntact = (location: IndexLocation): boolean => {
    if (location.damaged || (this.#damaged.size > 0 && this.#damaged.has(place(location)))) return false;
    const pack = this.#parts.catalog.get(toHex(location.packId));
    return pack !== undefined && location.offset + location.bodyBytes < pack.sizeBytes;
  };

  #corrupt(repositoryId: string, name: string, location: IndexLocation, reason: string): CodedError {
    const { nodeId } = this.#parts;
    return corrupt(RECORD_TYPE_BLOCK, {
      nodeId,
      repositoryId,
      name,
      pack: toHex(location.packId),
      offset: location.offset,
      reason,
    });
  }

  /** Remembers that the copy at `location` is bad, unless the index has another by now. */
  readonly markDamaged = async (key: Buffer, location: IndexLocation): Promise<void> => {
    this.#damaged.add(place(location));
    try {
      await this.#parts.index.current.change(
        async () => {
          const [now] = await this.#parts.index.current.blocksAt([key]);
          if (!now || now.damaged || place(now) !== place(location)) return { operations: [] };
          const value = encodeIndexBlock(key, { ...now, damaged: true });
          return { operations: [{ type: "put", key, value }] };
        },
        { sync: false },
      );
    } catch {
      // The index cannot take it; until the next start the set above knows, and after that the next read.
    }
  };
}

function place(location: IndexLocation): string {
  return `${toHex(location.packId)}:${location.offset}`;
}
