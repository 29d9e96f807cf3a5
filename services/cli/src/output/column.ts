/**
 * Columns: how a row of any kind becomes cells. One list per kind of row, in `rows.ts`; every output format and `-c`
 * read the same list, so a title in a table and a key in JSON never drift apart.
 */

import { usageError } from "../failure.ts";

/** What a cell may hold. Times are ISO text; `undefined` is "nothing". */
export type Cell = string | number | bigint | boolean | undefined | readonly string[] | Readonly<Record<string, unknown>>;

export interface Column<Row> {
  /** `Title Case`, for tables and csv headers. The key in json and yaml is the same words in snake_case. */
  readonly title: string;
  /** The plain value, for machines and for sorting. */
  readonly value: (row: Row) => Cell;
  /** The value for people, in tables only; default: the plain value. */
  readonly text?: (row: Row) => string;
  readonly align?: "right";
  /** Left out of tables unless named with `-c`; always in json and yaml. */
  readonly detail?: true;
}

/** `Logical Size` → `logical_size`. */
export function columnKey(title: string): string {
  return title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_");
}

/**
 * The columns that `names` name, in that order; by title or key, in any case. Without names: all, or all but the
 * details. Throws USAGE for a name that is none.
 */
export function selectColumns<Row>(
  columns: readonly Column<Row>[],
  names: readonly string[],
  withDetails: boolean,
): readonly Column<Row>[] {
  if (names.length === 0) return withDetails ? columns : columns.filter((column) => column.detail !== true);
  return names.map((name) => findColumn(columns, name));
}

/** The column of that title or key. Throws USAGE. */
export function findColumn<Titled extends { readonly title: string }>(columns: readonly Titled[], name: string): Titled {
  const key = columnKey(name);
  const found = columns.find((column) => columnKey(column.title) === key);
  if (found === undefined) {
    const known = columns.map((column) => column.title).join(", ");
    throw usageError(`No column ${JSON.stringify(name)}`, `There are: ${known}`);
  }
  return found;
}

/** Rows in ascending order of that column's plain values; numbers by size, nothing first. Stable. */
export function sortRows<Row>(rows: readonly Row[], column: Column<Row>): Row[] {
  return rows.toSorted((a, b) => compareCells(column.value(a), column.value(b)));
}

function compareCells(a: Cell, b: Cell): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  if ((typeof a === "number" || typeof a === "bigint") && (typeof b === "number" || typeof b === "bigint")) {
    return a < b ? -1 : a > b ? 1 : 0;
  }
  const [left, right] = [cellText(a), cellText(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** A cell as one piece of text: lists joined, objects as JSON, nothing as "". */
export function cellText(cell: Cell): string {
  if (cell === undefined) return "";
  if (typeof cell === "object") return Array.isArray(cell) ? cell.join("; ") : JSON.stringify(cell);
  return String(cell);
}

/** A cell as JSON and YAML write it: byte counts beyond 2^53 stay exact as text. */
export function cellJson(cell: Cell): unknown {
  if (cell === undefined) return null;
  if (typeof cell === "bigint") {
    return cell <= BigInt(Number.MAX_SAFE_INTEGER) && cell >= -BigInt(Number.MAX_SAFE_INTEGER) ? Number(cell) : String(cell);
  }
  return cell;
}
