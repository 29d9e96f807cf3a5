/**
 * Ctrl-C: the first one asks the running work to stop and waits for it to clean up; the second leaves at once.
 * What "ask to stop" means changes as a command goes on, so the handler is set and replaced.
 */

import { CodedError } from "@permafrost/std";
import type { CliContext } from "./context.ts";
import { EXIT } from "./exit-codes.ts";

export class Interrupts implements Disposable {
  readonly #controller = new AbortController();
  readonly #unsubscribe: () => void;
  #onFirst: (() => void) | undefined;
  #count = 0;

  constructor(context: CliContext) {
    this.#unsubscribe = context.onInterrupt(() => {
      this.#count++;
      if (this.#count > 1) return context.leave(EXIT.interrupted);
      if (this.#onFirst !== undefined) this.#onFirst();
      else this.#controller.abort(interrupted());
    });
  }

  /** Aborted by a first Ctrl-C that came while no handler was set; its reason is INTERRUPTED. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get happened(): boolean {
    return this.#count > 0;
  }

  /** From now on the first Ctrl-C calls `handler` in place of aborting `signal`. */
  handle(handler: () => void): void {
    this.#onFirst = handler;
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }
}

export function interrupted(): CodedError {
  return new CodedError("INTERRUPTED", "Interrupted");
}
