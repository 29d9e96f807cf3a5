/** Giving way: long work on the one thread lets sockets and timers have a turn. */

import { setImmediate } from "node:timers/promises";

/** Resolves after everything that is ready to run has run. Takes no time of its own. */
export function nextTurn(): Promise<void> {
  return setImmediate();
}
