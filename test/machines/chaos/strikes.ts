/**
 * Carries out a plan of faults on a running cluster, and ends with everything running again. One role has one fault at a time, and so has the
 * bus: what would hit it again meanwhile is left out.
 */

import { systemClock } from "@permafrost/std";
import type { Cluster } from "../../harness/cluster.ts";
import type { DiskFaults } from "./disk-faults.ts";
import type { Fault, Strike } from "./plan.ts";

/** What was done: `kills` of any process, of these `busKills` of a nats-server; calls of a disk that failed. */
export interface Struck {
  kills: number;
  busKills: number;
  pauses: number;
  rollings: number;
  wipes: number;
  diskFaults: number;
  callsFailed: number;
}

export const NOTHING: Readonly<Struck> = {
  kills: 0,
  busKills: 0,
  pauses: 0,
  rollings: 0,
  wipes: 0,
  diskFaults: 0,
  callsFailed: 0,
};

/** A supervisor starts again and again what cannot start yet, such as for want of the bus. */
const START_MS = 120_000;

export async function strike(cluster: Cluster, disks: DiskFaults, plan: readonly Strike[], struck: Struck): Promise<void> {
  const busy = new Set<string>();
  const ends: Promise<void>[] = [];
  for (const { afterMs, fault } of plan) {
    await systemClock.sleep(afterMs);
    const place = "role" in fault ? fault.role : "bus";
    if (busy.has(place)) continue;
    busy.add(place);
    ends.push(carryOut(cluster, disks, fault, struck).finally(() => busy.delete(place)));
  }
  const failed = (await Promise.allSettled(ends)).find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function carryOut(cluster: Cluster, disks: DiskFaults, fault: Fault, struck: Struck): Promise<void> {
  switch (fault.kind) {
    case "kill":
      await killed(cluster, fault.role, fault.awayMs, struck);
      return;
    case "pause":
      // To the others it is dead; then it wakes and believes that no time has gone by.
      struck.pauses++;
      cluster.pause(fault.role, true);
      await systemClock.sleep(fault.awayMs);
      cluster.pause(fault.role, false);
      return;
    case "disk-full":
    case "disk-error": {
      const pid = cluster.pidOf(fault.role);
      if (pid === undefined || disks.skipped !== undefined) return;
      const callsFailed = await disks.inject(pid, fault.kind, fault.awayMs);
      struck.callsFailed += callsFailed;
      if (callsFailed > 0) struck.diskFaults++;
      // A full disk that is not full any more is used again; whose syncs failed takes no writes until it is started again.
      if (fault.kind === "disk-error" && disks.skipped === undefined) await killed(cluster, fault.role, 0, struck);
      return;
    }
    default:
      await onBus(cluster, fault, struck);
  }
}

async function onBus({ bus }: Cluster, fault: Exclude<Fault, { readonly role: string }>, struck: Struck): Promise<void> {
  if (fault.kind === "bus-wipe") {
    struck.wipes++;
    await bus.wipe();
  } else if (fault.kind === "bus-rolling") {
    struck.rollings++;
    for (let i = 0; i < bus.count; i++) {
      await bus.stop(i);
      await bus.startOne(i);
    }
  } else {
    const server = fault.server === "leader" ? await bus.leader() : fault.server;
    if (fault.kind === "bus-pause") {
      struck.pauses++;
      bus.pause(server, true);
      await systemClock.sleep(fault.awayMs);
      bus.pause(server, false);
      return;
    }
    struck.kills++;
    struck.busKills++;
    await bus.kill(server);
    await systemClock.sleep(fault.awayMs);
    await bus.startOne(server);
  }
}

async function killed(cluster: Cluster, role: string, awayMs: number, struck: Struck): Promise<void> {
  struck.kills++;
  await cluster.kill(role);
  await systemClock.sleep(awayMs);
  const deadline = systemClock.monotonic() + START_MS;
  for (;;) {
    try {
      await cluster.startRole(role);
      return;
    } catch (error) {
      if (systemClock.monotonic() > deadline) throw error;
      await cluster.kill(role);
      await systemClock.sleep(1_000);
    }
  }
}
