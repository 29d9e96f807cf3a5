/** What is asked of sessions that have ended, whatever happened to the cluster meanwhile: each answer is a line that says what is wrong. */

import type { control } from "@permafrost/rpc";

/** I12: `succeeded` is complete, and everything else says why. I7: each resource is there once. */
export function judgeSession(session: control.Session, resources: readonly control.Resource[]): string[] {
  const { id, kind, state, failure } = session;
  const wrong: string[] = [];
  const say = (what: string) => wrong.push(`${kind} ${id}: ${what}`);
  const isFailureSaid = (failure?.code ?? "") !== "";
  const failed = resources.filter((r) => r.state === "failed");
  const open = resources.filter((r) => r.state === "pending" || r.state === "running");
  if (state === "succeeded") {
    if (failed.length + open.length > 0) say(`succeeded, but ${failed.length} resources failed and ${open.length} did not end`);
    if (isFailureSaid) say(`succeeded, but failed with ${failure?.code}`);
  } else if (state === "partial") {
    if (failed.length + open.length === 0) say("is partial, but no resource failed");
  } else if (state === "failed") {
    if (!isFailureSaid && failed.length === 0) say("failed and does not say why");
  } else if (state !== "cancelled") say(`ended as ${state}`);
  for (const { type, name, failure: why } of failed)
    if ((why?.code ?? "") === "") say(`${type} ${name} failed and does not say why`);
  const keys = resources.map((r) => `${r.type}/${r.id}`);
  const twice = keys.filter((key, i) => keys.indexOf(key) !== i);
  if (twice.length > 0) say(`more than one result for ${twice.join(", ")}`);
  return wrong;
}

/** A backup of a tenant that succeeded holds all of it, once. */
export function judgeTenantBackup(
  { id, resources: count, succeeded }: control.Session,
  resources: readonly control.Resource[],
  contents: ReadonlyMap<string, string>,
): string[] {
  const expected = [...contents.keys()].filter((line) => !line.startsWith("object ")).length;
  const told = [count, succeeded, resources.length];
  return told.every((n) => n === expected) ? [] : [`backup ${id}: ${expected} resources, but it says ${told.join(", ")}`];
}
