/** Neutron's tags: `…/tags` and `…/tags/<tag>` of a resource with standard attributes. */

import { json, type Reply } from "../http.ts";
import { badRequest, invalidInput, notAllowed, refuse } from "./error.ts";
import type { Ask } from "./kind.ts";
import type { Row } from "./networking.ts";

const TAGS_MAX = 50;

export function changeTags({ call, net }: Ask, row: Row, body: unknown, tag: string | undefined): Reply {
  const { method } = call;
  const has = tag !== undefined && row.tags.includes(tag);
  if (tag !== undefined) {
    if (method === "GET") return has ? { status: 204 } : missing(tag);
    if (method === "PUT") {
      if (tag.length > 255) badRequest(`Invalid input for tag. Reason: '${tag}' exceeds maximum length of 255.`);
      if (!has) setTags(net, row, [...row.tags, tag]);
      return { status: 201, headers: { "content-length": "0" } };
    }
    if (method !== "DELETE") return notAllowed(method);
    if (!has) missing(tag);
    row.tags = row.tags.filter((each) => each !== tag);
    net.touch(row);
    return { status: 204 };
  }
  if (method === "GET") return json(200, { tags: row.tags });
  if (method === "DELETE") {
    setTags(net, row, []);
    return { status: 204 };
  }
  if (method !== "PUT" && method !== "POST") return notAllowed(method);
  const asked = (body as { tags?: unknown } | undefined)?.tags;
  if (!Array.isArray(asked)) badRequest("Invalid tags body");
  for (const each of asked)
    if (typeof each !== "string" || each.length > 255)
      badRequest(`Invalid input for tags. Reason: '${each}' is not a valid string.`);
  const twice = asked.filter((each, i) => asked.indexOf(each) !== i);
  if (twice.length > 0) invalidInput(`Duplicate items in the list: '${twice.join(", ")}'`);
  setTags(net, row, method === "POST" ? [...row.tags, ...(asked as string[])] : (asked as string[]));
  return json(200, { tags: row.tags });
}

function setTags(net: Ask["net"], row: Row, tags: readonly string[]): void {
  const unique = [...new Set(tags)].sort();
  if (unique.length > TAGS_MAX) badRequest(`The number of tags exceed the per-resource limit of ${TAGS_MAX}`);
  row.tags = unique;
  net.touch(row);
}

function missing(tag: string): never {
  refuse(404, "TagNotFound", `Tag ${tag} could not be found.`);
}
