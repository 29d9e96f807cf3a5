/**
 * restic and borg on the same files: a local file into a local repository, which is the easier job.
 *
 * Their file caches are bypassed (`--force`, `--files-cache disabled`), because a volume of a cloud has no time stamps to trust.
 */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { GeneratedImage } from "./image.ts";
import { directoryBytes, measureCommand } from "./measure.ts";
import type { Contender, Phase, Result } from "./result.ts";

/** Both, installed from the distribution's packages when they are missing (needs root and apt-get). */
export function peers(): readonly Contender[] {
  const missing = ["restic", "borg"].filter(
    (name) => versionOf([name, name === "restic" ? "version" : "--version"]) === undefined,
  );
  if (missing.length > 0) {
    const packages = missing.map((name) => (name === "borg" ? "borgbackup" : name));
    execFileSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  return [restic(), borg()];
}

function versionOf(command: readonly string[]): string | undefined {
  try {
    return /\d+(\.\d+)+/.exec(
      execFileSync(command[0] ?? "", command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    )?.[0];
  } catch {
    return undefined;
  }
}

/** Runs the four phases with one program's commands. The file has the same path in every phase. */
function runPhases(
  directory: string,
  repository: string,
  image: GeneratedImage,
  changed: GeneratedImage,
  backup: (file: string, phase: Phase) => { readonly cpuSeconds: number; readonly wallSeconds: number },
  restore: () => { readonly cpuSeconds: number; readonly wallSeconds: number },
): Result[] {
  const file = join(directory, "disk.raw");
  const results: Result[] = [];
  let stored = directoryBytes(repository);
  for (const [phase, source] of [
    ["first", image],
    ["unchanged", undefined],
    ["changed", changed],
  ] as const) {
    if (source !== undefined) copyFileSync(source.file, file);
    const { cpuSeconds, wallSeconds } = backup(file, phase);
    const now = directoryBytes(repository);
    results.push({ phase, cpuSeconds, wallSeconds, storedBytes: now - stored });
    stored = now;
  }
  results.push({ phase: "restore", ...pick(restore()) });
  return results;
}

function pick({ cpuSeconds, wallSeconds }: { readonly cpuSeconds: number; readonly wallSeconds: number }) {
  return { cpuSeconds, wallSeconds };
}

const restic = (): Contender => ({
  name: `restic ${versionOf(["restic", "version"]) ?? ""}`.trim(),
  async run({ directory, image, changed }) {
    const repository = join(directory, "restic");
    mkdirSync(repository);
    const env = { RESTIC_REPOSITORY: repository, RESTIC_PASSWORD: "bench", RESTIC_CACHE_DIR: join(directory, "restic-cache") };
    measureCommand(["restic", "init", "--quiet"], { env });
    return runPhases(
      directory,
      repository,
      image,
      changed,
      (file) => measureCommand(["restic", "backup", "--force", "--quiet", file], { env }),
      () => measureCommand(["restic", "dump", "--quiet", "latest", join(directory, "disk.raw")], { env, discard: true }),
    );
  },
});

const borg = (): Contender => ({
  name: `borg ${versionOf(["borg", "--version"]) ?? ""} fixed,65536`,
  async run({ directory, image, changed }) {
    const repository = join(directory, "borg");
    const env = { BORG_REPO: repository, BORG_PASSPHRASE: "bench", BORG_BASE_DIR: join(directory, "borg-base") };
    measureCommand(["borg", "init", "-e", "repokey-blake2"], { env });
    const options = ["--chunker-params", "fixed,65536", "-C", "zstd,1", "--files-cache", "disabled"];
    return runPhases(
      directory,
      repository,
      image,
      changed,
      (file, phase) => measureCommand(["borg", "create", ...options, `::${phase}`, file], { env }),
      () => measureCommand(["borg", "extract", "--stdout", "::changed"], { env, discard: true }),
    );
  },
});
