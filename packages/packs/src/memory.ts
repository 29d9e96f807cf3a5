/**
 * PackStore in memory, with the faults of a disk: for tests.
 *
 * `onOperation` sees every mutating operation before it acts and again after, and fails it by throwing. `afterCrash` gives
 * the store as a machine could find it after losing power: writes since the last `sync` of their file are lost, kept,
 * torn or there as zeros; files made or renamed since the last `syncDirectory` are lost with their entry.
 */

import { concatBytes } from "@permafrost/std";
import { packError } from "./errors.ts";
import type { PackStore } from "./packs.ts";

/**
 * `lost`: nothing unsynced. `kept`: everything. `torn`: every second 512-byte sector of unsynced writes. `zero-tail`: sizes
 * grew but unsynced bytes are zeros. `entry-lost`: all bytes are there, directory changes since the last sync are not.
 * `process`: only the process ended; all is there, and what was not durable still is not.
 */
export type CrashMode = "lost" | "kept" | "torn" | "zero-tail" | "entry-lost" | "process";
export const CRASH_MODES: readonly CrashMode[] = ["lost", "kept", "torn", "zero-tail", "entry-lost", "process"];

export type PackOperation = "create" | "append" | "truncate" | "sync" | "syncDirectory" | "delete" | "quarantine";

export interface MemoryPackStoreOptions {
  /** What it throws is the operation's failure; an Error with `code` "ENOSPC" or "EIO" is mapped as on a disk. */
  readonly onOperation?: (operation: PackOperation, at: "before" | "after") => void;
  /** Default unlimited. */
  readonly capacityBytes?: number;
}

export interface MemoryPackStore extends PackStore {
  /** A new store as a machine finds it after a crash. This one goes on unchanged. */
  afterCrash(mode: CrashMode, options?: MemoryPackStoreOptions): MemoryPackStore;
  /** The bytes of a pack, to be changed behind the store's back. */
  raw(name: string): Buffer;
  /** Names of quarantined packs. */
  quarantined(): string[];
  /** Loses a pack behind the store's back. */
  lose(name: string): void;
}

interface File {
  bytes: Buffer;
  synced: Buffer;
  syncFailed: boolean;
}

const SECTOR_BYTES = 512;

/** An empty store. */
export function memoryPacks(options: MemoryPackStoreOptions = {}): MemoryPackStore {
  return memoryPacksOver(new Map(), options);
}

