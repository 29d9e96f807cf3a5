/**
 * nova.flavor: the definitions of the flavors that the project's servers have, as far as they can be read. A flavor is the cloud's and not
 * the project's: a restore finds the one that is the same, and only an administrator may make it when the target has none.
 */

import { EMPTY_STATS } from "@permafrost/model";
import type { ApiObject, Cloud } from "@permafrost/openstack";
import { atLeast } from "@permafrost/openstack";
import { CodedError, type JsonObject } from "@permafrost/std";
import { fieldDifferences } from "./compare.ts";
import { ifThere } from "./if-there.ts";
import type { TemporaryKind } from "./ledger.ts";
import { areSame, chooseFlavor, type FlavorSpecs, specsOf } from "./nova-flavor-specs.ts";
import type {
  Context,
  Found,
  PlanInput,
  Planned,
  ResourceType,
  Restored,
  RestoreInput,
  TemporaryContext,
  UndoInput,
  VerifyInput,
} from "./resource-type.ts";

/** Document version 1. */
export type FlavorDocument = {
  readonly version: 1;
  /** As Nova lists it; of one that is gone from the cloud, what its servers still say of it. */
  readonly flavor: ApiObject;
  readonly specs: FlavorSpecs;
};

const TYPE = "nova.flavor";
const DESCRIPTION = "2.55";

