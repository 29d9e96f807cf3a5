/**
 * What a refusal means. Pure: status, headers and body text in, CodedError out.
 * Cinder answers an exhausted quota with 413 and `Retry-After: 0` (cinder/exception.py `QuotaError`), Nova and
 * Neutron with 403 or 409 and a text, a rate limit is 413 or 429 with Retry-After, Swift's is 498: so the text decides
 * before the number does.
 */

import { CodedError } from "@permafrost/std";
import { type HeaderMap, safeUrl } from "./exchange.ts";

export interface Refusal {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly headers: HeaderMap;
  readonly bodyText: string;
}

const QUOTA_TEXT =
  /quota|maximum number of .* exceeded|larger than maximum allowed limit|LimitExceeded|Resource .* is over limit|exceeds the storage|image_(?:size_total|count_total|stage_total|count_uploading)/i;

/** Who may not read quotas has not exceeded one. */
const POLICY_TEXT = /disallowed by policy|admin privileges|Policy doesn't allow/i;

/** The error for a status that the caller did not expect. */
export function statusError(refusal: Refusal): CodedError {
  const { method, status, headers } = refusal;
  const url = safeUrl(refusal.url);
  const message = serviceMessage(refusal.bodyText);
  const requestId = headers["x-openstack-request-id"] ?? headers["x-compute-request-id"] ?? headers["x-trans-id"];
  const facts = { method, url, status, requestId, message };
  const text = `${method} ${url}: ${status}${message === "" ? "" : ` ${message}`}`;
  if (status === 401)
    return new CodedError("AUTH_FAILED", text, { facts, hint: "Check the credential: the service does not accept it." });
  if (status === 404) return new CodedError("NOT_FOUND", text, { facts });
  if ((status === 403 || status === 413 || status === 409) && QUOTA_TEXT.test(message) && !POLICY_TEXT.test(message)) {
    return new CodedError("QUOTA_EXCEEDED", text, { facts, hint: "Free something in the project or ask for a larger quota." });
  }
  if (status === 403)
    return new CodedError("FORBIDDEN", text, { facts, hint: "The user's roles on this project do not allow this call." });
  if (status === 409) return new CodedError("CONFLICT", text, { facts });
  if (isRateLimit(status, headers)) return new CodedError("OVER_LIMIT", text, { facts, retry: "later" });
  if (status >= 300 && status < 400) {
    return new CodedError("BAD_RESPONSE", `${text} redirects to ${safeUrl(headers.location ?? "")}; redirects are not followed`, {
      facts,
      hint: "Correct the endpoint in the catalog, or override it in clouds.yaml.",
    });
  }
  return new CodedError("CLOUD_HTTP", text, { facts, retry: status >= 500 ? "later" : "never" });
}

/** True for an answer that only says "not so fast". A 413 without Retry-After means too large, not too fast. */
export function isRateLimit(status: number, headers: HeaderMap): boolean {
  return status === 429 || status === 498 || (status === 413 && headers["retry-after"] !== undefined);
}

/** True if the text speaks of a quota. */
export function isQuotaText(bodyText: string): boolean {
  return QUOTA_TEXT.test(serviceMessage(bodyText));
}

/** The sentence in an error body: every service wraps it differently, Swift and an unasked Glance in HTML. At most 500 characters. */
export function serviceMessage(bodyText: string): string {
  const trimmed = bodyText.trim();
  let found: string | undefined;
  if (trimmed.startsWith("{")) {
    try {
      found = messageIn(JSON.parse(trimmed), 0);
    } catch {
      // not JSON after all: taken as text below
    }
  }
  // Glance's JSON carries HTML, too: webob puts `<br /><br />` behind the sentence.
  return (found ?? trimmed)
    .replace(/<(style|script|title)\b[^>]*>[\s\S]*?<\/\1>/gi, " ")
    .replace(/<[^>]*>/g, " ")
    .replace(/&[a-z#0-9]+;/gi, " ")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, 500);
}

function messageIn(value: unknown, depth: number): string | undefined {
  if (typeof value !== "object" || value === null || depth > 3) return undefined;
  const record = value as Record<string, unknown>;
  for (const key of ["message", "faultstring", "detail", "description"]) {
    const text = record[key];
    if (typeof text === "string" && text !== "") return text;
  }
  for (const inner of Object.values(record)) {
    const text = messageIn(inner, depth + 1);
    if (text !== undefined) return text;
  }
  return typeof record.title === "string" ? record.title : undefined;
}