function memoryPacksOver(
  initial: Map<string, File>,
  options: MemoryPackStoreOptions,
  durable: Map<string, File> = initial,
): MemoryPackStore {
  const files = new Map(initial);
  let durableEntries = new Map(durable);
  const bad = (name: string) => `bad:${name}`;
  const step = async <T>(operation: PackOperation, name: string, work: () => T): Promise<T> => {
    try {
      options.onOperation?.(operation, "before");
      const result = work();
      options.onOperation?.(operation, "after");
      return result;
    } catch (error) {
      throw packError(error, operation === "syncDirectory" ? "sync" : operation, name);
    }
  };
  const errno = (code: string) => Object.assign(new Error(code), { code });
  const find = (name: string): File => {
    const file = files.get(name);
    if (!file) throw errno("ENOENT");
    return file;
  };
  const reading = <T>(operation: string, name: string, work: (file: File) => T): T => {
    try {
      return work(find(name));
    } catch (error) {
      throw packError(error, operation, name);
    }
  };
  const usedBytes = () => [...files.values()].reduce((sum, file) => sum + file.bytes.length, 0);
  const capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
  const listed = () => [...files.keys()].filter((name) => !name.startsWith("bad:")).sort();

  return {
    create: (name) =>
      step("create", name, () => {
        if (files.has(name)) throw errno("EEXIST");
        files.set(name, { bytes: Buffer.alloc(0), synced: Buffer.alloc(0), syncFailed: false });
      }),
    append: (name, offset, parts) =>
      step("append", name, () => {
        const file = find(name);
        const data = concatBytes(parts);
        const size = Math.max(file.bytes.length, offset + data.length);
        const room = capacityBytes - usedBytes() - (size - file.bytes.length);
        const written = room < 0 ? data.subarray(0, Math.max(0, data.length + room)) : data;
        const bytes = Buffer.alloc(Math.max(file.bytes.length, offset + written.length));
        file.bytes.copy(bytes);
        bytes.set(written, offset);
        file.bytes = bytes;
        if (room < 0) throw errno("ENOSPC");
      }),
    truncate: (name, sizeBytes) =>
      step("truncate", name, () => {
        const file = find(name);
        file.bytes = Buffer.from(file.bytes.subarray(0, sizeBytes));
      }),
    async sync(name) {
      const file = reading("sync", name, (found) => found);
      if (file.syncFailed) throw packError(new Error("an earlier sync failed"), "sync", name);
      try {
        await step("sync", name, () => {
          file.synced = Buffer.from(file.bytes);
        });
      } catch (error) {
        file.syncFailed = true;
        throw error;
      }
    },
    syncDirectory: () =>
      step("syncDirectory", "", () => {
        durableEntries = new Map(files);
      }),
    read: async (name, offset, length) =>
      reading("read", name, (file) => Buffer.from(file.bytes.subarray(offset, offset + length))),
    list: async () => listed().map((name) => ({ name, sizeBytes: find(name).bytes.length })),
    sizeBytes: async (name) => reading("size", name, (file) => file.bytes.length),
    delete: (name) =>
      step("delete", name, () => {
        find(name);
        files.delete(name);
      }),
    quarantine: (name) =>
      step("quarantine", name, () => {
        files.set(bad(name), find(name));
        files.delete(name);
      }),
    space: async () => ({ freeBytes: capacityBytes - usedBytes(), totalBytes: capacityBytes }),
    async close() {},

    afterCrash(mode, next = {}) {
      if (mode === "process") {
        const copies = new Map<File, File>();
        return memoryPacksOver(copyOf(files, copies), next, copyOf(durableEntries, copies));
      }
      const entries = mode === "kept" || mode === "torn" || mode === "zero-tail" ? files : durableEntries;
      const survivors = new Map<string, File>();
      for (const [name, file] of entries) {
        const bytes = bytesAfterCrash(file, mode);
        survivors.set(name, { bytes, synced: bytes, syncFailed: false });
      }
      return memoryPacksOver(survivors, next);
    },
    raw: (name) => find(name).bytes,
    quarantined: () => [...files.keys()].filter((name) => name.startsWith("bad:")).map((name) => name.slice(4)),
    lose(name) {
      files.delete(name);
    },
  };
}

/** Files of their own, so that the store before and the one after do not share changes; one copy per file. */
function copyOf(files: Map<string, File>, copies: Map<File, File>): Map<string, File> {
  const copy = (file: File): File => {
    const made = copies.get(file) ?? { ...file, syncFailed: false };
    copies.set(file, made);
    return made;
  };
  return new Map([...files].map(([name, file]) => [name, copy(file)]));
}

function bytesAfterCrash(file: File, mode: CrashMode): Buffer {
  if (mode === "lost") return Buffer.from(file.synced);
  if (mode === "kept" || mode === "entry-lost") return Buffer.from(file.bytes);
  const out = Buffer.alloc(Math.max(file.bytes.length, file.synced.length));
  file.synced.copy(out);
  if (mode === "zero-tail") return out.subarray(0, file.bytes.length);
  for (let at = 0, keep = true; at < file.bytes.length; at += SECTOR_BYTES) {
    const now = file.bytes.subarray(at, at + SECTOR_BYTES);
    if (Buffer.compare(now, file.synced.subarray(at, at + SECTOR_BYTES)) === 0) continue;
    if (keep) now.copy(out, at);
    keep = !keep;
  }
  return out;
}
