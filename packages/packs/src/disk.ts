/**
 * PackStore in a directory of a local file system: `<name>.pack`, quarantined `<name>.bad`.
 *
 * Files stay open while they are used often: at most `openFilesMax`, closed in order of last use and never while a call
 * uses them. A file whose fsync failed is remembered for as long as the store is open, and not synced again.
 */

import { type FileHandle, mkdir, open, readdir, rename, stat, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { assert, CodedError } from "@permafrost/std";
import { packError } from "./errors.ts";
import type { PackStore } from "./packs.ts";

export interface DiskPackStoreOptions {
  /** Default 64. */
  readonly openFilesMax?: number;
}

interface OpenFile {
  readonly handle: Promise<FileHandle>;
  users: number;
  dropped: boolean;
}

/** Buffers in one system call, below the limit of the system (IOV_MAX = 1,024). */
const PARTS_PER_WRITE = 1000;

/** The packs in `directory`, which is made if it is not there. */
export async function openDiskPacks(directory: string, options: DiskPackStoreOptions = {}): Promise<PackStore> {
  const openFilesMax = options.openFilesMax ?? 64;
  await mkdir(directory, { recursive: true });
  const files = new Map<string, OpenFile>();
  const syncFailed = new Set<string>();
  const path = (name: string, suffix = "pack") => {
    assert(/^[\w-]+$/.test(name), `not a pack name: ${name}`);
    return join(directory, `${name}.${suffix}`);
  };

  const closeUnused = async (file: OpenFile) => {
    const handle = await file.handle.catch(() => undefined);
    await handle?.close();
  };
  const drop = async (name: string) => {
    const file = files.get(name);
    if (!file) return;
    files.delete(name);
    file.dropped = true;
    if (file.users === 0) await closeUnused(file);
  };
  /** Runs `work` on the open file; opens it when it is not, and then closes one unused for longest if there are many. */
  const withFile = async <T>(name: string, operation: string, work: (handle: FileHandle) => Promise<T>): Promise<T> => {
    let file = files.get(name);
    if (!file) {
      file = { handle: open(path(name), "r+"), users: 0, dropped: false };
      file.handle.catch(() => files.delete(name));
    }
    files.delete(name);
    files.set(name, file);
    file.users++;
    try {
      return await work(await file.handle);
    } catch (error) {
      throw packError(error, operation, name);
    } finally {
      file.users--;
      if (file.dropped && file.users === 0) await closeUnused(file);
      while (files.size > openFilesMax) {
        const unused = [...files].find(([, other]) => other.users === 0);
        if (!unused) break;
        await drop(unused[0]);
      }
    }
  };

  return {
    async create(name) {
      const handle = await mapped(open(path(name), "wx", 0o600), "create", name);
      await handle.close();
    },
    append: (name, offset, parts) =>
      withFile(name, "append", async (handle) => {
        let at = offset;
        for (let first = 0; first < parts.length; first += PARTS_PER_WRITE) {
          at += await writeAll(handle, parts.slice(first, first + PARTS_PER_WRITE), at);
        }
      }),
    truncate: (name, sizeBytes) => withFile(name, "truncate", (handle) => handle.truncate(sizeBytes)),
    sync(name) {
      if (syncFailed.has(name)) return Promise.reject(packError(new Error("an earlier sync failed"), "sync", name));
      return withFile(name, "sync", async (handle) => {
        try {
          await handle.datasync();
        } catch (error) {
          syncFailed.add(name);
          throw error;
        }
      });
    },
    async syncDirectory() {
      if (syncFailed.has("")) throw packError(new Error("an earlier sync failed"), "sync", directory);
      try {
        const handle = await open(directory, "r");
        try {
          await handle.sync();
        } finally {
          await handle.close();
        }
      } catch (error) {
        syncFailed.add("");
        throw packError(error, "sync", directory);
      }
    },
    read: (name, offset, length) =>
      withFile(name, "read", async (handle) => {
        const buffer = Buffer.allocUnsafeSlow(length);
        let at = 0;
        while (at < length) {
          const { bytesRead } = await handle.read(buffer, at, length - at, offset + at);
          if (bytesRead === 0) break;
          at += bytesRead;
        }
        return buffer.subarray(0, at);
      }),
    async list() {
      const names = (await readdir(directory)).filter((file) => file.endsWith(".pack")).map((file) => file.slice(0, -5));
      const packs = [];
      for (const name of names.sort()) packs.push({ name, sizeBytes: (await stat(path(name))).size });
      return packs;
    },
    sizeBytes: async (name) => (await mapped(stat(path(name)), "size", name)).size,
    async delete(name) {
      await drop(name);
      await mapped(unlink(path(name)), "delete", name);
    },
    async quarantine(name) {
      await drop(name);
      await mapped(rename(path(name), path(name, "bad")), "quarantine", name);
    },
    async space() {
      const { bavail, blocks, bsize } = await mapped(statfs(directory), "space", directory);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    },
    async close() {
      for (const name of [...files.keys()]) await drop(name);
    },
  };
}

async function mapped<T>(work: Promise<T>, operation: string, name: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw packError(error, operation, name);
  }
}

/** Writes all parts at `offset`, going on after a short write; the bytes written. */
async function writeAll(handle: FileHandle, parts: readonly Uint8Array[], offset: number): Promise<number> {
  let rest = parts;
  let written = 0;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest as Uint8Array[], offset + written);
    written += bytesWritten;
    rest = partsAfter(rest, bytesWritten);
    if (bytesWritten === 0 && rest.length > 0)
      throw new CodedError("PACK_IO", "a write to a pack made no progress", { retry: "elsewhere" });
  }
  return written;
}

/** What is left of `parts` after their first `bytes`. */
export function partsAfter(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      rest.push(skip > 0 ? part.subarray(skip) : part);
      skip = 0;
    }
  }
  return rest;
}
