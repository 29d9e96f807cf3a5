/**
 * restic and borg on the same bytes: a local file into a local repository, which is the easier job.
 *
 * Their file caches are bypassed (`--force`, `--files-cache disabled`), because a volume of a cloud has no time stamps to trust.
 */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Cost } from "./figures.ts";
import { type GeneratedImage, sha256OfFile } from "./image.ts";
import { type CommandOptions, directoryBytes, measureCommand } from "./measure.ts";
import { checkRestored, type OpenSystem, type System } from "./system.ts";

/** Installed from the distribution's package when it is missing (needs root and apt-get). */
export function peer(name: "restic" | "borg"): System {
  const version = versionOf(name) ?? installed(name);
  return { name, version, open: name === "restic" ? openRestic : openBorg };
}

function installed(name: "restic" | "borg"): string {
  const lock = ["-o", "DPkg::Lock::Timeout=600"];
  execFileSync("apt-get", [...lock, "install", "-y", "-q", "--no-install-recommends", name === "borg" ? "borgbackup" : name], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const version = versionOf(name);
  if (version === undefined) throw new Error(`${name} is not here and could not be installed`);
  return version;
}

function versionOf(name: "restic" | "borg"): string | undefined {
  try {
    const args = [name === "restic" ? "version" : "--version"];
    return /\d+(\.\d+)+/.exec(execFileSync(name, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }))?.[0];
  } catch {
    return undefined;
  }
}

interface Commands {
  readonly repository: string;
  readonly env: Readonly<Record<string, string>>;
  readonly backup: (file: string, generation: number) => readonly string[];
  /** Writes the newest backup of the file to standard output. */
  readonly restore: (file: string, generation: number) => readonly string[];
}

/** One program's commands as a system. The disk is a file with the same path in every generation. */
function opened(system: string, directory: string, commands: Commands): OpenSystem {
  const file = join(directory, "disk.raw");
  const run = (command: readonly string[], options: CommandOptions = {}) =>
    measureCommand(command, { ...options, env: commands.env });
  let generation = 0;
  return {
    async backup(image: GeneratedImage): Promise<Cost> {
      copyFileSync(image.file, file);
      generation += 1;
      const before = directoryBytes(commands.repository);
      const { cpuSeconds, wallSeconds } = run(commands.backup(file, generation));
      return { cpuSeconds, wallSeconds, storedBytes: directoryBytes(commands.repository) - before };
    },
    async restore(expected: GeneratedImage): Promise<Cost> {
      const output = join(directory, "restored.raw");
      const { cpuSeconds, wallSeconds } = run(commands.restore(file, generation), { output });
      checkRestored(system, sha256OfFile(output), expected);
      rmSync(output);
      return { cpuSeconds, wallSeconds };
    },
    close: async () => undefined,
  };
}

async function openRestic(directory: string): Promise<OpenSystem> {
  const repository = join(directory, "repository");
  mkdirSync(repository);
  const env = { RESTIC_REPOSITORY: repository, RESTIC_PASSWORD: "bench", RESTIC_CACHE_DIR: join(directory, "cache") };
  measureCommand(["restic", "init", "--quiet"], { env });
  return opened("restic", directory, {
    repository,
    env,
    backup: (file) => ["restic", "backup", "--force", "--quiet", file],
    restore: (file) => ["restic", "dump", "--quiet", "latest", file],
  });
}

async function openBorg(directory: string): Promise<OpenSystem> {
  const repository = join(directory, "repository");
  const env = { BORG_REPO: repository, BORG_PASSPHRASE: "bench", BORG_BASE_DIR: join(directory, "base") };
  measureCommand(["borg", "init", "-e", "repokey-blake2"], { env });
  const options = ["--chunker-params", "fixed,65536", "-C", "zstd,1", "--files-cache", "disabled"];
  return opened("borg", directory, {
    repository,
    env,
    backup: (file, generation) => ["borg", "create", ...options, `::g${generation}`, file],
    restore: (_, generation) => ["borg", "extract", "--stdout", `::g${generation}`],
  });
}
