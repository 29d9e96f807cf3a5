/**
 * The node's index over a Kv: which record lies where. Never trusted: a value whose checksum fails raises
 * INDEX_DAMAGED, on which the engine rebuilds from the packs and asks again.
 *
 * Changes go through `change`, one at a time, so that a decision made on what the index says still holds when it is
 * written. The counts of blocks and records are written in the same batch as the entries they count. Records are
 * counted again at each start: LevelDB may lose keys in silence, and a repository that is gone from the list is taken
 * for one that never was.
 */

import { blake3 } from "@permafrost/crypto";
import {
  decodeIndexBlock,
  decodeIndexMark,
  decodeIndexPack,
  decodeIndexRecord,
  decodeIndexRecordKey,
  encodeIndexMark,
  encodeIndexPack,
  type FooterEntry,
  type IndexLocation,
  type IndexPack,
  type IndexRecord,
  indexMarkKey,
  indexPackKey,
  indexRange,
  RECORD_TYPE_BLOCK,
} from "@permafrost/format";
import type { Kv, KvOperation } from "@permafrost/kv";
import { CodedError, equalBytes, toHex } from "@permafrost/std";
import { LostRecords } from "./lost-records.ts";

const FORMAT_MARK = indexMarkKey("format");
const CLEAN_MARK = indexMarkKey("clean");
const BLOCKS_MARK = indexMarkKey("blocks");
const RECORDS_MARK = indexMarkKey("records");
const INDEX_FORMAT = 1;

/** Of the index; without a location if it is damaged. */
export type BlockEntry = readonly [key: Uint8Array, location: IndexLocation | undefined];

