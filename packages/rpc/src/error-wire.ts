/**
 * A CodedError on the wire: JSON in the trailing metadata key `permafrost-error-bin`, beside a gRPC status and message that any client understands.
 *
 * What crosses: code, message, hint, retry, facts; bounded, because headers are. What never crosses: stacks, causes, and the text
 * of an error that is not ours, which may quote anything.
 */

import { CodedError, type Facts, fromUtf8, type Retry, utf8 } from "@permafrost/std";
import type { Status } from "nice-grpc-common";
import { codeOfStatus } from "./error-table.ts";

export const ERROR_METADATA_KEY = "permafrost-error-bin";
const TEXT_CHARACTERS_MAX = 1000;
const FACTS_MAX = 20;
const FACT_CHARACTERS_MAX = 100;

const clip = (text: string, max: number) => (text.length <= max ? text : `${text.slice(0, max - 1)}…`);

/** The error as a client may see it: what is not ours, or a mistake of ours, becomes INTERNAL without its text. */
export function publicError(error: unknown): CodedError {
  if (CodedError.is(error) && error.code !== "INTERNAL" && error.code !== "ASSERTION") return error;
  return new CodedError("INTERNAL", "the server failed at this; its log says more", {
    hint: "look for this time in the log of the service",
  });
}

export function encodeError(error: CodedError): Uint8Array {
  const facts: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(error.facts).slice(0, FACTS_MAX)) {
    if (value !== undefined)
      facts[clip(name, FACT_CHARACTERS_MAX)] = typeof value === "string" ? clip(value, FACT_CHARACTERS_MAX) : value;
  }
  return utf8(
    JSON.stringify({
      code: error.code,
      message: clip(error.message, TEXT_CHARACTERS_MAX),
      hint: error.hint === undefined ? undefined : clip(error.hint, TEXT_CHARACTERS_MAX),
      retry: error.retry,
      facts,
    }),
  );
}

/** The error of a failed call: as its server said it, or as the bare status tells. */
export function decodeError(status: Status, details: string, trailer: Uint8Array | undefined, peer: string): CodedError {
  const said = trailer && parse(trailer);
  if (said) return said;
  const { code, retry } = codeOfStatus(status);
  const unreachable = code === "NODE_UNREACHABLE";
  return new CodedError(code, unreachable ? `${peer} cannot be reached: ${details}` : `${peer}: ${details}`, {
    facts: { peer, grpcStatus: status },
    retry,
    ...(unreachable && { hint: "check that the service runs and listens there, and that both ends agree on TLS" }),
  });
}

const RETRIES: readonly unknown[] = ["never", "later", "elsewhere"];

function parse(bytes: Uint8Array): CodedError | undefined {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { code, message, hint, retry, facts } = value as Record<string, unknown>;
  if (typeof code !== "string" || typeof message !== "string" || !RETRIES.includes(retry)) return undefined;
  const plainFacts: Record<string, string | number | boolean> = {};
  if (typeof facts === "object" && facts !== null) {
    for (const [name, fact] of Object.entries(facts)) {
      if (typeof fact === "string" || typeof fact === "number" || typeof fact === "boolean") plainFacts[name] = fact;
    }
  }
  return new CodedError(code, message, {
    retry: retry as Retry,
    facts: plainFacts satisfies Facts,
    ...(typeof hint === "string" && { hint }),
  });
}
