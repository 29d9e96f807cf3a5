/** Errors as stored values. */

import type { Failure } from "@permafrost/model";
import { CodedError } from "@permafrost/std";

/** What the error says, with more facts. */
export function toFailureOf(error: unknown, facts: Readonly<Record<string, string>> = {}): Failure {
  const coded = CodedError.from(error);
  const known = Object.entries(coded.facts).filter((e): e is [string, string | number | boolean] => e[1] !== undefined);
  return {
    code: coded.code,
    message: coded.message,
    ...(coded.hint === undefined ? {} : { hint: coded.hint }),
    facts: { ...Object.fromEntries(known), ...facts },
  };
}
