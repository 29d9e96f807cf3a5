/**
 * When a call is sent again, and after how long. Pure.
 * A rate limit (429, 498, 413 with Retry-After) is refused before the call is applied: any call may be repeated.
 * 500, 502, 503, 504 and a broken connection leave it open: only idempotent calls are repeated, others are
 * OUTCOME_UNKNOWN. 500 is repeated too for nobody: a service that fails by itself fails again.
 */

import { CodedError } from "@permafrost/std";
import type { HeaderMap, HttpMethod } from "./exchange.ts";
import { isQuotaText, isRateLimit, type Refusal, statusError } from "./status-error.ts";

export interface RetryPolicy {
  /** Calls in all, the first included. */
  readonly attemptsMax: number;
  /** Upper bound of the first delay, doubled each time up to `delayMsMax`, with full jitter. */
  readonly delayMs: number;
  readonly delayMsMax: number;
  /** A service that asks for more gets OVER_LIMIT instead of a sleeping worker. */
  readonly retryAfterMsMax: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = { attemptsMax: 5, delayMs: 500, delayMsMax: 20_000, retryAfterMsMax: 120_000 };

export type Verdict =
  | { readonly kind: "retry"; readonly delayMs: number }
  | { readonly kind: "fail"; readonly error: CodedError };

export interface Attempt {
  /** 1 for the first. */
  readonly number: number;
  readonly method: HttpMethod;
  readonly url: string;
  /** Repeating it after it was applied changes nothing. */
  readonly idempotent: boolean;
  /** The body can be sent again. */
  readonly replayable: boolean;
  /** In [0, 1). */
  readonly jitter: number;
  readonly nowMs: number;
}

/** GET, HEAD, PUT and DELETE are idempotent by definition; POST and PATCH when the call site says so. */
export function isIdempotent(method: HttpMethod, declared: boolean | undefined): boolean {
  return declared ?? (method === "GET" || method === "HEAD" || method === "PUT" || method === "DELETE");
}

/** Judges an answer whose status was not expected. 401 is not judged here. */
export function judgeRefusal(refusal: Refusal, attempt: Attempt, policy: RetryPolicy): Verdict {
  const error = statusError(refusal);
  if (error.code === "QUOTA_EXCEEDED" || error.code === "BAD_RESPONSE") return { kind: "fail", error };
  const left = attempt.number < policy.attemptsMax && attempt.replayable;
  if (isRateLimit(refusal.status, refusal.headers) && !isQuotaText(refusal.bodyText)) {
    const askedMs = retryAfterMs(refusal.headers, attempt.nowMs);
    if (askedMs !== undefined && askedMs > policy.retryAfterMsMax) {
      return {
        kind: "fail",
        error: new CodedError("OVER_LIMIT", `${error.message}; the service asks to wait ${Math.ceil(askedMs / 1000)} s`, {
          facts: { ...error.facts, retryAfterMs: askedMs },
          retry: "later",
        }),
      };
    }
    return left ? { kind: "retry", delayMs: Math.max(askedMs ?? 0, backoffMs(attempt, policy)) } : { kind: "fail", error };
  }
  if (refusal.status < 500) return { kind: "fail", error };
  if (!attempt.idempotent) return { kind: "fail", error: outcomeUnknown(error) };
  const passing = refusal.status === 502 || refusal.status === 503 || refusal.status === 504;
  if (!passing || !left) return { kind: "fail", error };
  const askedMs = Math.min(retryAfterMs(refusal.headers, attempt.nowMs) ?? 0, policy.retryAfterMsMax);
  return { kind: "retry", delayMs: Math.max(askedMs, backoffMs(attempt, policy)) };
}

/** Judges a failure of the connection (CLOUD_UNREACHABLE). */
export function judgeUnreachable(error: CodedError, attempt: Attempt, policy: RetryPolicy): Verdict {
  const unsent = error.facts.sent === false;
  if (!attempt.idempotent && !unsent) return { kind: "fail", error: outcomeUnknown(error) };
  const left = attempt.number < policy.attemptsMax && attempt.replayable;
  if (error.retry === "never" || !left) return { kind: "fail", error };
  return { kind: "retry", delayMs: backoffMs(attempt, policy) };
}

/** Retry-After in milliseconds: seconds or an HTTP date (RFC 9110 10.2.3). */
export function retryAfterMs(headers: HeaderMap, nowMs: number): number | undefined {
  const text = headers["retry-after"]?.trim();
  if (text === undefined || text === "") return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

function backoffMs(attempt: Attempt, policy: RetryPolicy): number {
  return Math.min(policy.delayMsMax, policy.delayMs * 2 ** (attempt.number - 1)) * attempt.jitter;
}

function outcomeUnknown(error: CodedError): CodedError {
  return new CodedError("OUTCOME_UNKNOWN", `${error.message}; the call may have been applied`, {
    facts: error.facts,
    hint: "List the resources and adopt what is there before sending the call again.",
    retry: "later",
    cause: error,
  });
}
