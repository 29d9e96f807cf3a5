/**
 * Comparing inventories: every field that differs, named, unless the list of allowed differences explains it.
 *
 * Pure. Rows are matched by name (a restore makes new ids), so names in a tenant of the suite are unique per kind. A field that
 * is on one side only is a difference. Nothing is compared that is not in an inventory.
 */

import type { AllowedDifference } from "./allowed-differences.ts";
import type { Inventory, TenantManifest } from "./inventory.ts";

export type Kind = "image" | "volume" | "container" | "object";

type Row = Readonly<Record<string, unknown>>;

/** `<kind> <name>: <field> is <source> in the source, <target> in the target`, for everything that nothing allows. */
export function compareInventories(source: Inventory, target: Inventory, allowed: readonly AllowedDifference[]): string[] {
  const found: string[] = [];
  for (const kind of ["image", "volume", "container", "object"] as const) {
    const left = rowsByName(source, kind);
    const right = rowsByName(target, kind);
    for (const name of new Set([...left.keys(), ...right.keys()])) {
      const [a, b] = [left.get(name), right.get(name)];
      if (a === undefined || b === undefined) {
        found.push(`${kind} ${name}: only in the ${a === undefined ? "target" : "source"}`);
        continue;
      }
      for (const { field, before, after } of differencesOf(
        withoutProject(a, source.projectId),
        withoutProject(b, target.projectId),
      )) {
        const reasons = allowed.filter((one) => one.kind === kind && one.field.test(field));
        if (reasons.some((one) => one.accepts?.({ before, after }) ?? true)) continue;
        found.push(`${kind} ${name}: ${field} is ${show(before)} in the source, ${show(after)} in the target`);
      }
    }
  }
  return found;
}

/** Bytes that are missing, other or unexpected. */
export function compareWithManifest(inventory: Inventory, manifest: TenantManifest): string[] {
  const wanted = new Map<string, string>();
  for (const row of manifest.images) wanted.set(`image ${row.name}`, `${row.sha256} ${row.bytes}`);
  for (const row of manifest.volumes) wanted.set(`volume ${row.name}`, `${row.sha256} ${row.bytes}`);
  for (const row of manifest.objects) wanted.set(`object ${row.container}/${row.name}`, `${row.sha256} ${row.bytes}`);
  const found = new Map<string, string>();
  for (const kind of ["image", "volume", "object"] as const) {
    for (const [name, row] of rowsByName(inventory, kind)) found.set(`${kind} ${name}`, `${row.sha256} ${row.bytes}`);
  }
  return [
    ...[...wanted].filter(([name]) => !found.has(name)).map(([name]) => `${name} is missing`),
    ...[...found].filter(([name]) => !wanted.has(name)).map(([name]) => `${name} is in no manifest`),
    ...[...wanted]
      .filter(([name, hash]) => found.has(name) && found.get(name) !== hash)
      .map(([name, hash]) => `${name}: SHA-256 and bytes are ${found.get(name)}, not ${hash}`),
  ];
}

/** Objects that Permafrost makes for a while and that a finished session may not leave. */
export function leftovers(inventory: Inventory): string[] {
  const named = [
    ...inventory.images.map((row) => ({ kind: "image", ...row })),
    ...inventory.volumes.map((row) => ({ kind: "volume", ...row })),
  ];
  return [
    ...inventory.others.map((one) => `${one.kind} ${one.name ?? ""} (${one.id})`),
    ...named.filter((row) => /^permafrost-/.test(row.name ?? "")).map((row) => `${row.kind} ${row.name} (${row.id})`),
  ];
}

function rowsByName(inventory: Inventory, kind: Kind): Map<string, Row> {
  const rows: readonly object[] = inventory[`${kind}s`];
  return new Map(
    (rows as readonly Row[]).map((row) => [kind === "object" ? `${row.container}/${row.name}` : String(row.name), row]),
  );
}

/** The row with its own project's id as `{project}`. */
function withoutProject(row: Row, projectId: string): Row {
  return JSON.parse(JSON.stringify(row).replaceAll(projectId, "{project}")) as Row;
}

/** `properties.os_distro` and the like for every leaf; a list is a leaf. */
function leavesOf(row: Row, prefix = ""): [string, unknown][] {
  return Object.entries(row).flatMap(([key, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? leavesOf(value as Row, `${prefix}${key}.`)
      : [[`${prefix}${key}`, value]],
  );
}

function differencesOf(a: Row, b: Row): { field: string; before: unknown; after: unknown }[] {
  const [left, right] = [new Map(leavesOf(a)), new Map(leavesOf(b))];
  return [...new Set([...left.keys(), ...right.keys()])]
    .map((field) => ({ field, before: left.get(field), after: right.get(field) }))
    .filter(({ before, after }) => show(before) !== show(after));
}

function show(value: unknown): string {
  return value === undefined ? "absent" : JSON.stringify(value);
}
