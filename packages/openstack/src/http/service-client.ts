/**
 * One service of the cloud as one project: token, endpoint, microversion and retries in one place. Resource files
 * call `json`, `send` and `stream` with the status codes they expect; everything else is a CodedError here.
 *
 * Invariants: a refused token is renewed once per call and no more. A call is repeated only if it is idempotent or
 * cannot have been applied; otherwise the caller gets OUTCOME_UNKNOWN and has to look. Attempts and waits are bounded.
 */

import type { Clock, Random } from "@permafrost/std";
import { CodedError } from "@permafrost/std";
import { type EndpointChoice, requireEndpoint } from "../auth/catalog.ts";
import { SERVICE_KINDS, type ServiceType, versionDocumentUrl } from "../auth/service-types.ts";
import type { KeystoneSession } from "../auth/session.ts";
import { type ExchangeReply, type HeaderMap, type HttpMethod, readText, safeUrl, splitUrl } from "./exchange.ts";
import { chooseMicroversion } from "./microversion.ts";
import { isIdempotent } from "./retry-policy.ts";
import { statusError } from "./status-error.ts";
import { deliver, errorText, isReplayable, type RequestBody, type Transport } from "./transport.ts";

/** Largest JSON answer that is read: a Swift listing page of 10,000 entries is about 5 MB. */
const JSON_BYTES_MAX = 64 * 1024 * 1024;

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface ServiceCall {
  readonly method: HttpMethod;
  /** Below the endpoint, with its leading slash, already percent-encoded; or a whole URL on the endpoint's origin. */
  readonly path: string;
  /** Members that are undefined are left out. */
  readonly query?: Query | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, instead of `json`. */
  readonly body?: RequestBody | undefined;
  /** Status codes that are success. */
  readonly expect: readonly number[];
  /** Default: true for GET, HEAD, PUT and DELETE. */
  readonly idempotent?: boolean | undefined;
  readonly attemptsMax?: number | undefined;
  readonly headersTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ServiceReply {
  readonly status: number;
  readonly headers: HeaderMap;
  readonly text: string;
}

export interface ServiceClient {
  readonly serviceType: ServiceType;
  readonly clock: Clock;
  readonly random: Random;
  /** The endpoint without trailing slash. Throws SERVICE_MISSING. */
  endpoint(signal?: AbortSignal): Promise<string>;
  /** The microversion in use, or undefined for a service without. */
  microversion(signal?: AbortSignal): Promise<string | undefined>;
  /** Sends and parses a JSON answer. */
  json<T>(call: ServiceCall): Promise<T>;
  /** Sends and reads the whole answer as text. */
  send(call: ServiceCall): Promise<ServiceReply>;
  /** Sends and gives the answer with its body unread: the caller reads it to its end or destroys it. */
  stream(call: ServiceCall): Promise<ExchangeReply>;
  /** The same service at another endpoint: another account of Swift. */
  at(endpoint: string): ServiceClient;
}

export interface ServiceClientParts {
  readonly transport: Transport;
  readonly session: KeystoneSession;
  readonly choice: EndpointChoice;
  readonly type: ServiceType;
  /** Instead of the catalog's. */
  readonly endpoint?: string | undefined;
}

export function openServiceClient(parts: ServiceClientParts): ServiceClient {
  const { transport, session, type } = parts;
  const kind = SERVICE_KINDS[type];
  let negotiated: Promise<string | undefined> | undefined;

  async function endpoint(signal?: AbortSignal): Promise<string> {
    if (parts.endpoint !== undefined) return parts.endpoint;
    return requireEndpoint((await session.token(signal)).catalog, type, parts.choice);
  }

  async function deliverAs(call: ServiceCall, url: string, headers: Record<string, string>): Promise<ExchangeReply> {
    let token = await session.token(call.signal);
    for (let renewed = false; ; renewed = true) {
      const reply = await deliver(transport, {
        method: call.method,
        url,
        headers: { ...headers, "x-auth-token": token.id },
        body: call.json === undefined ? call.body : JSON.stringify(call.json),
        expect: call.expect,
        idempotent: isIdempotent(call.method, call.idempotent),
        attemptsMax: call.attemptsMax,
        headersTimeoutMs: call.headersTimeoutMs,
        signal: call.signal,
      });
      if (reply.status !== 401 || call.expect.includes(401)) return reply;
      const bodyText = await errorText(reply, { method: call.method, url });
      if (renewed || !isReplayable(call.body)) {
        throw statusError({ method: call.method, url, status: 401, headers: reply.headers, bodyText });
      }
      token = await session.renew(token.id, call.signal);
    }
  }

  async function negotiate(signal?: AbortSignal): Promise<string | undefined> {
    if (kind.microversion === undefined) return undefined;
    const url = versionDocumentUrl(await endpoint(signal));
    const call: ServiceCall = { method: "GET", path: url, expect: [200, 300], signal };
    const reply = await deliverAs(call, url, { accept: "application/json" });
    return chooseMicroversion(
      parseJson(await readText(reply, { method: "GET", url }, JSON_BYTES_MAX), reply, call, url),
      kind.microversion.known,
    );
  }

  function microversion(signal?: AbortSignal): Promise<string | undefined> {
    // A failure is not remembered: the next call asks again.
    negotiated ??= negotiate(signal).catch((error: unknown) => {
      negotiated = undefined;
      throw error;
    });
    return negotiated;
  }

  async function stream(call: ServiceCall): Promise<ExchangeReply> {
    return (await open(call)).reply;
  }

  async function open(call: ServiceCall): Promise<{ reply: ExchangeReply; url: string }> {
    const url = callUrl(await endpoint(call.signal), call);
    const headers: Record<string, string> = { accept: "application/json" };
    if (call.json !== undefined) headers["content-type"] = "application/json";
    if (kind.microversion !== undefined) {
      const version = await microversion(call.signal);
      if (version !== undefined) headers["openstack-api-version"] = `${kind.microversion.name} ${version}`;
    }
    for (const [name, value] of Object.entries(call.headers ?? {})) headers[name.toLowerCase()] = value;
    return { reply: await deliverAs(call, url, headers), url };
  }

  async function sendAt(call: ServiceCall): Promise<{ reply: ServiceReply; url: string }> {
    const { reply, url } = await open(call);
    const text = await readText(reply, { method: call.method, url }, JSON_BYTES_MAX);
    return { reply: { status: reply.status, headers: reply.headers, text }, url };
  }

  return {
    serviceType: type,
    clock: transport.clock,
    random: transport.random,
    endpoint,
    microversion,
    stream,
    async send(call) {
      return (await sendAt(call)).reply;
    },
    async json<T>(call: ServiceCall) {
      const { reply, url } = await sendAt(call);
      return parseJson(reply.text, reply, call, url) as T;
    },
    at: (other) => openServiceClient({ ...parts, endpoint: other.replace(/\/+$/, "") }),
  };
}

/** Joins endpoint, path and query. A whole URL must be on the endpoint's origin: a token goes nowhere else. */
function callUrl(endpoint: string, call: ServiceCall): string {
  const base = call.path.startsWith("/") || call.path === "" ? `${endpoint}${call.path}` : call.path;
  if (splitUrl(base).origin !== splitUrl(endpoint).origin) {
    throw new CodedError("BAD_RESPONSE", `${safeUrl(base)} is not on ${safeUrl(endpoint)}`, {
      facts: { url: safeUrl(base), endpoint: safeUrl(endpoint) },
    });
  }
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined) query.set(key, String(value));
  }
  return query.size === 0 ? base : `${base}?${query.toString()}`;
}

function parseJson(text: string, reply: { status: number; headers: HeaderMap }, call: ServiceCall, url: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // reported below, together with JSON that is no object
  }
  throw new CodedError("BAD_RESPONSE", `${call.method} ${safeUrl(url)} answered ${reply.status} without a JSON object`, {
    facts: {
      method: call.method,
      url: safeUrl(url),
      status: reply.status,
      requestId: reply.headers["x-openstack-request-id"],
      contentType: reply.headers["content-type"],
      start: text.slice(0, 120),
    },
    hint: "Something between here and the service answers in its place: check the endpoint and proxies.",
    retry: "later",
  });
}
