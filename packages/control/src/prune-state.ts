/**
 * What a repository remembers between prunes: the number of the last cycle, and of each cycle whose condemned are not all deleted when that was
 * and which sessions ran then. One record, each version written on the one before: of two prunes at once one finds RECORD_CONFLICT.
 */

import type { SessionId } from "@permafrost/model";
import type { Records } from "@permafrost/repository";
import { CodedError, fromUtf8, utf8 } from "@permafrost/std";

export interface Generation {
  readonly cycle: number;
  readonly condemnedAt: string;
  /** Sessions that ran when all was condemned: what they had reserved before may be among it. */
  readonly running: readonly SessionId[];
}

export interface PruneState {
  readonly cycle: number;
  /** In order of cycle. */
  readonly generations: readonly Generation[];
}

const KEY = "prune/state";

export class PruneRecord {
  readonly #records: Records;
  #version = 0n;

  constructor(records: Records) {
    this.#records = records;
  }

  async read(): Promise<PruneState> {
    const found = await this.#records.get(KEY);
    this.#version = found?.version ?? 0n;
    if (found === undefined) return { cycle: 0, generations: [] };
    const { version, ...state } = JSON.parse(fromUtf8(found.value)) as PruneState & { readonly version: number };
    if (version !== 1)
      throw new CodedError("FORMAT_UNKNOWN", `What prunes remember is of version ${version}, newer than this program`, {
        hint: "Upgrade Permafrost.",
      });
    return state;
  }

  /** RECORD_CONFLICT if another prune has written since it was read. */
  async write(state: PruneState): Promise<void> {
    await this.#records.put(KEY, this.#version + 1n, utf8(JSON.stringify({ version: 1, ...state })));
    this.#version += 1n;
  }
}
