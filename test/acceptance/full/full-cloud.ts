/** The cloud of the full suite: its projects, and ways to look at them and empty them that are not ours. Every step is one command of the lab. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { lab, labFolder } from "../lab-cloud.ts";
import type { Bytes, FullInventory } from "./inventory.ts";

export type Side = "source" | "target";

export interface FullManifest {
  /** Of the names of its projects and people. */
  readonly prefix: string;
  readonly projects: Readonly<Record<"acme" | "globex" | "target", { readonly id: string; readonly name: string }>>;
  /** Name → id. */
  readonly users: Readonly<Record<string, string>>;
  /** Type → id → what the seed knows of the bytes. */
  readonly data: Readonly<Record<string, Readonly<Record<string, Bytes & { readonly name?: string }>>>>;
}

export interface FullCloud {
  readonly osConfigFile: string;
  /** Names in clouds.yaml: an administrator of the project, and a plain member. */
  readonly administrator: Readonly<Record<Side, string>>;
  readonly member: Readonly<Record<Side, string>>;
  manifest(): Promise<FullManifest>;
  inventory(side: Side, depth: "bytes" | "fields"): Promise<FullInventory>;
  /** Deletes every object of the project and every user whose default project it is, and proves it. */
  empty(side: Side): Promise<void>;
}

/** Brings the lab up if it is not and seeds the full tenant anew. `prefix` names its projects. */
export async function openFullLab(prefix: string): Promise<FullCloud> {
  await lab(["up"]);
  await lab(["seed", "--small", "--prefix", prefix]);
  const administrator = { source: `${prefix}-acme-admin`, target: `${prefix}-target-admin` };
  return {
    osConfigFile: join(labFolder(), "clouds.yaml"),
    administrator,
    member: { source: `${prefix}-acme`, target: `${prefix}-target` },
    manifest: async () => JSON.parse(await readFile(join(labFolder(), `${prefix}-manifest.json`), "utf8")) as FullManifest,
    inventory: async (side, depth) =>
      JSON.parse(
        await lab(["inventory", administrator[side], "--full", ...(depth === "fields" ? ["--fields"] : [])]),
      ) as FullInventory,
    empty: async (side) => {
      await lab(["empty", administrator[side], "--users"]);
    },
  };
}
