/** Where something that a resource refers to will be in the target, as far as a plan knows. */

import type { PlanScope } from "../resource-type.ts";
import type { DeclaredDocument } from "./declaration.ts";

export interface PlannedTarget {
  /** The restore makes it: nothing is in it, and the project owns it. */
  readonly isNew: boolean;
  /** Absent for what is new, and for what the target does not have. */
  readonly id?: string;
}

export async function plannedTarget(
  scope: PlanScope,
  document: DeclaredDocument,
  kind: string,
  id: string,
): Promise<PlannedTarget> {
  const key = `${kind}/${id}`;
  const planned = scope.planned(key);
  if (planned !== undefined)
    return { isNew: planned.action === "create", ...(planned.targetId === undefined ? {} : { id: planned.targetId }) };
  if (scope.includes(key)) return { isNew: true };
  const { targetId } = await scope.resolve({ kind, id, name: document.names[key] ?? "" });
  return { isNew: false, ...(targetId === undefined ? {} : { id: targetId }) };
}
