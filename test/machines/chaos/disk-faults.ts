/**
 * Disks that are full or fail, by `strace -e inject` on a storage node's process: writes of packs find no space, or syncs fail. LevelDB writes
 * with other calls, so its files are hit by failing syncs only. Where strace is missing or may not attach, nothing is done, and `skipped` says why.
 */

import { spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@permafrost/std";

const INJECTED = {
  "disk-error": { calls: "fsync,fdatasync", error: "EIO" },
  "disk-full": { calls: "pwrite64,pwritev,pwritev2,fallocate", error: "ENOSPC" },
} as const;

export class DiskFaults {
  /** Why they are not made. */
  skipped: string | undefined;

  /** Lets the process's calls fail for so long; how many did. */
  async inject(pid: number, kind: keyof typeof INJECTED, durationMs: number): Promise<number> {
    const { calls, error } = INJECTED[kind];
    const log = join(tmpdir(), `permafrost-strace-${pid}-${systemClock.monotonic()}`);
    const args = ["-f", "-p", `${pid}`, "-o", log, "-e", `trace=${calls}`, "-e", `inject=${calls}:error=${error}`];
    const strace = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    strace.stderr.on("data", (text) => {
      said += String(text);
    });
    const ended = new Promise<void>((resolve) => {
      strace.once("error", (reason: NodeJS.ErrnoException) => {
        this.skipped ??= reason.code === "ENOENT" ? "strace is not installed (`apt-get install strace`)" : reason.message;
        resolve();
      });
      strace.once("close", () => resolve());
    });
    try {
      await Promise.race([ended, systemClock.sleep(durationMs)]);
      // It detaches, and the process goes on.
      strace.kill("SIGINT");
      await ended;
      if (/Operation not permitted|attach:.*denied/i.test(said)) this.skipped ??= `strace may not attach: ${said.split("\n")[0]}`;
      return (await readFile(log, "utf8").catch(() => "")).split("(INJECTED)").length - 1;
    } finally {
      await rm(log, { force: true });
    }
  }
}
