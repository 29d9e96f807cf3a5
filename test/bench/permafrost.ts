/**
 * Permafrost as the bench drives it: the whole product on loopback, backing up a volume of a cloud and restoring it into another project.
 *
 * CPU time is that of `permafrost up` with its roles and of the command itself, without nats-server; the cloud is a
 * process of its own and not counted.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROGRAM, startPermafrost } from "../acceptance/permafrost.ts";
import type { Cost } from "./figures.ts";
import type { GeneratedImage } from "./image.ts";
import { directoryBytes, measureCommand, treeCpuSeconds, treePeakBytes } from "./measure.ts";
import type { SourceAnswer, SourceReady, SourceRequest } from "./source.ts";
import { checkRestored, type OpenSystem, type System } from "./system.ts";

const NOT_OURS = ["nats-server"];

export function permafrost(): System {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as { version: string };
  return { name: "permafrost", version, open };
}

async function open(directory: string, image: GeneratedImage): Promise<OpenSystem> {
  const source = fork(join(import.meta.dirname, "source.ts"), [image.file, String(image.sizeBytes)]);
  const endSource = async () => {
    source.disconnect();
    if (source.exitCode === null) await once(source, "exit");
  };
  try {
    const [ready] = (await once(source, "message")) as [SourceReady];
    const osConfigFile = join(directory, "clouds.yaml");
    writeFileSync(osConfigFile, ready.cloudsYaml);
    const passphraseFile = join(directory, "passphrase");
    writeFileSync(passphraseFile, "bench\n", { mode: 0o600 });
    const dataDirectory = join(directory, "data");
    mkdirSync(dataDirectory);
    const up = await startPermafrost({ dataDirectory, osConfigFile, logFile: join(directory, "permafrost.log") });
    const run = (...command: readonly string[]) => measure(up.pid, dataDirectory, command);
    run("repository", "init", "bench", "--passphrase-file", passphraseFile);
    return {
      async backup(now: GeneratedImage): Promise<Cost> {
        await ask(source, { file: now.file });
        return run("backup", "--repository", "bench", "--os-cloud", "bench-source", "--include", "cinder.volume");
      },
      async restore(expected: GeneratedImage): Promise<Cost> {
        const options = ["--repository", "bench", "--to-cloud", "bench-target", "--verify", "none"];
        const { storedBytes: _, ...cost } = run("restore", "latest", ...options);
        checkRestored("permafrost", (await ask(source, { takeRestored: true })).sha256 ?? "nothing", expected);
        return cost;
      },
      async close(): Promise<void> {
        await up.stop();
        await endSource();
      },
    };
  } catch (error) {
    await endSource();
    throw error;
  }
}

async function ask(source: ChildProcess, request: SourceRequest): Promise<SourceAnswer> {
  source.send(request);
  const [answer] = (await once(source, "message")) as [SourceAnswer];
  return answer;
}

function measure(pid: number, dataDirectory: string, command: readonly string[]): Cost {
  const storage = join(dataDirectory, "storage");
  const cpuBefore = treeCpuSeconds(pid, NOT_OURS);
  const bytesBefore = directoryBytes(storage);
  const client = measureCommand([PROGRAM, ...command, "--data", dataDirectory, "--quiet"]);
  const workers = Object.entries(treePeakBytes(pid)).filter(([role]) => role.startsWith("worker "));
  return {
    cpuSeconds: client.cpuSeconds + treeCpuSeconds(pid, NOT_OURS) - cpuBefore,
    wallSeconds: client.wallSeconds,
    storedBytes: directoryBytes(storage) - bytesBefore,
    workerPeakBytes: Math.max(0, ...workers.map(([, bytes]) => bytes)),
  };
}
