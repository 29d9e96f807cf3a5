/**
 * One HTTP exchange, and the only place that knows undici's errors. Redirects are not followed: a token must not
 * travel to where a proxy points. Timeouts: connect (agent), headers, and idle time between body parts; there is no
 * limit on a whole body, images are large. A failure says whether the request can have reached the service
 * (`facts.sent`): if not, anything may be sent again.
 */

import type { Readable } from "node:stream";
import { CodedError } from "@permafrost/std";
import type { Dispatcher } from "undici";

export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "COPY";

/** Names in lower case; repeated headers joined by `, `. */
export type HeaderMap = Readonly<Record<string, string>>;

export interface ExchangeRequest {
  readonly method: HttpMethod;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array> | undefined;
  readonly headersTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ExchangeReply {
  readonly status: number;
  readonly headers: HeaderMap;
  readonly body: Readable;
}

/** Codes that mean the request never left: no connection was made. */
const UNSENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** Sends one request. Throws CLOUD_UNREACHABLE (facts: method, url, cause, sent), or the signal's reason. */
export async function exchange(dispatcher: Dispatcher, request: ExchangeRequest): Promise<ExchangeReply> {
  const { origin, path } = splitUrl(request.url);
  let sourceFailure: { readonly error: unknown } | undefined;
  const body = isIterable(request.body)
    ? guarded(request.body, (error) => {
        sourceFailure = { error };
      })
    : request.body;
  try {
    const reply = await dispatcher.request({
      origin,
      path,
      method: request.method as Dispatcher.HttpMethod,
      headers: encodeHeaders(request.headers),
      // undici takes any async iterable as a body, its types name only Readable.
      body: (body ?? null) as Readable | Uint8Array | string | null,
      headersTimeout: request.headersTimeoutMs,
      bodyTimeout: request.bodyIdleTimeoutMs,
      signal: request.signal ?? null,
    });
    // A body that breaks or is destroyed before anybody reads it would end the process; a reader still gets its error.
    reply.body.on("error", () => {});
    return { status: reply.statusCode, headers: flatten(reply.headers), body: reply.body };
  } catch (error) {
    request.signal?.throwIfAborted();
    if (sourceFailure) throw sourceFailure.error;
    throw unreachable(error, request.method, request.url);
  }
}

/** The whole body as text; at most `bytesMax`, more is BAD_RESPONSE. */
export async function readText(
  reply: ExchangeReply,
  request: { method: string; url: string },
  bytesMax: number,
): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of reply.body) {
      length += (part as Buffer).length;
      if (length > bytesMax) break;
      parts.push(part as Buffer);
    }
  } catch (error) {
    throw unreachable(error, request.method, request.url);
  }
  if (length > bytesMax) {
    throw new CodedError("BAD_RESPONSE", `${request.method} ${safeUrl(request.url)} answered more than ${bytesMax} bytes`, {
      facts: { method: request.method, url: safeUrl(request.url), status: reply.status, bytesMax },
    });
  }
  return Buffer.concat(parts).toString("utf8");
}

/** A transport failure as CLOUD_UNREACHABLE; `later`, except for a certificate that will not get better by itself. */
export function unreachable(error: unknown, method: string, url: string): CodedError {
  if (CodedError.is(error)) return error;
  const codes = causeCodes(error);
  const certificate = codes.some((code) => /CERT|TLS|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/.test(code));
  const text = error instanceof Error ? error.message || codes.join(" ") : String(error);
  return new CodedError("CLOUD_UNREACHABLE", `${method} ${safeUrl(url)}: ${text}`, {
    facts: {
      method,
      url: safeUrl(url),
      cause: codes[0] ?? text,
      sent: !certificate && !codes.some((code) => UNSENT.has(code)),
    },
    hint: certificate
      ? "Give the cloud's CA certificate as `cacert` (or OS_CACERT)."
      : "Check that the endpoint can be reached from this machine.",
    retry: certificate ? "never" : "later",
    cause: error,
  });
}

/** The URL without credentials and with the values of secret-bearing query parameters blanked. */
export function safeUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return text.split("?")[0] ?? "";
  }
  url.username = "";
  url.password = "";
  url.hash = "";
  for (const key of [...url.searchParams.keys()]) {
    if (/sig|token|secret|pass|credential|key/i.test(key)) url.searchParams.set(key, "…");
  }
  return decodeEllipsis(url.toString());
}

/** Origin and the rest, untouched: the WHATWG parser would fold `.` and `..`, which are valid in names of Swift objects. */
export function splitUrl(url: string): { readonly origin: string; readonly path: string } {
  const match = /^(https?:\/\/[^/?#]+)([/?][^#]*)?$/i.exec(url);
  if (match?.[1] === undefined) {
    throw new CodedError("BAD_RESPONSE", `${safeUrl(url)} is no HTTP URL`, {
      facts: { url: safeUrl(url) },
      hint: "Check auth_url and the catalog's endpoints.",
    });
  }
  const path = match[2] ?? "/";
  return { origin: match[1], path: path.startsWith("?") ? `/${path}` : path };
}

/** Header bytes are UTF-8, as Swift stores its metadata; undici writes one byte per code unit. */
function encodeHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, "utf8").toString("latin1")]),
  );
}

function decodeEllipsis(text: string): string {
  return text.replaceAll("%E2%80%A6", "…");
}

function causeCodes(error: unknown): string[] {
  const codes: string[] = [];
  let at: unknown = error;
  for (let depth = 0; at instanceof Error && depth < 5; depth++) {
    const code = (at as { code?: unknown }).code;
    if (typeof code === "string") codes.push(code);
    if (at instanceof AggregateError) for (const one of at.errors) codes.push(...causeCodes(one));
    at = at.cause;
  }
  return codes;
}

function isIterable(body: ExchangeRequest["body"]): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

/** Remembers the source's own failure, so that the caller sees that one and not the broken connection it caused. */
async function* guarded(source: AsyncIterable<Uint8Array>, onFailure: (error: unknown) => void): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    onFailure(error);
    throw error;
  }
}

function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): HeaderMap {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = decodeHeader(Array.isArray(value) ? value.join(", ") : value);
  }
  return flat;
}

/** UTF-8 where the bytes are that; undici gives one code unit per byte. */
function decodeHeader(value: string): string {
  const text = Buffer.from(value, "latin1").toString("utf8");
  return text.includes("\ufffd") ? value : text;
}
