/**
 * Sends a request until it has an expected answer, an answer the caller must judge (401), or no attempts left.
 * Knows connections, retries and errors; knows no tokens. All waits go through the Clock that is passed in.
 */

import { type Clock, CodedError, type Random } from "@permafrost/std";
import { Agent, type Dispatcher } from "undici";
import type { CloudConfig } from "../config/cloud-config.ts";
import type { CloudLogger } from "../logger.ts";
import { type ExchangeReply, type ExchangeRequest, exchange, readText, safeUrl } from "./exchange.ts";
import { type Attempt, DEFAULT_RETRY_POLICY, judgeRefusal, judgeUnreachable, type RetryPolicy } from "./retry-policy.ts";

/** Error bodies are read up to this many bytes. */
const ERROR_BYTES_MAX = 64 * 1024;

export interface AgentOptions {
  /** Connections per origin. Default 32. */
  readonly connectionsMax?: number;
  /** Default 10 s. */
  readonly connectTimeoutMs?: number;
  /** Until the answer's headers have come, after the request was sent. Default 60 s. */
  readonly headersTimeoutMs?: number;
  /** Longest silence inside a body. Default 60 s. */
  readonly bodyIdleTimeoutMs?: number;
  readonly retry?: Partial<RetryPolicy>;
}

export interface Transport {
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: CloudLogger;
  readonly policy: RetryPolicy;
  readonly headersTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  close(): Promise<void>;
}

export interface TransportParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: CloudLogger;
  readonly agentOptions?: AgentOptions | undefined;
}

/** Pooled connections for one cloud, with its certificates. */
export function openTransport(
  config: Pick<CloudConfig, "verify" | "caCertificate" | "clientCertificate" | "clientKey">,
  parts: TransportParts,
): Transport {
  const options = parts.agentOptions ?? {};
  const agent = new Agent({
    connections: options.connectionsMax ?? 32,
    // HTTP/1.1 only: OpenStack's servers speak nothing else, and one stream per connection keeps flow control simple.
    allowH2: false,
    pipelining: 1,
    connect: {
      timeout: options.connectTimeoutMs ?? 10_000,
      rejectUnauthorized: config.verify,
      ...(config.caCertificate === undefined ? {} : { ca: config.caCertificate }),
      ...(config.clientCertificate === undefined ? {} : { cert: config.clientCertificate }),
      ...(config.clientKey === undefined ? {} : { key: config.clientKey }),
    },
  });
  return {
    dispatcher: agent,
    clock: parts.clock,
    random: parts.random,
    logger: parts.logger,
    policy: { ...DEFAULT_RETRY_POLICY, ...options.retry },
    headersTimeoutMs: options.headersTimeoutMs ?? 60_000,
    bodyIdleTimeoutMs: options.bodyIdleTimeoutMs ?? 60_000,
    close: () => agent.destroy(),
  };
}

export interface TransportRequest {
  readonly method: ExchangeRequest["method"];
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A function gives the body anew for each attempt; an iterable can be sent once. */
  readonly body?: RequestBody | undefined;
  readonly expect: readonly number[];
  readonly idempotent: boolean;
  readonly attemptsMax?: number | undefined;
  readonly headersTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type RequestBody = Uint8Array | string | AsyncIterable<Uint8Array> | (() => AsyncIterable<Uint8Array>);

/**
 * The reply with an expected status or 401, its body unread. Throws OVER_LIMIT, QUOTA_EXCEEDED, NOT_FOUND, CONFLICT,
 * FORBIDDEN, CLOUD_HTTP, CLOUD_UNREACHABLE, OUTCOME_UNKNOWN or BAD_RESPONSE.
 */
export async function deliver(transport: Transport, request: TransportRequest): Promise<ExchangeReply> {
  const policy = { ...transport.policy, ...(request.attemptsMax === undefined ? {} : { attemptsMax: request.attemptsMax }) };
  for (let number = 1; ; number++) {
    request.signal?.throwIfAborted();
    const attempt: Attempt = {
      number,
      method: request.method,
      url: request.url,
      idempotent: request.idempotent,
      replayable: isReplayable(request.body),
      jitter: transport.random.fraction(),
      nowMs: transport.clock.now(),
    };
    const verdict = await once(transport, request, attempt, policy);
    if ("reply" in verdict) return verdict.reply;
    if (verdict.kind === "fail") throw verdict.error;
    transport.logger.debug(
      { method: request.method, url: safeUrl(request.url), attempt: number, delayMs: Math.round(verdict.delayMs) },
      "request is repeated",
    );
    await transport.clock.sleep(verdict.delayMs, request.signal);
  }
}

async function once(transport: Transport, request: TransportRequest, attempt: Attempt, policy: RetryPolicy) {
  let reply: ExchangeReply;
  try {
    reply = await exchange(transport.dispatcher, {
      method: request.method,
      url: request.url,
      headers: request.headers,
      body: typeof request.body === "function" ? request.body() : request.body,
      headersTimeoutMs: request.headersTimeoutMs ?? transport.headersTimeoutMs,
      bodyIdleTimeoutMs: transport.bodyIdleTimeoutMs,
      signal: request.signal,
    });
  } catch (error) {
    if (!CodedError.is(error, "CLOUD_UNREACHABLE")) throw error;
    return judgeUnreachable(error, attempt, policy);
  }
  if (reply.status === 401 || request.expect.includes(reply.status)) return { reply };
  const bodyText = await errorText(reply, request);
  return judgeRefusal(
    { method: request.method, url: request.url, status: reply.status, headers: reply.headers, bodyText },
    attempt,
    policy,
  );
}

/** The body of a refusal; one that breaks off or is too long says less, and the status still counts. */
export async function errorText(
  reply: ExchangeReply,
  request: { readonly method: string; readonly url: string },
): Promise<string> {
  try {
    return await readText(reply, request, ERROR_BYTES_MAX);
  } catch {
    return "";
  }
}

/** True if the body can be sent a second time. */
export function isReplayable(body: RequestBody | undefined): boolean {
  return body === undefined || typeof body === "string" || typeof body === "function" || body instanceof Uint8Array;
}
