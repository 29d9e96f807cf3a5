/**
 * References inside an object: which attributes hold the ids of other objects, said as paths such as `network_id`, `security_groups[]` or
 * `fixed_ips[].subnet_id`. Finding them and putting others in their place; pure.
 */

import type { Json, JsonObject } from "@permafrost/std";

export interface Reference {
  /** A resource type, or another kind that `--map` knows. */
  readonly kind: string;
  /** Left out with a warning when the target has no such thing; otherwise that is a conflict. */
  readonly optional?: boolean;
  /** Needed in the `finish` step only. */
  readonly finish?: boolean;
  /** It must not only be made but finished. */
  readonly finished?: boolean;
  /** The finish step of what it names waits until this is made. */
  readonly holdsFinish?: boolean;
}

/** By path. */
export type References = Readonly<Record<string, Reference>>;

export interface FoundReference {
  readonly path: string;
  readonly id: string;
  readonly reference: Reference;
}

/** Every id that the paths lead to; empty ones and null are none. */
export function referencesIn(object: JsonObject, references: References): FoundReference[] {
  return Object.entries(references).flatMap(([path, reference]) =>
    idsAt(object, stepsOf(path)).map((id) => ({ path, id, reference })),
  );
}

/**
 * The object with every id replaced by `targetOf`. What has no target is left out: an element of a list, the object in a list that
 * holds the id, or the attribute at the top; `dropped` names the paths.
 */
export function withTargets(
  object: JsonObject,
  references: References,
  targetOf: (kind: string, id: string) => string | undefined,
): { readonly object: JsonObject; readonly dropped: readonly string[] } {
  const dropped = new Set<string>();
  const result: Record<string, Json> = { ...object };
  for (const [path, { kind }] of Object.entries(references)) {
    const [attribute = "", ...rest] = stepsOf(path);
    const value = result[attribute];
    if (value === undefined) continue;
    const replaced = replaceAt(value, rest, (id) => {
      const target = targetOf(kind, id);
      if (target === undefined) dropped.add(path);
      return target;
    });
    if (replaced === undefined) delete result[attribute];
    else result[attribute] = replaced;
  }
  return { object: result, dropped: [...dropped] };
}

/** `fixed_ips[].subnet_id` is `fixed_ips`, `[]`, `subnet_id`. A name may hold a colon, as `router:external`. */
function stepsOf(path: string): string[] {
  return path.split(".").flatMap((part) => (part.endsWith("[]") ? [part.slice(0, -2), "[]"] : [part]));
}

function idsAt(value: Json | undefined, steps: readonly string[]): string[] {
  const [step, ...rest] = steps;
  if (step === undefined) return typeof value === "string" && value !== "" ? [value] : [];
  if (step === "[]") return Array.isArray(value) ? value.flatMap((item: Json) => idsAt(item, rest)) : [];
  return isObject(value) ? idsAt(value[step], rest) : [];
}

/** Undefined: to be left out by whoever holds it. */
function replaceAt(value: Json, steps: readonly string[], replace: (id: string) => string | undefined): Json | undefined {
  const [step, ...rest] = steps;
  if (step === undefined) return typeof value === "string" && value !== "" ? replace(value) : value;
  if (step === "[]") {
    if (!Array.isArray(value)) return value;
    return value.map((item: Json) => replaceAt(item, rest, replace)).filter((item) => item !== undefined);
  }
  if (!isObject(value) || !(step in value)) return value;
  const inner = replaceAt(value[step] ?? null, rest, replace);
  // An object whose only point was the id goes as a whole.
  return inner === undefined ? undefined : { ...value, [step]: inner };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
