/** An embedded cluster for the demo, by the same command and the same CLI that a user has. */

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../services/cli/src/main.ts", import.meta.url));
const COMMAND_MS_MAX = 300_000;

export class DemoCluster {
  readonly #directory: string;
  readonly #up: ChildProcess;
  readonly #ended: Promise<number>;

  private constructor(directory: string, up: ChildProcess) {
    this.#directory = directory;
    this.#up = up;
    this.#ended = new Promise((resolve) => up.once("exit", (code) => resolve(code ?? 1)));
  }

  /** Starts `permafrost up` and waits until it says where it listens. */
  static async start(directory: string, cloudsFile: string): Promise<DemoCluster> {
    const args = [MAIN, "up", "--data", directory, "--os-config", cloudsFile, "-f", "json", "-q"];
    const up = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"], env: cleanEnvironment() });
    const cluster = new DemoCluster(directory, up);
    await new Promise<void>((resolve, reject) => {
      up.stdout?.once("data", () => resolve());
      void cluster.#ended.then((code) => reject(new Error(`permafrost up ended with ${code}`)));
    });
    return cluster;
  }

  /** Runs a command with `-f json` and answers what it printed. Throws for any exit code but 0. */
  async run<T>(...args: string[]): Promise<T> {
    const child = spawn(process.execPath, [MAIN, ...args, "--data", this.#directory, "-f", "json"], {
      stdio: ["ignore", "pipe", "inherit"],
      env: cleanEnvironment(),
      timeout: COMMAND_MS_MAX,
    });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    const code = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (ended) => resolve(ended ?? 1));
    });
    if (code !== 0) throw new Error(`permafrost ${args.join(" ")} ended with ${code}`);
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  }

  async stop(): Promise<void> {
    if (this.#up.exitCode === null) this.#up.kill("SIGTERM");
    await this.#ended;
  }
}

/** The caller's cloud, repository and cluster are not the demo's. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(OS_|PERMAFROST_)/.test(name)));
}
