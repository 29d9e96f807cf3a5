/**
 * Permafrost as a contender: the whole product on loopback, backing up a volume of a cloud and restoring it into another project.
 *
 * CPU time is that of `permafrost up` with its roles and of the command itself, without nats-server; the cloud is a
 * process of its own and not counted.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROGRAM, startPermafrost } from "../acceptance/permafrost.ts";
import { directoryBytes, measureCommand, treeCpuSeconds, treePeakBytes } from "./measure.ts";
import type { Contender, Phase, Result } from "./result.ts";
import type { SourceFile, SourceReady } from "./source.ts";

const NOT_OURS = ["nats-server"];
const GIB = 2 ** 30;

export const permafrost: Contender = {
  name: "permafrost",
  async run({ directory, image, changed }) {
    const source = fork(join(import.meta.dirname, "source.ts"), [image.file, String(image.sizeBytes / GIB)]);
    try {
      const [ready] = (await once(source, "message")) as [SourceReady];
      const osConfigFile = join(directory, "clouds.yaml");
      writeFileSync(osConfigFile, ready.cloudsYaml);
      const passphraseFile = join(directory, "passphrase");
      writeFileSync(passphraseFile, "bench\n", { mode: 0o600 });
      const dataDirectory = join(directory, "data");
      mkdirSync(dataDirectory);
      const up = await startPermafrost({ dataDirectory, osConfigFile, logFile: join(directory, "permafrost.log") });
      try {
        measure(up.pid, dataDirectory, ["repository", "init", "bench", "--passphrase-file", passphraseFile]);
        const backup = ["backup", "--repository", "bench", "--os-cloud", "bench-source"];
        const restore = ["restore", "latest", "--repository", "bench", "--to-cloud", "bench-target", "--verify", "none"];
        const results: Result[] = [];
        const run = (phase: Phase, command: readonly string[]) =>
          results.push({ phase, ...measure(up.pid, dataDirectory, command) });
        run("first", backup);
        run("unchanged", backup);
        await serve(source, changed.file);
        run("changed", backup);
        run("restore", restore);
        for (const [role, bytes] of Object.entries(treePeakBytes(up.pid))) {
          process.stderr.write(`  peak memory of ${role}: ${Math.round(bytes / 1024 / 1024)} MiB\n`);
        }
        return results.map(({ storedBytes, ...result }) =>
          result.phase === "restore" || storedBytes === undefined ? result : { ...result, storedBytes },
        );
      } finally {
        await up.stop();
      }
    } finally {
      source.disconnect();
      if (source.exitCode === null) await once(source, "exit");
    }
  },
};

async function serve(source: ChildProcess, file: string): Promise<void> {
  const message: SourceFile = { file };
  source.send(message);
  await once(source, "message");
}

function measure(pid: number, dataDirectory: string, command: readonly string[]): Omit<Result, "phase"> {
  const storage = join(dataDirectory, "storage");
  const cpuBefore = treeCpuSeconds(pid, NOT_OURS);
  const bytesBefore = directoryBytes(storage);
  const client = measureCommand([PROGRAM, ...command, "--data", dataDirectory, "--quiet"]);
  return {
    cpuSeconds: client.cpuSeconds + treeCpuSeconds(pid, NOT_OURS) - cpuBefore,
    wallSeconds: client.wallSeconds,
    storedBytes: directoryBytes(storage) - bytesBefore,
  };
}
