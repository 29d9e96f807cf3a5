/** A rate over the last ten seconds: steady enough to read, quick enough to show a stall. */

const WINDOW_MS = 10_000;

export class RateWindow {
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = [];

  /** `bytes` is the running total, which never goes back within one session. */
  add(atMs: number, bytes: number): void {
    this.#samples.push({ atMs, bytes });
    // One sample older than the window stays, so that the window is always covered.
    while (this.#samples.length > 2 && (this.#samples[1]?.atMs ?? atMs) <= atMs - WINDOW_MS) this.#samples.shift();
  }

  /** Undefined until half a second is covered. */
  bytesPerSecond(nowMs: number): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || nowMs - first.atMs < 500) return undefined;
    return Math.max(0, ((last.bytes - first.bytes) * 1000) / (nowMs - first.atMs));
  }
}
