/**
 * Map files: YAML of kind to old to new. Every value is text as it is written, so that a project `no` or a zone `1.10` stays
 * what it is. A name without a value is not mapped: that is how a written file marks what someone has yet to decide.
 */

import { readFile } from "node:fs/promises";
import { isMap, isScalar, LineCounter, type Node, type Pair, parseDocument } from "yaml";
import { usageError } from "../failure.ts";
import { unreadable } from "../settings.ts";
import { KIND, type NameMaps } from "./name-maps.ts";

const FILE_BYTES_MAX = 4 * 1024 * 1024;
const SHAPE = "A map file is YAML of kind, old name and new name, such as `volume-type:` and below it `  ssd: fast`.";

export interface MapFile {
  readonly maps: NameMaps;
  /** Names without a value. */
  readonly empty: readonly { readonly kind: string; readonly from: string }[];
}

/** Throws FILE_UNREADABLE, and USAGE naming file, line and key of what is wrong. */
export async function readMapFile(file: string): Promise<MapFile> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw unreadable(file, cause);
  }
  if (text.length > FILE_BYTES_MAX) throw usageError(`${file} is larger than a map file may be: ${FILE_BYTES_MAX} bytes`);
  return parseMapFile(text, file);
}

/** The text of a map file; `file` names it in errors. */
export function parseMapFile(text: string, file: string): MapFile {
  const lines = new LineCounter();
  const wrong = (at: number, what: string, hint = SHAPE) => usageError(`${file}, line ${lines.linePos(at).line}: ${what}`, hint);
  const document = parseDocument(text, { schema: "failsafe", lineCounter: lines, prettyErrors: false });
  for (const { code, message, pos } of document.errors) {
    const line = text.split("\n")[lines.linePos(pos[0]).line - 1] ?? "";
    if (/^\s*\*\s*:/.test(line)) throw wrong(pos[0], "* is not in quotes", 'Write "*": NEW for all other names.');
    const key = code === "DUPLICATE_KEY" ? `${text.slice(pos[0]).split(/[:\n]/)[0]?.trim()} is there twice` : message;
    throw wrong(pos[0], key);
  }
  const maps = new Map<string, Map<string, string>>();
  const empty: { kind: string; from: string }[] = [];
  const start = (node: unknown) => (node as Node | null)?.range?.[0] ?? 0;
  const root = document.contents;
  if (isEmpty(root)) return { maps, empty };
  if (!isMap(root)) throw wrong(start(root), "this is no map of kinds");
  for (const pair of root.items) {
    const kind = keyOf(pair);
    if (kind === undefined || !KIND.test(kind)) throw wrong(start(pair.key), `${quoted(kind)} is no kind`);
    const names = new Map<string, string>();
    if (isEmpty(pair.value)) continue;
    if (!isMap(pair.value)) throw wrong(start(pair.value), `${kind} is no map of old to new names`);
    for (const entry of pair.value.items) {
      const from = keyOf(entry);
      if (from === undefined || from === "") throw wrong(start(entry.key), `${kind}: ${quoted(from)} is no name`);
      if (isEmpty(entry.value)) empty.push({ kind, from });
      else if (isScalar(entry.value)) names.set(from, String(entry.value.value));
      else throw wrong(start(entry.value), `${kind}: the new name of ${from} is not one text`);
    }
    if (names.size > 0) maps.set(kind, names);
  }
  return { maps, empty };
}

function keyOf(pair: Pair): string | undefined {
  if (isScalar(pair.key)) return String(pair.key.value ?? "");
  return undefined;
}

function isEmpty(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && (node.value === "" || node.value === null));
}

function quoted(text: string | undefined): string {
  return text === undefined ? "what stands here" : JSON.stringify(text);
}
