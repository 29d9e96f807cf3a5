/**
 * One `up` per data directory: a lock file with the holder's process id. A lock whose process is gone, or whose id
 * now belongs to another process, is taken over; two that start at once cannot both win, since the file is created
 * with exclusive open.
 */

import { readFileSync } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import { CodedError } from "@permafrost/std";

/** Takes the lock; the answer gives it back. Throws ALREADY_RUNNING, naming the process. */
export async function takeLock(file: string, directory: string): Promise<() => Promise<void>> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const handle = await open(file, "wx", 0o600);
      try {
        await handle.writeFile(`${process.pid} ${processStart(process.pid) ?? ""}\n`);
      } finally {
        await handle.close();
      }
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = await readHolder(file);
    if (holder !== undefined) {
      throw new CodedError("ALREADY_RUNNING", `\`permafrost up\` runs on ${directory} already, as process ${holder}`, {
        facts: { directory, pid: holder },
        hint: "Use it as it is, end that process first, or name another directory with --data.",
      });
    }
    await rm(file, { force: true });
  }
  throw new CodedError("ALREADY_RUNNING", `Another \`permafrost up\` is starting on ${directory}`);
}

/** The process that holds the lock, if it lives. */
async function readHolder(file: string): Promise<number | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const [pidText = "", start = ""] = text.trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined;
  return start === "" || start === (processStart(pid) ?? "") ? pid : undefined;
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
