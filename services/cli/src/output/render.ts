/**
 * Rows to text in the formats of the OpenStack client: table, json, yaml, csv and value. Pure: rows in, text out,
 * always ending with a newline. A list prints its rows; a record prints one row, as a `Field`/`Value` table.
 */

import { styleText } from "node:util";
import Table from "cli-table3";
import { stringify } from "yaml";
import { type Cell, type Column, cellJson, cellText, columnKey, findColumn, selectColumns, sortRows } from "./column.ts";

export const FORMATS = ["table", "json", "yaml", "value", "csv"] as const;
export type Format = (typeof FORMATS)[number];

export interface RenderOptions {
  readonly format: Format;
  /** Titles or keys, in the order wanted; empty: the default ones. */
  readonly columns: readonly string[];
  /** Title or key. */
  readonly sortColumn?: string;
  readonly colour: boolean;
}

/** A list of rows. Throws USAGE for an unknown column. */
export function renderList<Row>(rows: readonly Row[], columns: readonly Column<Row>[], options: RenderOptions): string {
  const shown = selectColumns(columns, options.columns, isForMachines(options.format));
  const sorted = options.sortColumn === undefined ? rows : sortRows(rows, findColumn(columns, options.sortColumn));
  switch (options.format) {
    case "json":
      return `${JSON.stringify(listValue(sorted, shown), null, 2)}\n`;
    case "yaml":
      return stringify(listValue(sorted, shown));
    case "csv":
      return lines([
        shown.map((column) => csvCell(column.title)).join(","),
        ...sorted.map((row) => shown.map((column) => csvCell(column.value(row))).join(",")),
      ]);
    case "value":
      return lines(sorted.map((row) => shown.map((column) => valueCell(column.value(row))).join(" ")));
    case "table":
      return tableText(
        shown.map((column) => column.title),
        sorted.map((row) => shown.map((column) => tableCell(row, column))),
        shown.map((column) => column.align ?? "left"),
        options.colour,
      );
  }
}

/** One row. `extra` members go into json and yaml only, after the columns. Throws USAGE for an unknown column. */
export function renderRecord<Row>(
  row: Row,
  columns: readonly Column<Row>[],
  options: RenderOptions,
  extra: Readonly<Record<string, unknown>> = {},
): string {
  const shown = selectColumns(columns, options.columns, isForMachines(options.format));
  switch (options.format) {
    case "json":
      return `${JSON.stringify({ ...rowValue(row, shown), ...extra }, null, 2)}\n`;
    case "yaml":
      return stringify({ ...rowValue(row, shown), ...extra });
    case "csv":
      return lines(['"Field","Value"', ...shown.map((column) => `${csvCell(column.title)},${csvCell(column.value(row))}`)]);
    case "value":
      return lines(shown.map((column) => valueCell(column.value(row))));
    case "table":
      return tableText(
        ["Field", "Value"],
        shown.map((column) => [column.title, tableCell(row, column)]),
        ["left", "left"],
        options.colour,
      );
  }
}

/** Rows as json and yaml hold them. */
export function listValue<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Record<string, unknown>[] {
  return rows.map((row) => rowValue(row, columns));
}

function rowValue<Row>(row: Row, columns: readonly Column<Row>[]): Record<string, unknown> {
  return Object.fromEntries(columns.map((column) => [columnKey(column.title), cellJson(column.value(row))]));
}

function isForMachines(format: Format): boolean {
  return format === "json" || format === "yaml";
}

function tableCell<Row>(row: Row, column: Column<Row>): string {
  return printable(column.text === undefined ? cellText(column.value(row)) : column.text(row));
}

/** Strings quoted, numbers bare, nothing empty: Python's QUOTE_NONNUMERIC, as cliff has it. */
function csvCell(cell: Cell): string {
  if (cell === undefined) return "";
  if (typeof cell === "number" || typeof cell === "bigint") return String(cell);
  return `"${cellText(cell).replaceAll('"', '""')}"`;
}

/** Nothing is `None`, so that the place of a word in its line tells its column. */
function valueCell(cell: Cell): string {
  return cell === undefined ? "None" : printable(cellText(cell));
}

/** Names come from clouds and files: control characters must not reach the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

const LINE = { top: "-", "top-mid": "+", "top-left": "+", "top-right": "+", mid: "-", "left-mid": "+", "mid-mid": "+" };
const CHARACTERS = {
  ...LINE,
  "right-mid": "+",
  bottom: "-",
  "bottom-mid": "+",
  "bottom-left": "+",
  "bottom-right": "+",
  left: "|",
  right: "|",
  middle: "|",
};

function tableText(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  aligns: readonly ("left" | "right")[],
  colour: boolean,
): string {
  const table = new Table({
    head: titles.map((title) => (colour ? styleText("bold", title, { validateStream: false }) : title)),
    chars: CHARACTERS,
    colAligns: [...aligns],
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows.map((row) => [...row]));
  return `${table.toString()}\n`;
}

function lines(all: readonly string[]): string {
  return all.length === 0 ? "" : `${all.join("\n")}\n`;
}
