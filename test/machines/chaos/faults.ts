/** Faults on the processes of a cluster, from a seed: killed and started again, stopped and woken, the bus wiped. */

import { systemClock } from "@permafrost/std";
import type { Cluster } from "../../harness/cluster.ts";

const STARTS_MAX = 10;
/** With more of them down at once nothing would come to an end. */
const STRUCK_AT_ONCE = 2;

export interface Faults {
  readonly kills: number;
  readonly pauses: number;
  readonly wipes: number;
}

/** Does `count` of them, one after another, and ends with everything running. `next(n)` draws a number below n. */
export async function strike(
  cluster: Cluster,
  roles: readonly string[],
  count: number,
  next: (below: number) => number,
): Promise<Faults> {
  const done = { kills: 0, pauses: 0, wipes: 0 };
  const busy = new Set<string>();
  const ends: Promise<void>[] = [];
  let failure: unknown;
  for (let n = 0; n < count; n++) {
    await systemClock.sleep(300 + next(1700));
    const free = busy.size < STRUCK_AT_ONCE ? roles.filter((role) => !busy.has(role)) : [];
    const role = free[next(Math.max(1, free.length))];
    const kind = next(40);
    if (kind === 0) {
      done.wipes++;
      await cluster.wipeBus();
    } else if (role !== undefined) {
      busy.add(role);
      const isKill = kind < 30;
      if (isKill) done.kills++;
      else done.pauses++;
      ends.push(
        (isKill ? killed(cluster, role, next(1500)) : paused(cluster, role, 500 + next(3000))).then(() => void busy.delete(role)),
      );
    }
  }
  await Promise.all(ends);
  if (failure !== undefined) throw failure;
  return done;
}

async function killed(cluster: Cluster, role: string, awayMs: number): Promise<void> {
  await cluster.kill(role);
  await systemClock.sleep(awayMs);
  // A role that finds no bus gives up: its service manager starts it again.
  for (let attempt = 1; ; attempt++) {
    try {
      return await cluster.startRole(role);
    } catch (error) {
      if (attempt === STARTS_MAX) throw error;
      await cluster.kill(role);
    }
  }
}

/** To the others it is dead; then it wakes and believes that no time has gone by. */
async function paused(cluster: Cluster, role: string, awayMs: number): Promise<void> {
  cluster.pause(role, true);
  await systemClock.sleep(awayMs);
  cluster.pause(role, false);
}
