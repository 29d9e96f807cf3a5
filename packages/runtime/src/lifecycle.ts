/**
 * Ordered start and stop of what a service is made of.
 *
 * Each part registers how it is stopped right after it started; stopping goes in reverse, so nothing outlives what it needs. A part that fails
 * to stop or takes too long does not keep the others from stopping. Stopping twice is stopping once.
 */

import { type Clock, CodedError, systemClock } from "@permafrost/std";

interface Part {
  readonly name: string;
  readonly stop: () => Promise<unknown> | unknown;
}

export class Lifecycle {
  /** Aborted when stopping begins: background work ends itself at it. */
  readonly signal: AbortSignal;
  readonly #aborter = new AbortController();
  readonly #parts: Part[] = [];
  readonly #fatal = Promise.withResolvers<unknown>();
  readonly #clock: Clock;
  readonly #partStopMsMax: number;
  #stopping: Promise<readonly CodedError[]> | undefined;

  constructor(options: { readonly clock?: Clock; readonly partStopMsMax?: number } = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#partStopMsMax = options.partStopMsMax ?? 10_000;
    this.signal = this.#aborter.signal;
  }

  /** Registers how a part that was just started is stopped. Throws STOPPING, after stopping that part, when it comes too late. */
  async onStop(name: string, stop: Part["stop"]): Promise<void> {
    if (this.#stopping !== undefined) {
      await stop();
      throw new CodedError("STOPPING", `${name} was started while the service stops`);
    }
    this.#parts.push({ name, stop });
  }

  /** Ends the service with this error: for background work without which it must not go on. */
  fail(error: unknown): void {
    this.#fatal.resolve(error);
  }

  /** Resolves with the first error given to `fail`. */
  get failed(): Promise<unknown> {
    return this.#fatal.promise;
  }

  /** Stops all parts in reverse order; gives the failures. */
  stop(): Promise<readonly CodedError[]> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<readonly CodedError[]> {
    const failures: CodedError[] = [];
    this.#aborter.abort(new CodedError("STOPPING", "the service stops"));
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) {
      const { name, stop } = part;
      const timer = new AbortController();
      const late = this.#clock.sleep(this.#partStopMsMax, timer.signal).then(() => {
        throw new CodedError("STOP_TIMEOUT", `${name} did not stop within ${this.#partStopMsMax} ms`, { facts: { name } });
      });
      try {
        await Promise.race([(async () => await stop())(), late]);
      } catch (error) {
        failures.push(
          CodedError.is(error) ? error : new CodedError("STOP_FAILED", `${name}: ${String(error)}`, { cause: error }),
        );
      } finally {
        timer.abort();
        late.catch(() => undefined);
      }
    }
    return failures;
  }
}
