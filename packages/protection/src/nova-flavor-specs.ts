/** What makes two flavors the same, and which flavor of a target can stand for a captured one. */

import type { RestoreMaps } from "@permafrost/model";
import type { ApiObject, Cloud } from "@permafrost/openstack";
import { CodedError, canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import { fieldDifferences } from "./compare.ts";

/** What a server gets by its flavor. Of a flavor itself, or of what a server has embedded of its own (from microversion 2.47). */
export type FlavorSpecs = {
  readonly name: string;
  readonly vcpus: number;
  readonly ram: number;
  readonly disk: number;
  readonly ephemeral: number;
  readonly swap: number;
  readonly extra_specs: JsonObject;
};

export interface ChosenFlavor {
  readonly id: string;
  readonly name: string;
  readonly how: string;
  readonly warnings: readonly string[];
}

export function specsOf(flavor: ApiObject): FlavorSpecs {
  return {
    name: String(flavor.original_name ?? flavor.name ?? ""),
    vcpus: numberOf(flavor.vcpus),
    ram: numberOf(flavor.ram),
    disk: numberOf(flavor.disk),
    ephemeral: numberOf(flavor.ephemeral ?? flavor["OS-FLV-EXT-DATA:ephemeral"]),
    swap: numberOf(flavor.swap),
    extra_specs: (flavor.extra_specs ?? {}) as JsonObject,
  };
}

/** Two names may stand for the same thing. */
export function areSame(a: FlavorSpecs, b: FlavorSpecs): boolean {
  return canonicalJson({ ...a, name: "" }) === canonicalJson({ ...b, name: "" });
}

/**
 * Mapped by the user; else equal in all its specs: under the same id, the same name, or another; else of the same name, with a warning of
 * what is different. Undefined if there is none. Throws MAP_TARGET_UNKNOWN.
 */
export async function chooseFlavor(
  cloud: Cloud,
  maps: RestoreMaps,
  wanted: { readonly id: string; readonly specs: FlavorSpecs },
): Promise<ChosenFlavor | undefined> {
  const all = await Array.fromAsync(cloud.compute.listFlavors());
  const chosen = (flavor: ApiObject, how: string): ChosenFlavor => ({
    id: String(flavor.id),
    name: String(flavor.name),
    how,
    warnings: areSame(specsOf(flavor), wanted.specs)
      ? []
      : fieldDifferences({ ...wanted.specs, name: "" }, { ...specsOf(flavor), name: "" }).map((d) => `flavor ${d}`),
  });
  const { id, specs } = wanted;
  const map = maps["nova.flavor"];
  const mapped = map?.[specs.name] ?? map?.[id] ?? map?.["*"];
  if (mapped !== undefined) {
    const found = all.find((f) => f.id === mapped) ?? all.find((f) => f.name === mapped);
    if (found !== undefined) return chosen(found, "mapped");
    throw new CodedError("MAP_TARGET_UNKNOWN", `The target has no nova.flavor ${mapped}, to which ${specs.name} is mapped`, {
      facts: { kind: "nova.flavor", source: specs.name, target: mapped },
      hint: `Change --map nova.flavor:${specs.name}=${mapped}.`,
    });
  }
  const equal = all.filter((f) => areSame(specsOf(f), specs) && f["OS-FLV-DISABLED:disabled"] !== true);
  const best = equal.find((f) => f.id === id && f.name === specs.name) ?? equal.find((f) => f.name === specs.name) ?? equal[0];
  if (best !== undefined) return chosen(best, best.name === specs.name ? "of that name" : "with the same specs");
  const named = all.find((f) => f.name === specs.name);
  return named === undefined ? undefined : chosen(named, "of that name, with other specs");
}

/** Nova says "" for no swap (before microversion 2.75). */
function numberOf(value: Json | undefined): number {
  return typeof value === "number" ? value : Number(value ?? 0) || 0;
}
