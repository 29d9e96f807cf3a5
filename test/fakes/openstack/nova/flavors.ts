/** Flavors: what all may read of the public ones, and the administrator's making, extra specs and access lists. */

import { json, type Reply } from "../http.ts";
import { uuid } from "../ids.ts";
import type { Flavor } from "./compute.ts";
import { check } from "./json-schema.ts";
import { bodyOf, fail, forbid, type NovaCall, noRoute, pageOf, self, truthy } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";
import { createFlavor } from "./schemas.ts";

const EMPTY_200: Reply = { status: 200, headers: { "content-length": "0" } };

export class Flavors {
  readonly #state: NovaState;

  constructor(state: NovaState) {
    this.#state = state;
  }

  async route(context: NovaCall): Promise<Reply> {
    const [, id, sub, key] = context.parts;
    const { method } = context.call;
    if (id === undefined && method === "POST") return this.#create(context);
    if (id === undefined || id === "detail") return this.#list(context, id === "detail");
    if (method === "DELETE" && sub === undefined && !context.admin) forbid("os-flavor-manage:delete");
    const flavor = this.#state.compute.flavor(id, context.projectId, context.admin);
    if (flavor === undefined) fail(404, `Flavor ${id} could not be found.`);
    if (sub === "os-extra_specs") return this.#extraSpecs(context, flavor, key);
    if (sub === "os-flavor-access") {
      if (!context.admin) forbid("os-flavor-access");
      if (flavor.isPublic) fail(404, "Access list not available for public flavors.");
      return json(200, access(flavor));
    }
    if (sub === "action") return this.#act(context, flavor);
    if (method === "GET") return json(200, { flavor: view(context, flavor) });
    if (method === "PUT" && context.version >= 55) {
      if (!context.admin) forbid("os-flavor-manage:update");
      flavor.description = ((await bodyOf(context)).flavor as { description?: string | null }).description ?? null;
      return json(200, { flavor: view(context, flavor) });
    }
    if (method !== "DELETE") return noRoute();
    this.#state.compute.flavors.delete(id);
    context.call.deleted("flavor", id);
    return { status: 202, headers: { "content-length": "0" } };
  }

  #list(context: NovaCall, detailed: boolean): Reply {
    const { query } = context.call;
    const asked = query.get("is_public");
    const wanted = !context.admin || asked === null ? true : /^none$/i.test(asked) ? null : truthy(asked);
    const rows = [...this.#state.compute.flavors.values()]
      .filter(
        (flavor) => wanted === null || flavor.isPublic === wanted || (!context.admin && flavor.access.has(context.projectId)),
      )
      .filter((flavor) => flavor.ram >= Number(query.get("minRam") ?? 0) && flavor.disk >= Number(query.get("minDisk") ?? 0))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const { shown, next } = pageOf(
      context,
      rows,
      this.#state.pageSize,
      (flavor) => flavor.id,
      (marker) => `marker [${marker}] not found`,
    );
    const answer: Record<string, unknown> = {
      flavors: shown.map((flavor) => (detailed ? view(context, flavor) : brief(context, flavor))),
    };
    if (next !== undefined) answer.flavors_links = [{ rel: "next", href: next }];
    return json(200, answer);
  }

