/** A backup system as the bench drives it: an empty repository, backups of one disk's generations, restores whose bytes are checked. */

import type { Cost, SystemName } from "./figures.ts";
import type { GeneratedImage } from "./image.ts";

export interface System {
  readonly name: SystemName;
  readonly version: string;
  /** With an empty repository in `directory`, which is the system's own. `image` is what the disk holds at first. */
  open(directory: string, image: GeneratedImage): Promise<OpenSystem>;
}

export interface OpenSystem {
  /** Backs up the disk, which holds these bytes now. */
  backup(image: GeneratedImage): Promise<Cost>;
  /** Restores the newest backup. Throws when its bytes are not `expected`'s. */
  restore(expected: GeneratedImage): Promise<Cost>;
  close(): Promise<void>;
}

export function checkRestored(system: string, sha256: string, expected: GeneratedImage): void {
  if (sha256 !== expected.sha256) throw new Error(`${system} restored ${sha256} instead of ${expected.sha256}`);
}
