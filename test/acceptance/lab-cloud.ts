/** The lab as a cloud under test: every step is one command of `test/lab/lab`. */

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CloudUnderTest } from "./cloud-under-test.ts";
import type { Inventory, TenantManifest } from "./inventory.ts";

const LAB = join(import.meta.dirname, "../lab/lab");

/** Brings the lab up if it is not, seeds the storage tenant anew, and describes it. `prefix` names its projects. */
export async function openLab(prefix: string): Promise<CloudUnderTest> {
  await lab(["up"]);
  await lab(["seed", "--storage", "--prefix", prefix]);
  const folder = labFolder();
  const names = { source: `${prefix}-acme`, target: `${prefix}-target` };
  return {
    osConfigFile: join(folder, "clouds.yaml"),
    ...names,
    manifest: async () => JSON.parse(await readFile(join(folder, `${prefix}-manifest.json`), "utf8")) as TenantManifest,
    change: async () => {
      await lab(["change", "--storage", "--prefix", prefix]);
    },
    // The lab stays up: `lab down` is its user's decision.
    close: async () => undefined,
    inventory: async (side, depth) =>
      JSON.parse(await lab(["inventory", names[side], ...(depth === "fields" ? ["--fields"] : [])])) as Inventory,
  };
}

/** Where the lab leaves what is for its clients. */
export function labFolder(environment: LabEnvironment = {}): string {
  return join(import.meta.dirname, "../lab/run", environment.LAB_NAME ?? process.env.LAB_NAME ?? "openstack-lab");
}

/** Which lab, where it differs from the environment's. */
export interface LabEnvironment {
  readonly LAB_NAME?: string;
  readonly LAB_ADDR?: string;
  readonly LAB_SUITE?: string;
}

/** Its standard output; what it says on standard error is passed on. */
export async function lab(args: readonly string[], environment: LabEnvironment = {}): Promise<string> {
  const child = spawn(LAB, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...environment } });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const code = await new Promise<number>((done, fail) => {
    child.once("error", fail);
    child.once("close", (status) => done(status ?? 1));
  });
  if (code !== 0) throw new Error(`lab ${args.join(" ")} ended with ${code}`);
  return output;
}
