/**
 * Comparing two full inventories field by field: what differs, by name, unless the list of allowed differences explains it.
 *
 * Pure. Lists are compared as sets, except those whose order means something. A field that is on one side only is a difference.
 */

import { ALLOWED_DIFFERENCES, type AllowedDifference, ORDERED, otherMib, type Scenario } from "./allowed-differences.ts";
import type { Bytes, FullInventory, Row } from "./inventory.ts";
import { type LabelledRow, labelled } from "./labels.ts";
import { type LeftOut, leftOutOf } from "./left-out.ts";

export interface Comparison {
  /** Nothing explains them. */
  readonly differences: readonly string[];
  /** What was not compared because the product does not restore it yet, with its reason. */
  readonly leftOut: readonly string[];
  /** How many rows had their fields compared, and how many disks, images, objects and secrets their bytes. */
  readonly rows: number;
  readonly streams: number;
}

export interface CompareInput {
  readonly before: FullInventory;
  readonly after: FullInventory;
  readonly scenario: Scenario;
  /** Names of ids that are neither project's. */
  readonly outside: Readonly<Record<string, string>>;
  readonly allowed?: readonly AllowedDifference[];
  readonly leaveOut?: readonly LeftOut[];
}

/** They name things; the project does not own them. */
const OF_THE_CLOUD = ["cinder.volume-type", "nova.flavor"];

export function compareFull(input: CompareInput): Comparison {
  const { before, after, scenario, outside } = input;
  const allowed = (input.allowed ?? ALLOWED_DIFFERENCES).filter((one) => one.only === undefined || one.only.includes(scenario));
  const differences: string[] = [];
  const leftOut: string[] = [];
  const count = { rows: 0, streams: 0 };
  const [left, right] = [labelled(before, outside), labelled(after, outside)];
  for (const type of [...new Set([...left.keys(), ...right.keys()])].filter((one) => !OF_THE_CLOUD.includes(one)).sort()) {
    const [rows, copies] = [byLabel(left.get(type)), byLabel(right.get(type))];
    const rules = allowed.filter((one) => one.type.test(type));
    for (const label of [...new Set([...rows.keys(), ...copies.keys()])].sort()) {
      const [row, copy] = [rows.get(label), copies.get(label)];
      const reason = leftOutOf(type, label, scenario, input.leaveOut);
      if (reason !== undefined) {
        if (row !== undefined) leftOut.push(`${type} ${label}: ${reason}`);
      } else if (row === undefined || copy === undefined) {
        const rule = rules.find((one) => one.field === "row" && one.label?.test(label) !== false);
        if (rule === undefined) differences.push(`${type} ${label}: only ${row === undefined ? "after" : "before"}`);
      } else {
        count.rows += 1;
        differences.push(...fieldsOf(type, label, row.row, copy.row, rules));
        const [bytes, copied] = [before.data?.[type]?.[row.id], after.data?.[type]?.[copy.id]];
        if (bytes === undefined && copied === undefined) continue;
        count.streams += 1;
        if (bytes?.sha256 === copied?.sha256 && bytes?.bytes === copied?.bytes) continue;
        const other = otherMib(bytes, copied);
        const rule = rules.find((one) => one.field === "bytes" && one.label?.test(label) !== false);
        if (rule !== undefined && rule.accepts?.(bytes, copied) !== false) continue;
        const place = other === undefined ? "" : ` (MiB ${other.slice(0, 8).join(", ")}${other.length > 8 ? " …" : ""})`;
        differences.push(`${type} ${label}: bytes were ${seal(bytes)}, are ${seal(copied)}${place}`);
      }
    }
  }
  return { differences, leftOut, ...count };
}

function seal(bytes: Bytes | undefined): string {
  return bytes === undefined ? "absent" : `${bytes.bytes} ${bytes.sha256.slice(0, 16)}`;
}

function byLabel(rows: readonly LabelledRow[] = []): Map<string, LabelledRow> {
  return new Map(rows.map((one) => [one.label, one]));
}

function fieldsOf(type: string, label: string, row: Row, copy: Row, rules: readonly AllowedDifference[]): string[] {
  const mine = rules.filter((one) => one.label?.test(label) !== false);
  const isDropped = (path: string) =>
    mine.some(({ field, accepts }) => field instanceof RegExp && accepts === undefined && field.test(path));
  const [a, b] = [leavesOf(type, row, isDropped), leavesOf(type, copy, isDropped)];
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((path) => {
    const [before, after] = [a.get(path), b.get(path)];
    if (show(before) === show(after)) return [];
    if (mine.some(({ field, accepts }) => field instanceof RegExp && field.test(path) && accepts?.(before, after))) return [];
    return [`${type} ${label}: ${path} was ${show(before)}, is ${show(after)}`];
  });
}

/** Path → value of every leaf; a list is a leaf, without what is dropped and sorted unless its order counts. */
function leavesOf(type: string, row: Row, isDropped: (path: string) => boolean): Map<string, unknown> {
  const leaves = new Map<string, unknown>();
  const clean = (value: unknown, path: string): unknown => {
    if (Array.isArray(value)) {
      const items = value.map((one) => clean(one, `${path}[]`));
      return ORDERED.some((one) => one.test(`${type} ${path}`)) ? items : items.sort((x, y) => (show(x) < show(y) ? -1 : 1));
    }
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value).filter(([key]) => !isDropped(`${path}.${key}`));
    return Object.fromEntries(
      entries.map(([key, one]) => [key, clean(one, `${path}.${key}`)] as const).sort(([x], [y]) => (x < y ? -1 : 1)),
    );
  };
  const walk = (value: Row, prefix: string) => {
    for (const [key, one] of Object.entries(value)) {
      const path = `${prefix}${key}`;
      if (isDropped(path)) continue;
      if (typeof one === "object" && one !== null && !Array.isArray(one)) walk(one as Row, `${path}.`);
      else leaves.set(path, clean(one, path));
    }
  };
  walk(row, "");
  return leaves;
}

function show(value: unknown): string {
  return value === undefined ? "absent" : JSON.stringify(value);
}
