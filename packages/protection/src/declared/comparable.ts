/** Objects as they are compared: lists whose order means nothing are sorted. */

import { canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import type { Declaration } from "./declaration.ts";

export function comparable({ unordered }: Pick<Declaration, "unordered">, object: JsonObject): JsonObject {
  const result: Record<string, Json> = { ...object };
  for (const name of unordered ?? []) {
    const value = result[name];
    if (Array.isArray(value))
      result[name] = [...(value as Json[])].sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1));
  }
  return result;
}

/** Whether the object has every attribute of `like` with its value. */
export function isLike(declaration: Pick<Declaration, "unordered">, object: JsonObject, like: JsonObject): boolean {
  const [have, want] = [comparable(declaration, object), comparable(declaration, like)];
  return Object.entries(want).every(([name, value]) => canonicalJson(have[name] ?? null) === canonicalJson(value));
}
