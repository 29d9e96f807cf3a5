/** Filters and sort orders of Glance's image list. */

import { type Image, imageView } from "./images.ts";
import { refuse } from "./webob.ts";

const SORT_KEYS = ["name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"];
const NOT_FILTERS = [
  "limit",
  "marker",
  "sort",
  "sort_key",
  "sort_dir",
  "visibility",
  "member_status",
  "tag",
  "os_hidden",
  "size_min",
  "size_max",
];

/** Whether the filters of a list let the image through. */
export function selected(image: Image, query: URLSearchParams): boolean {
  const visibility = query.get("visibility");
  if (visibility !== null && visibility !== "all" && image.visibility !== visibility) return false;
  if (image.hidden !== (query.get("os_hidden")?.toLowerCase() === "true")) return false;
  if (!query.getAll("tag").every((tag) => image.tags.includes(tag))) return false;
  if ((image.size ?? 0) < Number(query.get("size_min") ?? 0)) return false;
  if ((image.size ?? 0) > Number(query.get("size_max") ?? Number.POSITIVE_INFINITY)) return false;
  const view = imageView(image);
  for (const [key, wanted] of query) {
    if (NOT_FILTERS.includes(key)) continue;
    const value = String(view[key] ?? "");
    if (wanted.startsWith("in:")) {
      const options = wanted
        .slice(3)
        .split(",")
        .map((each) => each.replace(/^"(.*)"$/, "$1"));
      if (!options.includes(value)) return false;
    } else if (/^(created|updated)_at$/.test(key)) {
      if (!compareTime(value, wanted)) return false;
    } else if (value.toLowerCase() !== wanted.toLowerCase() || (typeof view[key] === "string" && value !== wanted)) {
      return false;
    }
  }
  return true;
}

function compareTime(value: string, wanted: string): boolean {
  const [, operator = "eq", time = ""] = /^(?:(gte|gt|lte|lt|eq|neq):)?(.*)$/.exec(wanted) ?? [];
  const difference = Date.parse(value) - Date.parse(time);
  return (
    { gte: difference >= 0, gt: difference > 0, lte: difference <= 0, lt: difference < 0, neq: difference !== 0 }[operator] ??
    difference === 0
  );
}

/** Sorts in place: as asked, newest first otherwise. */
export function sortImages(rows: Image[], query: URLSearchParams): void {
  const spec =
    query.get("sort")?.split(",") ??
    query.getAll("sort_key").map((key, at) => `${key}:${query.getAll("sort_dir")[at] ?? query.get("sort_dir") ?? "desc"}`);
  const keys = (spec.length === 0 ? ["created_at:desc"] : spec).map((each) => each.split(":") as [string, string?]);
  for (const [key] of keys)
    if (!SORT_KEYS.includes(key))
      refuse(400, `Invalid sort key: ${key}. It must be one of the following: ${SORT_KEYS.join(", ")}.`);
  rows.sort((a, b) => {
    for (const [key, direction = "desc"] of keys) {
      const [x, y] = key === "created_at" ? [a.sequence, b.sequence] : [imageView(a)[key] ?? "", imageView(b)[key] ?? ""];
      if (x !== y) return (x < y ? -1 : 1) * (direction === "asc" ? 1 : -1);
    }
    return b.sequence - a.sequence;
  });
}
