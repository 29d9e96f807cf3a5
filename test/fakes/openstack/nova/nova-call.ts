/** One Nova request after routing: its microversion, who asks, its errors as Nova words them, and paging. */

import { type Call, json, Refusal, type Reply } from "../http.ts";
import type { TokenRecord } from "../tokens.ts";

const KINDS: Readonly<Record<number, string>> = {
  400: "badRequest",
  401: "unauthorized",
  403: "forbidden",
  404: "itemNotFound",
  405: "badMethod",
  409: "conflictingRequest",
  413: "overLimit",
  415: "badMediaType",
  501: "notImplemented",
};

export interface NovaCall {
  readonly call: Call;
  readonly token: TokenRecord;
  readonly projectId: string;
  readonly userId: string;
  readonly admin: boolean;
  /** The minor part of the microversion: 96 is 2.96. */
  readonly version: number;
  /** Path parts after `/v2.1`: `["servers", id, "action"]`. */
  readonly parts: readonly string[];
}

export const ACCEPTED: Reply = { status: 202, headers: { "content-length": "0" } };
export const NO_CONTENT: Reply = { status: 204 };

export function novaFault(code: number, message: string): Reply {
  return json(code, { [KINDS[code] ?? "computeFault"]: { code, message } });
}

export function fail(code: number, message: string): never {
  throw new Refusal(novaFault(code, message));
}

/** The policy that refuses, without its prefix: `os-flavor-manage:create`. */
export function forbid(policy: string): never {
  fail(403, `Policy doesn't allow os_compute_api:${policy} to be performed.`);
}

/** 409 as Nova gives it for a server whose state does not allow `action`. */
export function conflict(action: string, serverId: string, attribute: string, state: string | null): never {
  if (state === null) fail(409, `Instance ${serverId} is in an invalid state for '${action}'`);
  fail(409, `Cannot '${action}' instance ${serverId} while it is in ${attribute} ${state}`);
}

/** A route that this microversion, or any, does not have. */
export function noRoute(): never {
  fail(404, "The resource could not be found.");
}

/** The JSON body, which must be an object. */
export async function bodyOf(context: NovaCall): Promise<Record<string, unknown>> {
  const body = await context.call.json();
  if (body === undefined) fail(400, "Malformed request body");
  if (typeof body !== "object" || body === null || Array.isArray(body)) fail(400, `${body} is not of type 'object'`);
  return body as Record<string, unknown>;
}

export function self(context: NovaCall, collection: string, id: string): Record<string, string>[] {
  const { origin } = context.call;
  return [
    { rel: "self", href: `${origin}/v2.1/${collection}/${id}` },
    { rel: "bookmark", href: `${origin}/${collection}/${id}` },
  ];
}

export function bookmark(context: NovaCall, collection: string, id: string): Record<string, string>[] {
  return [{ rel: "bookmark", href: `${context.call.origin}/${collection}/${id}` }];
}

function wholeNumber(context: NovaCall, name: string): number | undefined {
  const text = context.call.query.get(name);
  if (text === null) return undefined;
  if (!/^[0-9]*$/.test(text))
    fail(400, `Invalid input for query parameters ${name}. Value: ${text}. '${text}' does not match '^[0-9]*$'`);
  return Number(text);
}

/** A page by limit and marker, and the link to the next one. `key` names a row in a marker. */
export function pageOf<T>(
  context: NovaCall,
  rows: readonly T[],
  maximum: number,
  key: (row: T) => string,
  missing: (marker: string) => string,
): { shown: T[]; next: string | undefined } {
  const { query, path, origin } = context.call;
  const limit = Math.min(wholeNumber(context, "limit") ?? maximum, maximum);
  const marker = query.get("marker");
  const from = marker === null ? 0 : rows.findIndex((row) => key(row) === marker) + 1;
  if (marker !== null && from === 0) fail(400, missing(marker));
  const shown = rows.slice(from, from + limit);
  const last = shown.at(-1);
  if (last === undefined || shown.length < limit) return { shown, next: undefined };
  const params = new URLSearchParams([...query].filter(([name]) => name !== "marker"));
  params.set("marker", key(last));
  return { shown, next: `${origin}${path}?${params}` };
}

/** A slice by limit and offset, as the lists without markers are cut. */
export function sliceOf<T>(context: NovaCall, rows: readonly T[], maximum: number): T[] {
  const offset = wholeNumber(context, "offset") ?? 0;
  const limit = wholeNumber(context, "limit") ?? 0;
  return rows.slice(offset, offset + (limit === 0 ? maximum : Math.min(limit, maximum)));
}

/** Nova's times: whole seconds. */
export function novaTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** Times that Nova writes as Python's `str(datetime)` gives them to JSON: no zone, microseconds cut by the database. */
export function databaseTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}.000000`;
}

export function truthy(value: unknown): boolean {
  return value === true || /^(true|1|yes|on|t|y)$/i.test(String(value ?? ""));
}
