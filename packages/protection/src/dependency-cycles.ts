/**
 * Cycles in a restore plan, broken: a pure function over what depends on what.
 *
 * Two containers may hold segments of each other's large objects: neither can be complete before the other has begun. The
 * dependencies inside such a cycle are dropped, so that all of it is restored in one wave; what is refused for want of the other
 * is tried again when the other is there (SEGMENTS_MISSING, `later`). All other dependencies stay as they are.
 */

import { type ResourceKey, resourceKeyText } from "@permafrost/model";

interface Dependent extends ResourceKey {
  readonly dependsOn: readonly string[];
}

/** The same resources in the same order, without the dependencies that lead back to their own resource. */
export function withoutCycles<R extends Dependent>(resources: readonly R[]): R[] {
  const edges = new Map(resources.map((r) => [resourceKeyText(r), r.dependsOn]));
  const cyclic = inCycles(edges);
  const leadsTo = (from: string, to: string): boolean => {
    const seen = new Set<string>();
    const ahead = [from];
    for (let at = ahead.pop(); at !== undefined; at = ahead.pop()) {
      if (at === to) return true;
      if (seen.has(at)) continue;
      seen.add(at);
      ahead.push(...(edges.get(at) ?? []).filter((d) => cyclic.has(d)));
    }
    return false;
  };
  return resources.map((r) => {
    const key = resourceKeyText(r);
    if (!cyclic.has(key)) return r;
    return { ...r, dependsOn: r.dependsOn.filter((d) => !cyclic.has(d) || !leadsTo(d, key)) };
  });
}

/** What is left when everything is taken away that depends on nothing left: the cycles, and what depends on them. */
function inCycles(edges: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const left = new Set(edges.keys());
  for (;;) {
    const free = [...left].filter((key) => !(edges.get(key) ?? []).some((d) => left.has(d)));
    if (free.length === 0) return left;
    for (const key of free) left.delete(key);
  }
}