export class NodeIndex {
  readonly #kv: Kv;
  /** What the packs say that cannot be indexed. */
  readonly lost = new LostRecords();
  #blocks = 0;
  #records = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(kv: Kv) {
    this.#kv = kv;
  }

  get blocks(): number {
    return this.#blocks;
  }

  /**
   * Reads the marks and takes the clean mark away. Answers whether the last owner closed it. FORMAT_UNKNOWN, INDEX_DAMAGED
   * (a record's entry is damaged or gone).
   */
  async start(): Promise<{ readonly clean: boolean }> {
    const [format, clean, blocks, records] = await this.#marks([FORMAT_MARK, CLEAN_MARK, BLOCKS_MARK, RECORDS_MARK]);
    if (format !== undefined && format !== INDEX_FORMAT) {
      throw new CodedError("FORMAT_UNKNOWN", `index format ${format} is not known here`, { facts: { format } });
    }
    this.#blocks = blocks ?? (await count(this.#kv.range(indexRange("block").from, indexRange("block").to)));
    const range = indexRange("record");
    this.#records = await count(this.records(range.from, range.to));
    if (this.#records !== (records ?? 0)) {
      throw new CodedError("INDEX_DAMAGED", "the index does not have as many records as it had", {
        facts: { records: this.#records, expected: records },
      });
    }
    await this.#kv.batch(
      [
        { type: "put", key: FORMAT_MARK, value: encodeIndexMark(FORMAT_MARK, INDEX_FORMAT) },
        { type: "delete", key: CLEAN_MARK },
      ],
      { sync: true },
    );
    return { clean: clean === 1 };
  }

  async markClean(): Promise<void> {
    await this.#kv.batch([{ type: "put", key: CLEAN_MARK, value: encodeIndexMark(CLEAN_MARK, 1) }], { sync: true });
  }

  async blocksAt(keys: readonly Buffer[]): Promise<(IndexLocation | undefined)[]> {
    const values = await this.#kv.getMany(keys);
    return values.map((value, i) => value && (decodeIndexBlock(keys[i] as Buffer, value) ?? damagedValue(keys[i])));
  }

  async recordAt(key: Buffer): Promise<IndexRecord | undefined> {
    const value = await this.#kv.get(key);
    return value && (decodeIndexRecord(key, value) ?? damagedValue(key));
  }

  /** Records with `from <= key < to`, in order. */
  async *records(from: Uint8Array, to: Uint8Array): AsyncGenerator<readonly [key: Uint8Array, record: IndexRecord]> {
    for await (const [key, value] of this.#kv.range(from, to)) {
      yield [key, decodeIndexRecord(key, value) ?? damagedValue(key)];
    }
  }

  /** At most `count` block entries with `from <= key < to`, in order; `undefined` for one whose checksum fails. */
  async blockPage(from: Uint8Array, to: Uint8Array, count: number): Promise<BlockEntry[]> {
    const page: BlockEntry[] = [];
    for await (const [key, value] of this.#kv.range(from, to)) {
      page.push([key, decodeIndexBlock(key, value)]);
      if (page.length === count) break;
    }
    return page;
  }

  /** All that lies in the pack, as far as the index says; it reads the whole index. */
  async *entriesIn(packId: Uint8Array): AsyncGenerator<FooterEntry> {
    const [blocks, records] = [indexRange("block"), indexRange("record")];
    for await (const [key, value] of this.#kv.range(blocks.from, blocks.to)) {
      const found = decodeIndexBlock(key, value);
      if (!found || !equalBytes(found.packId, packId)) continue;
      const { offset, bodyBytes } = found;
      const [repositoryId, id] = [Buffer.from(key.subarray(1, 17)), Buffer.from(key.subarray(17))];
      yield { type: RECORD_TYPE_BLOCK, repositoryId, id, version: 0n, offset, bodyBytes };
    }
    for await (const [key, { type, version, offset, bodyBytes, ...found }] of this.records(records.from, records.to)) {
      if (!equalBytes(found.packId, packId)) continue;
      const { repositoryId, keyText } = decodeIndexRecordKey(key);
      yield {
        type,
        repositoryId: Buffer.from(repositoryId),
        id: blake3(Buffer.from(keyText, "latin1")),
        version,
        offset,
        bodyBytes,
      };
    }
  }

  /** What the index knows of packs, by hex id. An entry whose checksum fails is left out: that pack is read again. */
  async packs(): Promise<Map<string, IndexPack>> {
    const { from, to } = indexRange("pack");
    const packs = new Map<string, IndexPack>();
    for await (const [key, value] of this.#kv.range(from, to)) {
      const pack = decodeIndexPack(key, value);
      if (pack) packs.set(toHex(key.subarray(1)), pack);
    }
    return packs;
  }

  /** Runs `decide` alone and writes what it answers in one batch. */
  change(decide: () => Promise<IndexChange>, options: { readonly sync: boolean }): Promise<void> {
    const run = this.#turn.then(async () => {
      const { operations, newBlocks = 0, newRecords = 0 } = await decide();
      if (operations.length === 0) return;
      const blocks = this.#blocks + newBlocks;
      const records = this.#records + newRecords;
      const all = [...operations];
      if (newBlocks !== 0) all.push(markOperation(BLOCKS_MARK, blocks));
      if (newRecords > 0) all.push(markOperation(RECORDS_MARK, records));
      await this.#kv.batch(all, options);
      this.#blocks = blocks;
      this.#records = records;
    });
    this.#turn = run.catch(() => undefined);
    return run;
  }

  close(): Promise<void> {
    return this.#kv.close();
  }

  async #marks(keys: readonly Buffer[]): Promise<(number | undefined)[]> {
    return (await this.#kv.getMany(keys)).map((value, i) => value && decodeIndexMark(keys[i] as Buffer, value));
  }
}

async function count(entries: AsyncIterable<unknown>): Promise<number> {
  let found = 0;
  for await (const _ of entries) found++;
  return found;
}

export interface IndexChange {
  readonly operations: readonly KvOperation[];
  /** Block keys that were not in the index before, less those that are deleted. */
  readonly newBlocks?: number;
  /** Record keys that were not in the index before. */
  readonly newRecords?: number;
}

export function packOperation(packId: Uint8Array, pack: IndexPack): KvOperation {
  const key = indexPackKey(packId);
  return { type: "put", key, value: encodeIndexPack(key, pack) };
}

function markOperation(key: Buffer, number: number): KvOperation {
  return { type: "put", key, value: encodeIndexMark(key, number) };
}

/** INDEX_DAMAGED. */
export function damagedValue(key: Uint8Array | undefined): never {
  throw new CodedError("INDEX_DAMAGED", "an entry of the index does not match its checksum", {
    facts: { key: key ? toHex(key) : undefined },
  });
}
