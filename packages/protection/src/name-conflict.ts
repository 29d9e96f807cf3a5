/** What a restore does when the target has something of that name: a pure decision, the same for every resource type. */

import type { ResourceResult, RestoreOptions } from "@permafrost/model";
import type { Planned } from "./resource-type.ts";

/** For services whose names are not unique: `create` makes another beside it. */
export function decideByName(
  what: string,
  name: string,
  existing: readonly string[],
  rule: RestoreOptions["onConflict"],
  sessionId: string,
): Pick<Planned, "action" | "reason" | "targetId" | "targetName"> {
  const [first] = existing;
  if (first === undefined) return { action: "create", reason: `no ${what} of that name` };
  const there =
    existing.length === 1 ? `${what} ${first} has the name ${name}` : `${existing.length} ${what}s have the name ${name}`;
  switch (rule) {
    case "create":
      return { action: "create", reason: `beside another: ${there}` };
    case "rename": {
      const targetName = `${name}-restored-${sessionId.slice(0, "YYYYMMDDTHHMMSSZ".length)}`;
      return { action: "create", reason: `as ${targetName}: ${there}`, targetName };
    }
    case "skip":
      return { action: "skip", reason: there, targetId: first };
    case "fail":
      return { action: "conflict", reason: there };
    case "reuse":
      if (existing.length > 1) return { action: "conflict", reason: `cannot choose one to reuse: ${there}` };
      return { action: "reuse", reason: there, targetId: first };
  }
}

/** The name in the target: as the plan chose it, else the captured one behind the prefix. What has no name keeps none. */
export function restoredName(
  name: string,
  resource: Pick<ResourceResult, "targetName">,
  options: Pick<RestoreOptions, "namePrefix">,
): string {
  if (name === "") return "";
  return resource.targetName ?? (options.namePrefix ?? "") + name;
}
