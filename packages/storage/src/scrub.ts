/**
 * Reads every pack again, without keys: each header, each body's digest, each footer, and that the index leads to each
 * record. Yields what is wrong, and goes on. A consumer that takes findings slowly slows the reading.
 *
 * What is damaged is marked so in the index; what the index lost is put back. Packs themselves are never changed.
 */

import { type IndexLocation, indexBlockKey, indexRange, indexRecordKey, RECORD_TYPE_BLOCK } from "@permafrost/format";
import type { PackStore } from "@permafrost/packs";
import { CodedError, fromHex, toHex } from "@permafrost/std";
import type { InFlight } from "./in-flight.ts";
import { indexFound } from "./indexing.ts";
import type { LiveIndex } from "./live-index.ts";
import type { BlockEntry } from "./node-index.ts";
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
  /** A pack is not removed while it is read here. */
  readonly reads: InFlight;
  readonly markDamaged: (key: Buffer, location: IndexLocation) => Promise<void>;
  readonly pace: ScrubPace;
}

/** Told of bytes read, some MiB at a time; awaited before more are read. Throwing ends the scrub. */
export type ScrubPace = (bytes: number) => Promise<void>;

const RECORDS_PER_CHECK = 256;
const PACE_BYTES = 4 * 1024 * 1024;
const ENTRIES_PER_PAGE = 1024;

export async function* scrubPacks(parts: ScrubParts): AsyncGenerator<ScrubFinding> {
  for (const { name } of parts.catalog.all()) {
    const end = parts.reads.begin();
    try {
      yield* scrubPack(parts, name);
    } catch (error) {
      if (!CodedError.is(error, "PACK_MISSING")) throw error;
      yield { kind: "unreadable", pack: name, offset: 0, message: "the pack is gone" };
    } finally {
      end();
    }
  }
  yield* scrubIndex(parts);
}

async function* scrubPack(parts: ScrubParts, pack: string): AsyncGenerator<ScrubFinding> {
  const { packs, catalog } = parts;
  const known = catalog.get(pack);
  if (!known || known.isLeaving) return;
  const { sizeBytes, sealed } = known;
  if (!(await readPackHeader(packs, pack))) yield { kind: "header", pack, offset: 0, message: "the pack's header is damaged" };
  const footer = await readFooter(packs, pack, sizeBytes);
  if (sealed && !footer) yield { kind: "footer", pack, offset: sizeBytes, message: "the pack's footer is damaged" };
  const expected = new Map(footer?.entries.map((entry) => [entry.offset, entry]));
  let whole: ScannedRecord[] = [];
  let read = 0;
  for await (const record of scanRecords(packs, pack, footer?.footerOffset ?? sizeBytes)) {
    read += record.bodyBytes;
    if (read >= PACE_BYTES) {
      await parts.pace(read);
      read = 0;
    }
    if (!record.intact) continue;
    expected.delete(record.offset);
    whole.push(record);
    if (whole.length < RECORDS_PER_CHECK) continue;
    yield* checkIndexed(parts, pack, whole);
    whole = [];
  }
  yield* checkIndexed(parts, pack, whole);
  await parts.pace(read);
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
  // Of a pack that is leaving the index rightly says nothing.
  if (lost.length === 0 || parts.catalog.get(pack)?.isLeaving) return;
  await parts.index.ask((index) => indexFound(index, parts.packs, parts.catalog, pack, lost));
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

async function* scrubIndex({ index, catalog, reads }: ScrubParts): AsyncGenerator<ScrubFinding> {
  const range = indexRange("block");
  for (let from: Uint8Array | undefined = range.from; from !== undefined; ) {
    const start: Uint8Array = from;
    const end = reads.begin();
    try {
      const page: BlockEntry[] = await index.ask((now) => now.blockPage(start, range.to, ENTRIES_PER_PAGE));
      for (const [key, location] of page) {
        if (location && isWithin(catalog, location)) continue;
        const [repositoryId, id] = [toHex(key.subarray(1, 17)), toHex(key.subarray(17))];
        const [pack, offset] = location ? [toHex(location.packId), location.offset] : ["", 0];
        const message = location ? "the index leads beyond any pack" : "an entry of the index is damaged";
        yield { kind: "dangling", pack, offset, repositoryId, id, message };
      }
      const last = page.at(-1)?.[0];
      from = last && Buffer.concat([last, Buffer.of(0)]);
    } finally {
      end();
    }
  }
}

function isWithin(catalog: PackCatalog, location: IndexLocation): boolean {
  return location.offset + location.bodyBytes < (catalog.get(toHex(location.packId))?.sizeBytes ?? 0);
}
