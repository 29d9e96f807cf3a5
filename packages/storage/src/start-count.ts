/**
 * How many starts in a row ended with the death of the process, soon after it opened the index: `starting` in the
 * node's directory holds their number. The file is there from the opening until the process has lived on for a while,
 * or ended the store in order; a process that dies between leaves it behind.
 *
 * The damage may show itself a little after the opening, when LevelDB compacts in the background; hence the while. It
 * ends also while a long recovery runs, which someone may kill for other reasons. A count too many costs a rebuild, a
 * count too few another crash; neither costs data, so the file is not synced.
 */

import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@permafrost/std";

const FILE = "starting";
const SURVIVED_MS = 30_000;

export class StartCount {
  readonly #file: string;
  readonly #clock: Clock;
  #before = 0;
  #watch: AbortController | undefined;

  constructor(directory: string, clock: Clock) {
    this.#file = join(directory, FILE);
    this.#clock = clock;
  }

  /** Starts in a row that their process did not survive. */
  async failed(): Promise<number> {
    const text = await readFile(this.#file, "utf8").catch(() => "");
    return /^\d{1,6}\s*$/.test(text) ? Number(text) : 0;
  }

  /** The index is about to be opened. */
  async begin(): Promise<void> {
    this.#watch?.abort();
    const watch = new AbortController();
    this.#watch = watch;
    this.#before = await this.failed();
    await writeFile(this.#file, `${this.#before + 1}\n`, { mode: 0o600 });
    void this.#clock
      .sleep(SURVIVED_MS, watch.signal)
      .then(() => rm(this.#file, { force: true }))
      .catch(() => undefined);
  }

  /** The index did not open, and said why: as if it had not been tried. */
  async undo(): Promise<void> {
    this.#watch?.abort();
    if (this.#before === 0) await rm(this.#file, { force: true });
    else await writeFile(this.#file, `${this.#before}\n`, { mode: 0o600 });
  }

  /** The index was closed, or is gone: nothing is held against it. */
  async end(): Promise<void> {
    this.#watch?.abort();
    await rm(this.#file, { force: true });
  }
}
