/**
 * Kv over LevelDB (classic-level): the one place that knows it.
 *
 * LevelDB detects few damages: a flipped bit can change a value, or lose a key, in silence. So a caller puts a checksum
 * into each value and can rebuild all of it from elsewhere. Values of ours do not compress, hence `compression: false`.
 * Its lock keeps a second process out (KV_LOCKED). Errors: KV_CLOSED, KV_CORRUPT, KV_LOCKED, KV_FAILED.
 */

import { ClassicLevel } from "classic-level";
import { kvClosed, kvError } from "./errors.ts";
import type { Kv, KvOperation } from "./kv.ts";

export interface LevelKvOptions {
  /** Memory for blocks read; default 32 MiB. */
  readonly cacheBytes?: number;
  /** Memory for what is not yet in a table; default 16 MiB. */
  readonly writeBufferBytes?: number;
}

/** Entries fetched at once by `range`. */
const RANGE_ENTRIES = 1000;

/** Opens the store in `directory`, which is made if it is not there (its parent must be). */
export async function openLevelKv(directory: string, options: LevelKvOptions = {}): Promise<Kv> {
  const level = new ClassicLevel<Uint8Array, Uint8Array>(directory, {
    keyEncoding: "view",
    valueEncoding: "view",
    compression: false,
    cacheSize: options.cacheBytes ?? 32 * 1024 * 1024,
    writeBufferSize: options.writeBufferBytes ?? 16 * 1024 * 1024,
    maxFileSize: 32 * 1024 * 1024,
  });
  try {
    await level.open();
  } catch (error) {
    throw kvError(error, directory);
  }
  let closed = false;
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closed) throw kvClosed();
    try {
      return await work();
    } catch (error) {
      throw closed ? kvClosed() : kvError(error, directory);
    }
  };
  return {
    get: (key) => guard(() => level.get(key)),
    getMany: (keys) => guard(() => level.getMany(keys as Uint8Array[])),
    batch: (operations, { sync }) => guard(() => level.batch(operations.map(levelOperation), { sync })),
    range(from, to) {
      if (closed) throw kvClosed();
      // The iterator is made now, not at the first step: it holds the state of the call.
      return rangeEntries(iterate(level, from, to), guard);
    },
    async close() {
      if (closed) return;
      closed = true;
      await level.close();
    },
  };
}

/** Removes the store in `directory`, whatever its state. KV_LOCKED if a process has it open. */
export async function destroyLevelKv(directory: string): Promise<void> {
  try {
    await ClassicLevel.destroy(directory);
  } catch (error) {
    throw kvError(error, directory);
  }
}

type LevelIterator = ReturnType<typeof iterate>;

const iterate = (level: ClassicLevel<Uint8Array, Uint8Array>, from: Uint8Array, to: Uint8Array) =>
  level.iterator({ gte: from, lt: to });

async function* rangeEntries(iterator: LevelIterator, guard: <T>(work: () => Promise<T>) => Promise<T>) {
  try {
    for (;;) {
      const entries = await guard(() => iterator.nextv(RANGE_ENTRIES));
      if (entries.length === 0) return;
      for (const [key, value] of entries) yield [key, value] as const;
    }
  } finally {
    await iterator.close();
  }
}

function levelOperation(operation: KvOperation) {
  return operation.type === "put"
    ? { type: "put" as const, key: operation.key, value: operation.value }
    : { type: "del" as const, key: operation.key };
}
