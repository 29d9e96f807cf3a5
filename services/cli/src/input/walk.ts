/**
 * A tree of files as a sequence of entries in order of their whole paths as bytes, which is the order of the stored
 * listing: `a` comes before `a.txt`, and that before `a/b`. Parents come before children. Links are reported, never followed. What cannot be read is reported and
 * left out; sockets, pipes and devices are left out too. Nothing outside the root is touched.
 */

import type { Stats } from "node:fs";
import { type FileHandle, lstat, open, readdir, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { CodedError } from "@permafrost/std";
import type { InputEntry } from "../api.ts";

/** One file, directory or link. A file is open, and whoever takes the entry closes it. */
export interface WalkedEntry {
  readonly entry: InputEntry;
  readonly file?: FileHandle;
}

export interface WalkProblem {
  readonly path: string;
  /** The system's reason, such as `EACCES`; or `special file` for what is no file, directory or link, or `its name is not UTF-8`. */
  readonly reason: string;
  /** False for a special file: it has no content that a backup could miss. */
  readonly lost: boolean;
}

/** Walks `root`, a directory or one file. Throws FILE_UNREADABLE if the root itself cannot be read. */
export async function* walkTree(root: string, onProblem: (problem: WalkProblem) => void): AsyncGenerator<WalkedEntry> {
  const rootStats = await lstat(root).catch((cause: NodeJS.ErrnoException) => {
    throw new CodedError("FILE_UNREADABLE", `Cannot read ${root}: ${cause.code}`, { facts: { file: root }, cause });
  });
  if (rootStats.isDirectory()) yield* walkDirectory(root, "", onProblem);
  else yield* walkOne(root, basename(root), onProblem);
}

async function* walkDirectory(
  directory: string,
  prefix: string,
  onProblem: (problem: WalkProblem) => void,
): AsyncGenerator<WalkedEntry> {
  const children = await readdir(directory, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    if (prefix === "") throw new CodedError("FILE_UNREADABLE", `Cannot read ${directory}: ${cause.code}`, { cause });
    onProblem({ path: directory, reason: cause.code ?? cause.message, lost: true });
    return [];
  });
  // A directory's own entry has its place by its name, what is in it by its name and a slash.
  const steps = children.flatMap((child) => [
    { key: child.name, name: child.name, descends: false },
    ...(child.isDirectory() ? [{ key: `${child.name}/`, name: child.name, descends: true }] : []),
  ]);
  steps.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  for (const { name, descends } of steps) {
    const path = join(directory, name);
    if (descends) yield* walkDirectory(path, `${prefix}${name}/`, onProblem);
    else yield* walkOne(path, `${prefix}${name}`, onProblem);
  }
}

async function* walkOne(path: string, name: string, onProblem: (problem: WalkProblem) => void): AsyncGenerator<WalkedEntry> {
  try {
    const stats = await lstat(path);
    if (stats.isDirectory()) {
      yield { entry: entryOf(name, "directory", stats) };
    } else if (stats.isSymbolicLink()) {
      yield { entry: { ...entryOf(name, "symlink", stats), linkTarget: await readlink(path) } };
    } else if (stats.isFile()) {
      const file = await open(path, "r");
      yield { entry: entryOf(name, "file", await file.stat()), file };
    } else {
      onProblem({ path, reason: "special file", lost: false });
    }
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    // Only the system's own refusals are about this one file.
    if (reason === undefined || error instanceof CodedError) throw error;
    // Bytes that are no UTF-8 were replaced when the name was read, so nothing is found under what came out.
    const isForeign = reason === "ENOENT" && path.includes("\ufffd");
    onProblem({ path, reason: isForeign ? "its name is not UTF-8" : reason, lost: true });
  }
}

function entryOf(path: string, type: string, stats: Stats): InputEntry {
  return {
    path,
    type,
    mode: stats.mode & 0o7777,
    modifiedAt: stats.mtime,
    size: BigInt(type === "file" ? stats.size : 0),
    linkTarget: "",
  };
}
