/** Octavia's lists: filters by any field, tags, `fields`, sorting, and pages with `<collection>_links`. */

import type { Call } from "../http.ts";
import { type Fields, refuse } from "./wsme.ts";

const PAGING = new Set(["limit", "marker", "sort", "sort_key", "sort_dir", "fields", "page_reverse"]);
const TAGS = new Set(["tags", "tags-any", "not-tags", "not-tags-any"]);

/** The body of a list of `views` (in the order they were made). */
export function list(call: Call, collection: string, views: readonly Fields[], known: ReadonlySet<string>): Fields {
  const { query } = call;
  for (const key of query.keys())
    if (!PAGING.has(key) && !TAGS.has(key) && !known.has(key))
      refuse(400, "One or more arguments are either duplicate or invalid");
  let rows = views.filter((view) => accepts(query, view));
  for (const [key, direction] of sorting(query, known).reverse())
    rows = rows.toSorted((a, b) => {
      const [x, y] = [a[key] ?? "", b[key] ?? ""] as [string, string];
      return (x < y ? -1 : x > y ? 1 : 0) * (direction === "desc" ? -1 : 1);
    });
  const marker = query.get("marker");
  const from = marker === null ? 0 : rows.findIndex((row) => row.id === marker) + 1;
  if (marker !== null && from === 0) refuse(400, `Supplied pagination marker '${marker}' is not valid.`);
  const asked = query.get("limit") ?? "infinite";
  if (asked !== "infinite" && !/^-?\d+$/.test(asked)) refuse(400, `Supplied pagination limit '${asked}' is not valid.`);
  const limit = asked === "infinite" || Number(asked) < 1 ? 1000 : Math.min(Number(asked), 1000);
  const shown = rows.slice(from, from + limit);
  const links: Fields[] = [];
  // A page that is full promises another one, even when that is empty.
  if (shown.length === limit) links.push({ href: pageUrl(call, limit, shown.at(-1)), rel: "next" });
  if (marker !== null && shown.length > 0) links.push({ href: pageUrl(call, limit, shown[0], true), rel: "previous" });
  const wanted = query.getAll("fields");
  const only = (view: Fields) => Object.fromEntries(Object.entries(view).filter(([key]) => wanted.includes(key)));
  return { [collection]: wanted.length === 0 ? shown : shown.map(only), [`${collection}_links`]: links };
}

function pageUrl(call: Call, limit: number, row: Fields | undefined, back = false): string {
  const params = new URLSearchParams([...call.query].filter(([key]) => !["limit", "marker", "page_reverse"].includes(key)));
  params.set("limit", String(limit));
  params.set("marker", String(row?.id));
  if (back) params.set("page_reverse", "True");
  return `${call.origin}${call.path}?${params}`;
}

function sorting(query: URLSearchParams, known: ReadonlySet<string>): [string, string][] {
  const dirs = (query.get("sort_dir") ?? "").split(",");
  const keys = (query.get("sort") ?? "").split(",").filter((each) => each !== "");
  const pairs: [string, string][] =
    keys.length > 0
      ? keys.map((each) => [each.split(":")[0] ?? "", each.split(":")[1] ?? "asc"])
      : (query.get("sort_key") ?? "")
          .split(",")
          .filter((each) => each !== "")
          .map((key, index) => [key, dirs[index] || "asc"]);
  for (const [key, direction] of pairs) {
    if (!known.has(key)) refuse(400, `Supplied sort key '${key}' is not valid.`);
    if (direction !== "asc" && direction !== "desc") refuse(400, `Supplied sort direction '${direction}' is not valid.`);
  }
  return pairs;
}

function accepts(query: URLSearchParams, view: Fields): boolean {
  const tags = (view.tags ?? []) as string[];
  for (const [key, value] of query) {
    const words = value.split(",");
    if (key === "tags" && !words.every((word) => tags.includes(word))) return false;
    if (key === "tags-any" && !words.some((word) => tags.includes(word))) return false;
    if (key === "not-tags" && words.every((word) => tags.includes(word))) return false;
    if (key === "not-tags-any" && words.some((word) => tags.includes(word))) return false;
    if (PAGING.has(key) || TAGS.has(key)) continue;
    const actual = key === "loadbalancer_id" ? idsOf(view.loadbalancers) : key === "pool_id" ? idsOf(view.pools) : [view[key]];
    const wanted = typeof actual[0] === "boolean" ? String(["true", "1"].includes(value.toLowerCase())) : value;
    if (!actual.map(String).includes(wanted)) return false;
  }
  return true;
}

function idsOf(refs: unknown): unknown[] {
  return ((refs ?? []) as { id: string }[]).map((ref) => ref.id);
}
