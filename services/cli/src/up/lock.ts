/**
 * One `up` per data directory: a lock file with the holder's process id. A lock whose process is gone, or whose id
 * now belongs to another process, is taken over. The file appears with its content in one step (a link), so whoever
 * comes second reads a whole lock.
 */

import { readFileSync } from "node:fs";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { CodedError } from "@permafrost/std";

/** Takes the lock; the answer gives it back. Throws ALREADY_RUNNING, naming the process. */
export async function takeLock(file: string, directory: string): Promise<() => Promise<void>> {
  const own = `${file}.${process.pid}`;
  await writeFile(own, `${process.pid} ${processStart(process.pid) ?? ""}\n`, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        await link(own, file);
        return () => rm(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const text = await readFile(file, "utf8").catch(() => "");
      const holder = livingHolder(text);
      if (holder !== undefined) throw alreadyRunning(directory, holder);
      await removeStale(file, text, own);
    }
  } finally {
    await rm(own, { force: true });
  }
  throw new CodedError("ALREADY_RUNNING", `Another \`permafrost up\` is starting on ${directory}`);
}

function alreadyRunning(directory: string, pid: number): CodedError {
  return new CodedError("ALREADY_RUNNING", `\`permafrost up\` runs on ${directory} already, as process ${pid}`, {
    facts: { directory, pid },
    hint: "Use it as it is, end that process first, or name another directory with --data.",
  });
}

/** The process that a lock names, if it lives. */
function livingHolder(text: string): number | undefined {
  const [pidText = "", start = ""] = text.trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined;
  return start === "" || start === (processStart(pid) ?? "") ? pid : undefined;
}

/** Removes the lock whose text is `text`; one that another took over meanwhile is put back. */
async function removeStale(file: string, text: string, own: string): Promise<void> {
  const aside = `${own}.stale`;
  await rename(file, aside).catch(() => undefined);
  const moved = await readFile(aside, "utf8").catch(() => text);
  if (moved !== text) await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, as another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The start of a process in clock ticks since boot, which tells a process from a later one with its id; Linux only. */
export function processStart(pid: number): string | undefined {
  try {
    // The command's name, in parentheses, may hold anything; the fields after it are counted from its end.
    return readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/s, "").trim().split(" ")[19];
  } catch {
    return undefined;
  }
}
