/** The program `permafrost` as a person runs it against a cluster: a process of its own. */

import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Cluster } from "./cluster.ts";

const MAIN = fileURLToPath(new URL("../../services/cli/src/main.ts", import.meta.url));

/** The program, with the cluster's address; its exit code and what it printed. */
export async function permafrost(
  cluster: Cluster,
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const token = join(cluster.directory, "cli-token");
  await writeFile(token, `${cluster.token}\n`, { mode: 0o600 });
  const where = ["--address", cluster.addressOf("coordinator"), "--token-file", token];
  const child = spawn(process.execPath, [MAIN, ...args, ...where], { stdio: ["ignore", "pipe", "pipe"] });
  const text = { stdout: "", stderr: "" };
  child.stdout.on("data", (data) => {
    text.stdout += data;
  });
  child.stderr.on("data", (data) => {
    text.stderr += data;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, ...text };
}
