/** Restores by what can be asked of them: their plan, and whether they can be applied, verified or taken back now. */

import type { SavedPlan, SessionRecord, StreamRoot } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import type { Coordinator } from "./coordinator.ts";
import { savedPlan } from "./restore.ts";

export interface PlannedRestore {
  readonly record: SessionRecord;
  readonly saved: SavedPlan;
  readonly plan: StreamRoot;
}

/** Throws NOT_A_RESTORE, and PLAN_MISSING for one that ended before it had a plan. */
export async function restorePlan(coordinator: Coordinator, session: string): Promise<PlannedRestore> {
  const record = await coordinator.find(session);
  const { id, kind, state, plan } = record;
  if (kind !== "restore")
    throw new CodedError("NOT_A_RESTORE", `Session ${id} is no restore: it is a ${kind}`, {
      facts: { session: id },
      hint: "`permafrost sessions` lists them.",
    });
  if (plan === undefined)
    throw new CodedError("PLAN_MISSING", `Restore ${id} has no plan${state === "running" ? " yet" : `: it ${state}`}`, {
      facts: { session: id },
      hint: "Make one with `permafrost restore plan`.",
    });
  return { record, plan, saved: await savedPlan({ repository: await coordinator.repositories.open(record.repositoryId) }, plan) };
}

/** A plan that nothing is done with at the moment. Throws also SESSION_RUNNING. */
export async function idlePlan(coordinator: Coordinator, session: string): Promise<PlannedRestore> {
  const planned = await restorePlan(coordinator, session);
  const { journalId } = planned.saved;
  const all = await coordinator.list(planned.record.repositoryId);
  const family = new Set(all.filter((r) => r.id === journalId || r.appliesId === journalId).map((r) => r.id));
  const busy = all.find((r) => r.state === "running" && (family.has(r.id) || family.has(r.appliesId ?? "")));
  if (busy === undefined) return planned;
  throw new CodedError("SESSION_RUNNING", `Session ${busy.id} (${busy.kind}) still works on this plan`, {
    facts: { session: busy.id },
    hint: "Wait for it, or cancel it.",
  });
}

/** A restore that changed something, and has ended. Throws also NOT_APPLIED. */
export async function endedRestore(coordinator: Coordinator, session: string): Promise<PlannedRestore> {
  const planned = await idlePlan(coordinator, session);
  const { id, dryRun } = planned.record;
  if (dryRun !== true) return planned;
  throw new CodedError("NOT_APPLIED", `Session ${id} is a plan that changed nothing`, {
    facts: { session: id },
    hint: "Name the session that applied it; `permafrost sessions` lists them.",
  });
}
