/**
 * Reads every pack again, without keys: each header, each body's digest, each footer, and that the index leads to each
 * record. Yields what is wrong, and goes on. A consumer that takes findings slowly slows the reading.
 *
 * What is damaged is marked so in the index; what the index lost is put back. Packs themselves are never changed.
 */

import { type IndexLocation, indexBlockKey, indexRecordKey, RECORD_TYPE_BLOCK } from "@permafrost/format";
import type { PackStore } from "@permafrost/packs";
import { CodedError, fromHex, toHex } from "@permafrost/std";
import { indexFound } from "./indexing.ts";
import type { LiveIndex } from "./live-index.ts";
import type { PackCatalog } from "./pack-catalog.ts";
import { readFooter, readPackHeader, type ScannedRecord, scanRecords } from "./pack-scan.ts";

export interface ScrubFinding {
  /**
   * `header`, `footer`: of the pack. `record`: a record is damaged or gone. `unindexed`: the index did not lead to a whole
   * record; it does again. `dangling`: the index leads to where nothing can be. `unreadable`: the pack is gone.
   */
  readonly kind: "header" | "footer" | "record" | "unindexed" | "dangling" | "unreadable";
  readonly pack: string;
  readonly offset: number;
  readonly repositoryId?: string;
  /** Hex block id, or digest of a record's key. */
  readonly id?: string;
  readonly message: string;
}

export interface ScrubParts {
  readonly packs: PackStore;
  readonly catalog: PackCatalog;
  readonly index: LiveIndex;
  readonly markDamaged: (key: Buffer, location: IndexLocation) => Promise<void>;
}

const RECORDS_PER_CHECK = 256;

export async function* scrubPacks(parts: ScrubParts): AsyncGenerator<ScrubFinding> {
  for (const { name } of parts.catalog.all()) {
    try {
      yield* scrubPack(parts, name);
    } catch (error) {
      if (!CodedError.is(error, "PACK_MISSING")) throw error;
      yield { kind: "unreadable", pack: name, offset: 0, message: "the pack is gone" };
    }
  }
  yield* scrubIndex(parts);
}

async function* scrubPack(parts: ScrubParts, pack: string): AsyncGenerator<ScrubFinding> {
  const { packs, catalog } = parts;
  const known = catalog.get(pack);
  if (!known) return;
  const { sizeBytes, sealed } = known;
  if (!(await readPackHeader(packs, pack))) yield { kind: "header", pack, offset: 0, message: "the pack's header is damaged" };
  const footer = await readFooter(packs, pack, sizeBytes);
  if (sealed && !footer) yield { kind: "footer", pack, offset: sizeBytes, message: "the pack's footer is damaged" };
  const expected = new Map(footer?.entries.map((entry) => [entry.offset, entry]));
  let whole: ScannedRecord[] = [];
  for await (const record of scanRecords(packs, pack, footer?.footerOffset ?? sizeBytes)) {
    if (!record.intact) continue;
    expected.delete(record.offset);
    whole.push(record);
    if (whole.length < RECORDS_PER_CHECK) continue;
    yield* checkIndexed(parts, pack, whole);
    whole = [];
  }
  yield* checkIndexed(parts, pack, whole);
  for (const entry of expected.values()) {
    const { offset, bodyBytes, repositoryId, id, type } = entry;
    if (type === RECORD_TYPE_BLOCK) {
      const location = { packId: fromHex(pack), offset, bodyBytes, damaged: false };
      await parts.markDamaged(indexBlockKey(repositoryId, id), location);
    }
    yield {
      kind: "record",
      pack,
      offset,
      repositoryId: toHex(repositoryId),
      id: toHex(id),
      message: "a record of the pack is damaged",
    };
  }
}

/** Whether the index has each of these whole records, or a later one in its place; what it lost is put back. */
async function* checkIndexed(parts: ScrubParts, pack: string, whole: readonly ScannedRecord[]): AsyncGenerator<ScrubFinding> {
  const lost: ScannedRecord[] = [];
  for (const record of whole) {
    const found = await parts.index.ask(async (index) =>
      record.type === RECORD_TYPE_BLOCK
        ? (await index.blocksAt([indexBlockKey(record.repositoryId, record.id)]))[0]
        : index.recordAt(indexRecordKey(record.repositoryId, record.keyText ?? "")),
    );
    const outdated = found && "version" in found && (found.version as bigint) < record.version;
    if (!found || found.damaged || outdated) lost.push(record);
  }
  if (lost.length === 0) return;
  await indexFound(parts.index.current, parts.packs, parts.catalog, pack, lost);
  for (const { offset, repositoryId, id } of lost) {
    yield {
      kind: "unindexed",
      pack,
      offset,
      repositoryId: toHex(repositoryId),
      id: toHex(id),
      message: "the index did not lead to this record; it does again",
    };
  }
}

async function* scrubIndex({ index, catalog }: ScrubParts): AsyncGenerator<ScrubFinding> {
  for await (const [key, location] of index.current.blockEntries()) {
    const repositoryId = toHex(key.subarray(1, 17));
    const id = toHex(key.subarray(17));
    if (!location) {
      yield { kind: "dangling", pack: "", offset: 0, repositoryId, id, message: "an entry of the index is damaged" };
      continue;
    }
    const pack = toHex(location.packId);
    const sizeBytes = catalog.get(pack)?.sizeBytes ?? 0;
    if (location.offset + location.bodyBytes < sizeBytes) continue;
    yield { kind: "dangling", pack, offset: location.offset, repositoryId, id, message: "the index leads beyond any pack" };
  }
}
