/**
 * Writes a downloaded tree below a directory, and nowhere else: a name that is absolute, has `..` or an empty part, or
 * leads through a link is refused with PATH_UNSAFE before anything is written for it. The directory must be new or
 * empty, and files are created, never opened, so nothing is overwritten. Modes and times of directories come last.
 */

import { constants } from "node:fs";
import { chmod, type FileHandle, lstat, mkdir, open, readdir, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";
import type { DownloadResponse, InputEntry } from "../api.ts";

export interface Extracted {
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  readonly bytes: number;
}

/** Makes `root` if it is missing. Throws TARGET_NOT_EMPTY if something is in it, TARGET_UNUSABLE if it cannot be one. */
export async function prepareTarget(root: string): Promise<void> {
  try {
    await mkdir(root, { recursive: true });
    if ((await readdir(root)).length === 0) return;
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException;
    const reason = code === "EEXIST" || code === "ENOTDIR" ? "it is not a directory" : code;
    throw new CodedError("TARGET_UNUSABLE", `Cannot write to ${root}: ${reason}`, { cause });
  }
  throw new CodedError("TARGET_NOT_EMPTY", `${root} is not empty`, {
    hint: "Name a new or empty directory; nothing is ever overwritten.",
  });
}

/** Throws PATH_UNSAFE, EXTRACT_FAILED when the system refuses, PROTOCOL for data without a file, or what `steps` throws. */
export async function extractTree(steps: AsyncIterable<DownloadResponse>, root: string): Promise<Extracted> {
  const directories: InputEntry[] = [];
  let current: { readonly entry: InputEntry; readonly file: FileHandle; bytes: number } | undefined;
  const counts = { files: 0, directories: 0, links: 0, bytes: 0 };
  const finish = async () => {
    if (current === undefined) return;
    const { entry, file, bytes } = current;
    try {
      await file.chmod(entry.mode & 0o7777);
      if (entry.modifiedAt !== undefined) await file.utimes(entry.modifiedAt, entry.modifiedAt);
    } finally {
      current = undefined;
      await file.close();
    }
    counts.files++;
    counts.bytes += bytes;
  };
  try {
    for await (const { step } of steps) {
      if (step?.$case === "data") {
        if (current === undefined) throw new CodedError("PROTOCOL", "The worker sent data that belongs to no file");
        await current.file.writeFile(step.value);
        current.bytes += step.value.length;
        continue;
      }
      await finish();
      if (step === undefined) continue;
      const entry = step.value;
      const path = await safePath(root, entry.path);
      if (entry.type === "directory") {
        await mkdir(path, 0o700);
        directories.push(entry);
        counts.directories++;
      } else if (entry.type === "symlink") {
        await symlink(entry.linkTarget, path);
        counts.links++;
      } else if (entry.type === "file") {
        current = { entry, file: await createFile(path), bytes: 0 };
      } else {
        throw new CodedError("PROTOCOL", `The worker sent an entry of type ${JSON.stringify(entry.type)}`);
      }
    }
    await finish();
    // Children before parents: writing a child changes its parent's time, and a parent may be read-only.
    for (const entry of directories.reverse()) {
      const path = join(root, entry.path);
      await chmod(path, entry.mode & 0o7777);
      if (entry.modifiedAt !== undefined) await utimes(path, entry.modifiedAt, entry.modifiedAt);
    }
    return counts;
  } catch (cause) {
    if (cause instanceof CodedError || typeof (cause as NodeJS.ErrnoException).syscall !== "string") throw cause;
    const { code, path } = cause as NodeJS.ErrnoException;
    throw new CodedError("EXTRACT_FAILED", `Cannot write ${path ?? root}: ${code}`, { facts: { reason: code }, cause });
  } finally {
    await current?.file.close();
  }
}

/** Where `name` goes. Parents that the tree did not name are made. */
async function safePath(root: string, name: string): Promise<string> {
  const parts = name.split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0"))) throw unsafe(name);
  for (let depth = 1; depth < parts.length; depth++) {
    const parent = join(root, ...parts.slice(0, depth));
    const stats = await lstat(parent).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (stats === undefined) await mkdir(parent, 0o700);
    else if (!stats.isDirectory()) throw unsafe(name);
  }
  return join(root, ...parts);
}

function createFile(path: string): Promise<FileHandle> {
  return open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
}

function unsafe(name: string): CodedError {
  return new CodedError("PATH_UNSAFE", `The restore point names ${JSON.stringify(name)}, which leads out of the target`, {
    facts: { path: name },
    hint: "Nothing was written for it. Restore to another machine and look at what made this backup.",
  });
}
