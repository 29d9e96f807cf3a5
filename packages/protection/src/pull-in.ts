/** A selection of resources with all they cannot be restored without, as far as the restore point has it. */

import { type ResourceResult, resourceKeyText } from "@permafrost/model";
import type { Json } from "@permafrost/std";
import { resourceTypes } from "./resource-types.ts";

export async function pullIn(
  selected: readonly ResourceResult[],
  others: readonly ResourceResult[],
  documentOf: (resource: ResourceResult) => Promise<Json>,
): Promise<ResourceResult[]> {
  const types = new Map(resourceTypes.map((t) => [t.type, t]));
  const rest = new Map(others.map((r) => [resourceKeyText(r), r]));
  const all = [...selected];
  // `all` grows while it is walked: what was pulled in has needs of its own.
  for (const resource of all) {
    if (rest.size === 0) break;
    const needs = types.get(resource.type)?.needs?.(await documentOf(resource)) ?? [];
    for (const key of needs) {
      const needed = rest.get(key);
      if (needed === undefined) continue;
      rest.delete(key);
      all.push(needed);
    }
  }
  return all;
}
