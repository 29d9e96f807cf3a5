/** One Cinder request after routing: its microversion, its view, its errors, and the paging that all lists share. */

import { type Call, json, Refusal, type Reply } from "./http.ts";
import type { TokenRecord } from "./tokens.ts";
import type { ViewContext } from "./volumes.ts";

const KINDS: Readonly<Record<number, string>> = {
  400: "badRequest",
  403: "forbidden",
  404: "itemNotFound",
  406: "computeFault",
  409: "conflictingRequest",
  413: "overLimit",
};

export interface CinderCall {
  readonly call: Call;
  readonly token: TokenRecord;
  readonly projectId: string;
  readonly admin: boolean;
  readonly view: ViewContext;
  /** Path parts after the project: `["volumes", id, "action"]`. */
  readonly parts: readonly string[];
}

export function cinderFault(code: number, message: string, headers: Record<string, string> = {}): Reply {
  const extra = code === 413 ? { retryAfter: "0" } : {};
  return json(
    code,
    { [KINDS[code] ?? "computeFault"]: { code, message, ...extra } },
    code === 413 ? { "retry-after": "0", ...headers } : headers,
  );
}

export function fail(code: number, message: string): never {
  throw new Refusal(cinderFault(code, message));
}

export function forbid(policy: string): never {
  fail(403, `Policy doesn't allow ${policy} to be performed.`);
}

/** `Invalid input for field/attribute …`, as the JSON schema says it. */
export function invalid(field: string, value: unknown, complaint: string): never {
  fail(
    400,
    `Invalid input for field/attribute ${field}. Value: ${typeof value === "object" ? JSON.stringify(value) : value}. ${complaint}`,
  );
}

export const EMPTY_202: Reply = { status: 202, headers: { "content-type": "text/html; charset=UTF-8", "content-length": "0" } };

/** The member `key` of the JSON body, an object. */
export async function bodyOf(call: Call, key: string): Promise<Record<string, unknown>> {
  const body = (await call.json()) as Record<string, unknown> | undefined;
  if (typeof body !== "object" || body === null) fail(400, "Malformed request body");
  const value = body[key];
  if (typeof value !== "object" || value === null) fail(400, `'${key}' is a required property`);
  return value as Record<string, unknown>;
}

/** Sorts newest first or as asked, then cuts the page and says where the next one is. */
export function paginate<T extends { id: string; sequence: number }>(
  context: CinderCall,
  rows: T[],
  maximum: number,
  field: (row: T, key: string) => unknown,
  missing: (marker: string) => string,
): { shown: T[]; next: string | undefined } {
  const { query, path, origin } = context.call;
  const limit = Number(query.get("limit") ?? maximum);
  if (!Number.isInteger(limit)) fail(400, "limit param must be an integer");
  if (limit < 0) fail(400, "limit param must be positive");
  const sort = (query.get("sort") ?? `${query.get("sort_key") ?? "created_at"}:${query.get("sort_dir") ?? "desc"}`)
    .split(",")
    .map((each) => each.split(":"));
  rows.sort((a, b) => {
    for (const [key = "created_at", direction = "desc"] of sort) {
      const [x, y] = key === "created_at" ? [a.sequence, b.sequence] : [String(field(a, key) ?? ""), String(field(b, key) ?? "")];
      if (x !== y) return (x < y ? -1 : 1) * (direction === "asc" ? 1 : -1);
    }
    return b.sequence - a.sequence;
  });
  const marker = query.get("marker");
  const from = marker === null ? 0 : rows.findIndex((row) => row.id === marker) + 1;
  if (marker !== null && from === 0) fail(404, missing(marker));
  const offset = Number(query.get("offset") ?? 0);
  const size = Math.min(limit, maximum);
  const shown = rows.slice(from + offset, from + offset + size);
  const last = shown.at(-1);
  if (last === undefined || shown.length < size) return { shown, next: undefined };
  const params = new URLSearchParams([...query].filter(([key]) => key !== "marker" && key !== "offset"));
  params.set("marker", last.id);
  return { shown, next: `${origin}${path}?${params}` };
}