  async #create(context: NovaCall): Promise<Reply> {
    if (!context.admin) forbid("os-flavor-manage:create");
    const { compute } = this.#state;
    const body = await bodyOf(context);
    check(createFlavor(context.version), body);
    const wanted = body.flavor as Record<string, unknown>;
    const id = wanted.id === undefined || wanted.id === null || wanted.id === "auto" ? uuid() : String(wanted.id);
    const name = String(wanted.name);
    if (compute.flavors.has(id)) fail(409, `Flavor with ID ${id} already exists.`);
    if ([...compute.flavors.values()].some((flavor) => flavor.name === name))
      fail(409, `Flavor with name ${name} already exists.`);
    const isPublic = wanted["os-flavor-access:is_public"];
    const flavor = compute.addFlavor({
      id,
      name,
      ram: Number(wanted.ram),
      vcpus: Number(wanted.vcpus),
      disk: Number(wanted.disk),
      ephemeral: Number(wanted["OS-FLV-EXT-DATA:ephemeral"] ?? 0),
      swap: Number(wanted.swap ?? 0),
      rxtxFactor: Number(wanted.rxtx_factor ?? 1),
      isPublic: isPublic === undefined || truthy(isPublic),
      description: (wanted.description ?? null) as string | null,
    });
    context.call.created("flavor", flavor.id);
    return json(200, { flavor: view(context, flavor) });
  }

  async #extraSpecs(context: NovaCall, flavor: Flavor, key: string | undefined): Promise<Reply> {
    const { method } = context.call;
    if (method !== "GET" && !context.admin)
      forbid(`os-flavor-extra-specs:${{ POST: "create", PUT: "update", DELETE: "delete" }[method] ?? "show"}`);
    if (method === "POST") {
      const wanted = (await bodyOf(context)).extra_specs as Record<string, string | number>;
      for (const [name, value] of Object.entries(wanted)) flavor.extraSpecs[name] = String(value);
      return json(200, { extra_specs: wanted });
    }
    if (key === undefined) return method === "GET" ? json(200, { extra_specs: flavor.extraSpecs }) : noRoute();
    if (method === "PUT") {
      const wanted = (await bodyOf(context)) as Record<string, string>;
      if (wanted[key] === undefined) fail(400, "Request body and URI mismatch");
      flavor.extraSpecs[key] = String(wanted[key]);
      return json(200, { [key]: flavor.extraSpecs[key] });
    }
    if (flavor.extraSpecs[key] === undefined) fail(404, `Flavor ${flavor.id} has no extra specs with key ${key}.`);
    if (method === "GET") return json(200, { [key]: flavor.extraSpecs[key] });
    delete flavor.extraSpecs[key];
    return EMPTY_200;
  }

  async #act(context: NovaCall, flavor: Flavor): Promise<Reply> {
    const body = await bodyOf(context);
    const [name = ""] = Object.keys(body);
    const tenant = String((body[name] as { tenant?: string } | null)?.tenant ?? "");
    const adding = name === "addTenantAccess";
    if (!adding && name !== "removeTenantAccess") fail(400, `There is no such action: ${name}`);
    if (!context.admin) forbid(`os-flavor-access:${adding ? "add" : "remove"}_tenant_access`);
    if (!this.#state.identities.projects.has(tenant) && adding) fail(400, `Project ID ${tenant} is not a valid project.`);
    if (adding && flavor.isPublic && context.version >= 7) fail(409, "Can not add access to a public flavor.");
    if (adding && flavor.access.has(tenant))
      fail(409, `Flavor access already exists for flavor ${flavor.id} and project ${tenant} combination.`);
    if (!adding && !flavor.access.delete(tenant)) fail(404, `Flavor access not found for ${flavor.id} / ${tenant} combination.`);
    if (adding) flavor.access.add(tenant);
    return json(200, access(flavor));
  }
}

function access(flavor: Flavor): Record<string, unknown> {
  return { flavor_access: [...flavor.access].map((tenant) => ({ flavor_id: flavor.id, tenant_id: tenant })) };
}

function brief(context: NovaCall, flavor: Flavor): Record<string, unknown> {
  return {
    id: flavor.id,
    name: flavor.name,
    links: self(context, "flavors", flavor.id),
    ...(context.version >= 55 ? { description: flavor.description } : {}),
  };
}

function view(context: NovaCall, flavor: Flavor): Record<string, unknown> {
  return {
    ...brief(context, flavor),
    ram: flavor.ram,
    disk: flavor.disk,
    swap: context.version >= 75 ? flavor.swap : flavor.swap || "",
    "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral,
    "OS-FLV-DISABLED:disabled": false,
    vcpus: flavor.vcpus,
    "os-flavor-access:is_public": flavor.isPublic,
    rxtx_factor: flavor.rxtxFactor || "",
    ...(context.version >= 61 ? { extra_specs: flavor.extraSpecs } : {}),
  };
}