export const novaFlavor: ResourceType<FlavorDocument> = {
  type: TYPE,

  async *discover({ cloud }: Context): AsyncIterable<Found> {
    if (!(await cloud.hasService("compute"))) return;
    const offered = await Array.fromAsync(cloud.compute.listFlavors());
    const seen = new Set<string>();
    for await (const server of cloud.compute.listServers()) {
      if (server.flavor === undefined) continue;
      const used = server.flavor as ApiObject;
      const flavor = flavorOf(used, offered) ?? used;
      const id = flavorKey(used, offered);
      if (seen.has(id)) continue;
      seen.add(id);
      const document: FlavorDocument = { version: 1, flavor, specs: specsOf(flavor) };
      const warnings = flavor === used ? ["The flavor is not in the cloud any more: captured as its servers have it"] : [];
      yield { id, name: document.specs.name, document, logicalBytes: 0, captures: false, freezes: false, warnings };
    }
  },

  async plan({ cloud }: Context, { resource, document, options }: PlanInput<FlavorDocument>): Promise<Planned> {
    const nothing = { dependsOn: [] };
    const { specs } = document;
    if (!(await cloud.hasService("compute")))
      return { action: "conflict", reason: "the target has no service compute", ...nothing };
    const chosen = await chooseFlavor(cloud, options.maps, { id: resource.id, specs });
    if (chosen !== undefined) {
      const reason = `flavor ${chosen.name}, ${chosen.how}`;
      return { action: "reuse", reason, targetId: chosen.id, warnings: chosen.warnings, ...nothing };
    }
    if (cloud.roles.has("admin")) return { action: "create", reason: "no flavor like it", ...nothing };
    const size = `${specs.vcpus} vCPUs, ${specs.ram} MiB, ${specs.disk} GiB`;
    return {
      action: "conflict",
      reason: `the target has no flavor ${specs.name} (${size}) and only an administrator may make it: map it with --map nova.flavor:${specs.name}=NEW`,
      ...nothing,
    };
  },

  async restore(context: Context, { resource, document }: RestoreInput<FlavorDocument>): Promise<Restored> {
    if (resource.action === "reuse") return { targetId: resource.targetId ?? "", stats: EMPTY_STATS };
    const { cloud, ledger, journal } = context;
    const { compute } = cloud;
    const noted = await journal.find(TYPE, resource.id);
    const known = noted === undefined ? undefined : await ifThere(compute.getFlavor(noted));
    const { flavor, specs } = document;
    const describes = atLeast(await compute.client.microversion(), DESCRIPTION);
    const id =
      known === undefined
        ? await ledger.obtain(
            TYPE,
            resource.id,
            async (mark) =>
              String((await compute.createFlavor({ ...wanted(document), ...(describes ? { description: mark } : {}) })).id),
            { name: specs.name },
          )
        : String(known.id);
    await journal.note(TYPE, resource.id, id);
    if (Object.keys(specs.extra_specs).length > 0) await compute.setFlavorSpecs(id, specs.extra_specs);
    if (!isPublic(flavor)) await compute.openFlavor(id, cloud.projectId);
    if (describes) await compute.describeFlavor(id, typeof flavor.description === "string" ? flavor.description : null);
    return { targetId: id, stats: EMPTY_STATS };
  },

  async verify({ cloud }: Context, { document, resource, targetId }: VerifyInput<FlavorDocument>) {
    const found = specsOf(await cloud.compute.getFlavor(targetId));
    // One that was chosen may have another name; what else was different, the plan said.
    const mismatches = resource.action === "create" ? fieldDifferences({ ...document.specs }, { ...found }) : [];
    return { level: "metadata" as const, mismatches };
  },

  async undo({ cloud }: Context, { targetId }: UndoInput<FlavorDocument>): Promise<void> {
    await cloud.compute.deleteFlavor(targetId);
  },

  temporaries: ({ cloud }: TemporaryContext): readonly TemporaryKind[] => [
    {
      kind: TYPE,
      order: 0,
      // Before descriptions a flavor carries no mark; its name is unique, and it was not there when the plan was made.
      find: async (mark, detail) => {
        const { name } = detail as { name: string };
        const found = await Array.fromAsync(cloud.compute.listFlavors());
        return found
          .filter((f) => f.name === name && (f.description === undefined || f.description === mark))
          .map((f) => ({ id: String(f.id), usable: true }));
      },
      remove: (id) => cloud.compute.deleteFlavor(id),
    },
  ],

  async find(cloud: Cloud, nameOrId: string): Promise<{ id: string; name: string }[]> {
    if (!(await cloud.hasService("compute"))) return [];
    const found = await Array.fromAsync(cloud.compute.listFlavors());
    return found.map((f) => ({ id: String(f.id), name: String(f.name) })).filter((f) => [f.id, f.name].includes(nameOrId));
  },

  coverage: {
    captured: ["*", "extra_specs"],
    restored: [
      "found: mapped, same specs, same name",
      "made by an administrator: name, vcpus, ram, disk, ephemeral, swap, extra_specs",
    ],
    roles: { capture: "reader", restore: "member (to make one: admin)" },
    reported: {
      id: "one that is made gets another",
      "os-flavor-access": "one that is not public is opened to the restored project",
    },
  },
};

/** The listed flavor that a server has; undefined if there is none any more, or another by its name. */
export function flavorOf(used: ApiObject, offered: readonly ApiObject[]): ApiObject | undefined {
  if (typeof used.id === "string") return offered.find((f) => f.id === used.id);
  const found = offered.find((f) => f.name === used.original_name);
  return found !== undefined && areSame(specsOf(found), specsOf(used)) ? found : undefined;
}

/** The resource id of the flavor that a server has: the flavor's own, or its name if it is gone. */
export function flavorKey(used: ApiObject, offered: readonly ApiObject[]): string {
  return String(flavorOf(used, offered)?.id ?? used.id ?? used.original_name);
}

function wanted({ flavor, specs }: FlavorDocument): JsonObject {
  const { name, vcpus, ram, disk, ephemeral, swap } = specs;
  if (name === "") throw new CodedError("ASSERTION", "A flavor without a name");
  return { name, vcpus, ram, disk, swap, "OS-FLV-EXT-DATA:ephemeral": ephemeral, "os-flavor-access:is_public": isPublic(flavor) };
}

/** What only its servers told of is given to the restored project alone. */
function isPublic(flavor: ApiObject): boolean {
  return flavor["os-flavor-access:is_public"] === true;
}
