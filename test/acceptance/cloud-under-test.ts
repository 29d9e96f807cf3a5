/** A cloud the suite can run against: its two projects, and ways to look at them and change them that are not ours. */

import type { Inventory, TenantManifest } from "./inventory.ts";

export interface CloudUnderTest {
  /** clouds.yaml with both clouds below. */
  readonly osConfigFile: string;
  /** Names in clouds.yaml: the project that is backed up, and the empty one that it is restored into. */
  readonly source: string;
  readonly target: string;
  /** What the source holds now. */
  manifest(): Promise<TenantManifest>;
  /** Changes about 1 % of the source. */
  change(): Promise<void>;
  /** With the SHA-256 of all bytes, or fields only. */
  inventory(side: "source" | "target", depth: "bytes" | "fields"): Promise<Inventory>;
  /** Stops what was started for the suite. */
  close(): Promise<void>;
}
