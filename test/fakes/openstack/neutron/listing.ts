/** Neutron's lists: filters, `fields`, sorting, pages with their links (neutron `api/api_common.py`). */

import type { Call } from "../http.ts";
import { type Attributes, type Fields, pythonText } from "./attributes.ts";
import { badRequest, badResource, refuse } from "./error.ts";

const NO_FILTERS = new Set(["fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"]);
const TAG_FILTERS = new Set(["tags", "tags-any", "not-tags", "not-tags-any"]);

export interface Listed {
  readonly object: Fields;
  /** For filters that are not plain attributes. */
  readonly matches: (name: string, values: readonly string[]) => boolean | undefined;
}

export function listed(
  call: Call,
  collection: string,
  attributes: Attributes,
  rows: readonly Listed[],
  isStrict: boolean,
): Fields {
  const { query } = call;
  const filters = filtersOf(query, attributes, isStrict);
  let objects = rows
    .filter(({ object, matches }) =>
      filters.every(([name, values]) => matches(name, values) ?? isAmong(object, name, values, attributes)),
    )
    .map(({ object }) => object);
  objects = sorted(objects, query, attributes);
  const limit = limitOf(query);
  const fields = query.getAll("fields").filter((field) => field !== "");
  const cut = (object: Fields) =>
    fields.length === 0 ? object : Object.fromEntries(Object.entries(object).filter(([name]) => fields.includes(name)));
  if (limit === 0) return { [collection]: objects.map(cut) };
  const reverse = /^(true|1|yes|on|t|y)$/i.test(query.get("page_reverse") ?? "");
  const page = pageOf(objects, limit, query.get("marker"), reverse, collection);
  const links = linksOf(call, page, limit, reverse);
  return { [collection]: page.map(cut), ...(links.length > 0 ? { [`${collection}_links`]: links } : {}) };
}

function filtersOf(query: URLSearchParams, attributes: Attributes, isStrict: boolean): [string, string[]][] {
  const names = [...new Set(query.keys())].filter((name) => !NO_FILTERS.has(name));
  const unknown = names.filter(
    (name) => !TAG_FILTERS.has(name) && attributes[name === "tenant_id" ? "project_id" : name]?.filter !== true,
  );
  if (isStrict && unknown.length > 0) badRequest(`${pythonText(unknown)} is invalid attribute for filtering`);
  // Without the extension `filter-validation` a filter that means nothing filters nothing.
  const known = names.filter(
    (name) => TAG_FILTERS.has(name) || attributes[name === "tenant_id" ? "project_id" : name] !== undefined,
  );
  return known.map((name) => [name, query.getAll(name)]);
}

function isAmong(object: Fields, name: string, values: readonly string[], attributes: Attributes): boolean {
  if (TAG_FILTERS.has(name)) {
    const asked = values.flatMap((value) => value.split(","));
    const has = (tag: string) => (object.tags as string[] | undefined)?.includes(tag) === true;
    const found = name.endsWith("-any") ? asked.some(has) : asked.every(has);
    return name.startsWith("not-") ? !found : found;
  }
  const convert = attributes[name]?.convert;
  const value = object[name];
  return values.some((asked) => {
    const wanted = convert === undefined || asked === "" ? asked : convert(asked);
    return Array.isArray(value) ? value.includes(wanted) : String(value ?? "") === String(wanted);
  });
}

function sorted(objects: Fields[], query: URLSearchParams, attributes: Attributes): Fields[] {
  const keys = query.getAll("sort_key").filter((key) => key !== "");
  const directions = query.getAll("sort_dir").filter((direction) => direction !== "");
  if (keys.length !== directions.length) badRequest("The number of sort_keys and sort_dirs must be same");
  const absent = keys.filter((key) => attributes[key === "tenant_id" ? "project_id" : key]?.sort !== true);
  if (absent.length > 0) badRequest(`${pythonText(absent)} is invalid attribute for sort_keys`);
  const wrong = directions.filter((direction) => direction !== "asc" && direction !== "desc");
  if (wrong.length > 0) badRequest(`${pythonText(wrong)} is invalid value for sort_dirs, valid value is 'asc' and 'desc'`);
  return [...objects].sort((a, b) => {
    for (const [i, key] of [...keys, "id"].entries()) {
      const [x, y] = [text(a[key]), text(b[key])];
      if (x !== y) return (x < y ? -1 : 1) * (directions[i] === "desc" ? -1 : 1);
    }
    return 0;
  });
}

function text(value: unknown): string | number {
  return typeof value === "number" ? value : String(value ?? "");
}

function limitOf(query: URLSearchParams): number {
  const asked = query.get("limit");
  if (asked === null) return 0;
  const limit = Number(asked);
  if (!Number.isInteger(limit) || limit < 0 || asked === "")
    badResource("limit", `Limit must be an integer 0 or greater and not '${asked}'`);
  return limit;
}

function pageOf(objects: Fields[], limit: number, marker: string | null, reverse: boolean, collection: string): Fields[] {
  let at = reverse ? objects.length : 0;
  if (marker !== null) {
    at = objects.findIndex((object) => object.id === marker);
    if (at < 0) refuse(404, "ObjectNotFound", `Object ${marker} not found in ${collection}.`);
  }
  if (reverse) return objects.slice(Math.max(at - limit, 0), at);
  if (marker !== null) at++;
  return objects.slice(at, at + limit);
}

function linksOf(call: Call, page: readonly Fields[], limit: number, reverse: boolean): Fields[] {
  const href = (id: unknown, back: boolean) => {
    const params = new URLSearchParams([...call.query].filter(([key]) => key !== "marker" && key !== "page_reverse"));
    if (id !== undefined) params.set("marker", String(id));
    if (back) params.set("page_reverse", "True");
    return `${call.origin}${call.path}?${params}`;
  };
  const links: Fields[] = [];
  const isFull = page.length >= limit;
  if (isFull || reverse) links.push({ rel: "next", href: href(page.at(-1)?.id, false) });
  if (isFull || !reverse) links.push({ rel: "previous", href: href(page[0]?.id, true) });
  return links;
}
