/**
 * The map file that `restore plan --write-map` writes: what the user mapped as it was, and each thing that the plan takes from the
 * target: what was found with a word how, what was not without a value. `--map-file` reads it back and comes to the same plan.
 */

import { stringify } from "yaml";
import type { PlanReference } from "../api.ts";
import { printable } from "../output/render.ts";
import type { NameMaps } from "./name-maps.ts";

export interface PlannedMaps {
  readonly planId: string;
  /** `cloud/project`. */
  readonly target: string;
  readonly maps: NameMaps;
  readonly references: readonly PlanReference[];
}

interface Line {
  readonly from: string;
  readonly to: string;
  readonly comment: string;
}

export function mapFileText({ planId, target, maps, references }: PlannedMaps): string {
  const kinds = new Map<string, Line[]>();
  const add = (kind: string, line: Line) => kinds.set(kind, [...(kinds.get(kind) ?? []), line]);
  for (const [kind, names] of maps) for (const [from, to] of names) add(kind, { from, to, comment: "as mapped" });
  for (const reference of references) {
    // What the user mapped stands there already, by name, by id or as the rest.
    if (reference.how !== "mapped") add(reference.kind, guess(reference, references));
  }
  const head = [
    `What the plan ${planId} takes from ${printable(target)}, which it does not make itself.`,
    "kind: name or id in the source: name or id in the target",
    `What has no value is not mapped. "*" stands for all other names of a kind.`,
  ];
  const blocks = [...kinds]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, lines]) => [`${kind}:`, ...lines.map(lineText)].join("\n"));
  return `${[head.map((line) => `# ${line}`).join("\n"), ...blocks].join("\n\n")}\n`;
}

function guess(reference: PlanReference, all: readonly PlanReference[]): Line {
  const { kind, id, name, targetId, targetName, how } = reference;
  // A name that two things of the source have would map both.
  const isUnique = all.filter((other) => other.kind === kind && other.name === name).length === 1;
  const byName = name !== "" && name !== "*" && isUnique;
  const from = byName ? name : id;
  const aside = byName || name === "" ? "" : `${name}, `;
  if (how === "missing") return { from, to: "", comment: `${aside}missing: the target has none of this name or id` };
  // Only a name by which it was found is known to be the only one.
  if (how === "same-name") return { from, to: targetName || targetId, comment: `${aside}same name, ${targetId}` };
  return { from, to: targetId, comment: `${aside}same id, ${targetName}` };
}

function lineText({ from, to, comment }: Line): string {
  return `  ${scalar(from)}:${to === "" ? "" : ` ${scalar(to)}`} # ${printable(comment)}`;
}

function scalar(text: string): string {
  // Quoted in one line, whatever is in it.
  return /\p{Cc}/u.test(text) ? JSON.stringify(text) : stringify(text, { lineWidth: 0 }).trimEnd();
}
