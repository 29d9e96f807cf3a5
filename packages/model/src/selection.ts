/**
 * Which resources a person means: `TYPE`, `TYPE/ID`, `TYPE/NAME`, `name=GLOB` or `tag=GLOB` (`*` and `?`).
 * No include means all; exclude wins.
 */

import { CodedError } from "@permafrost/std";
import type { Selection } from "./task.ts";

export interface Selectable {
  readonly type: string;
  readonly id: string;
  readonly name: string;
  readonly tags?: readonly string[];
}

export function selects(selection: Selection, resource: Selectable): boolean {
  const matches = (term: string) => matchesTerm(term, resource);
  if (selection.exclude.some(matches)) return false;
  return selection.include.length === 0 || selection.include.some(matches);
}

/** Whether anything of the type may be selected: what cannot be is not even listed. */
export function maySelect(selection: Selection, type: string): boolean {
  if (selection.exclude.includes(type)) return false;
  const ofAnyType = (term: string) => term.startsWith("name=") || term.startsWith("tag=");
  const ofThis = (term: string) => ofAnyType(term) || term === type || term.startsWith(`${type}/`);
  return selection.include.length === 0 || selection.include.some(ofThis);
}

/** Throws SELECTION_MALFORMED for a term that can match nothing. */
export function checkSelection(selection: Selection): void {
  for (const term of [...selection.include, ...selection.exclude]) {
    if (
      term.startsWith("name=")
        ? term.length > 5
        : term.startsWith("tag=")
          ? term.length > 4
          : /^[a-z]+\.[a-z-]+(\/.+)?$/.test(term)
    )
      continue;
    throw new CodedError("SELECTION_MALFORMED", `Cannot read the selection ${JSON.stringify(term)}`, {
      facts: { term },
      hint: "Use TYPE, TYPE/ID, TYPE/NAME, name=GLOB or tag=GLOB, such as cinder.volume/db-data or name=web-*.",
    });
  }
}

function matchesTerm(term: string, resource: Selectable): boolean {
  if (term.startsWith("name=")) return matchesGlob(term.slice(5), resource.name);
  if (term.startsWith("tag=")) return (resource.tags ?? []).some((tag) => matchesGlob(term.slice(4), tag));
  const slash = term.indexOf("/");
  if (slash < 0) return term === resource.type;
  const wanted = term.slice(slash + 1);
  return term.slice(0, slash) === resource.type && (wanted === resource.id || wanted === resource.name);
}

/** `*` is any run of characters, `?` is one. */
export function matchesGlob(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${source}$`, "s").test(text);
}
