/**
 * The highest fence seen for each (session, task): what a lower one asks is refused, so that a worker that lost
 * its claim and does not know it can change nothing. Bounded: beyond `tasksMax` the task seen longest ago is
 * forgotten; its zombies could then only repeat what is idempotent anyway.
 */

import { CodedError } from "@permafrost/std";
import type { Scope } from "./block-store.ts";

export class Fences {
  readonly #highest = new Map<string, bigint>();
  readonly #tasksMax: number;

  constructor(tasksMax = 100_000) {
    this.#tasksMax = tasksMax;
  }

  /** Throws FENCED if the scope's fence is lower than the highest seen for its session and task. */
  check(scope: Scope): void {
    const key = `${scope.repositoryId}\n${scope.sessionId}\n${scope.taskId}`;
    const highest = this.#highest.get(key);
    if (highest !== undefined && scope.fence < highest) {
      throw new CodedError("FENCED", "another worker has claimed this task since", {
        facts: { sessionId: scope.sessionId, taskId: scope.taskId, fence: String(scope.fence), highest: String(highest) },
        hint: "stop this attempt; the newer claim does the work",
      });
    }
    this.#highest.delete(key);
    this.#highest.set(key, scope.fence);
    if (this.#highest.size > this.#tasksMax) {
      const oldest = this.#highest.keys().next();
      if (!oldest.done) this.#highest.delete(oldest.value);
    }
  }
}
