/**
 * Takes secrets out of what is logged.
 *
 * Only plain data passes: text, numbers, booleans, dates, lists and plain objects, to a bounded depth and size; bytes are shown by their
 * length and errors by what is known to be harmless in them. A member whose name speaks of a secret is replaced at any depth, whatever it holds.
 */

import { CodedError } from "@permafrost/std";

const SECRET_NAME =
  /token|passw|passphrase|secret|authorization|credential|cookie|private.?key|api.?key|admin.?pass|psk|payload/i;
/** Names that speak of a secret but hold where it is, or how much of it there is. */
const HARMLESS_NAME = /(file|path|directory|id|name|count|bytes|ms|at)$/i;
const DEPTH_MAX = 6;
const MEMBERS_MAX = 100;
const TEXT_MAX = 4_096;
export const REDACTED = "[redacted]";

export interface ErrorOptions {
  readonly withStack: boolean;
}

/** `value` as it may be logged. */
export function redact(value: unknown, options: ErrorOptions = { withStack: false }, depth = 0): unknown {
  if (typeof value === "string") return value.length > TEXT_MAX ? `${value.slice(0, TEXT_MAX)}…` : value;
  if (value === null || value === undefined || typeof value === "number" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object") return `[${typeof value}]`;
  if (value instanceof Date) return value;
  if (value instanceof Error) return describeError(value, options, depth);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= DEPTH_MAX) return "[deeper]";
  if (Array.isArray(value)) {
    // HTTP headers as undici gives them: names and values in turn.
    return value
      .slice(0, MEMBERS_MAX)
      .map((item, index) => (isSecretName(value[index - 1]) ? REDACTED : redact(item, options, depth + 1)));
  }
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (prototype !== Object.prototype && prototype !== null)
    return `[${(value.constructor as { name?: string })?.name ?? "object"}]`;
  return redactMembers(value as Readonly<Record<string, unknown>>, options, depth);
}

/** As `redact`, for the members of one log line or child logger. */
export function redactMembers(
  value: Readonly<Record<string, unknown>>,
  options: ErrorOptions = { withStack: false },
  depth = 0,
): Record<string, unknown> {
  const members = Object.entries(value).slice(0, MEMBERS_MAX);
  return Object.fromEntries(
    members.map(([name, member]) => [name, isSecretName(name) && isSet(member) ? REDACTED : redact(member, options, depth + 1)]),
  );
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== "boolean";
}

function isSecretName(name: unknown): boolean {
  return typeof name === "string" && name.length <= 64 && SECRET_NAME.test(name) && !HARMLESS_NAME.test(name);
}

function describeError(error: Error, options: ErrorOptions, depth: number): Record<string, unknown> {
  const code = (error as { code?: unknown }).code;
  return {
    name: error.name,
    ...(typeof code === "string" ? { code } : {}),
    message: redact(error.message),
    ...(CodedError.is(error) && Object.keys(error.facts).length > 0 ? { facts: redact(error.facts, options, depth + 1) } : {}),
    ...(CodedError.is(error) && error.hint !== undefined ? { hint: error.hint } : {}),
    ...(options.withStack && error.stack !== undefined ? { stack: error.stack } : {}),
    ...(error.cause instanceof Error && depth < DEPTH_MAX ? { cause: describeError(error.cause, options, depth + 1) } : {}),
  };
}
