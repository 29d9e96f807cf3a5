/** os-server-groups: a policy and the servers that were made with its hint. */

import { json, type Reply } from "../http.ts";
import type { ServerGroup } from "./compute.ts";
import { check } from "./json-schema.ts";
import { bodyOf, fail, NO_CONTENT, type NovaCall, noRoute, sliceOf } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";
import { createServerGroup } from "./schemas.ts";

export class ServerGroups {
  readonly #state: NovaState;

  constructor(state: NovaState) {
    this.#state = state;
  }

  async route(context: NovaCall, id: string | undefined): Promise<Reply> {
    const { compute } = this.#state;
    const { method, query } = context.call;
    if (id === undefined) {
      if (method === "POST") return this.#create(context);
      if (method !== "GET") return noRoute();
      const everyone = query.has("all_projects") && context.admin;
      const rows = [...compute.groups.values()].filter((group) => everyone || group.projectId === context.projectId);
      return json(200, {
        server_groups: sliceOf(context, rows, this.#state.pageSize).map((group) => this.#view(context, group)),
      });
    }
    const group = compute.groups.get(id);
    if (group === undefined || (!context.admin && group.projectId !== context.projectId))
      fail(404, `Instance group ${id} could not be found.`);
    if (method === "GET") return json(200, { server_group: this.#view(context, group) });
    if (method !== "DELETE") return noRoute();
    compute.groups.delete(id);
    context.call.deleted("server_group", id);
    return NO_CONTENT;
  }

  async #create(context: NovaCall): Promise<Reply> {
    const { compute } = this.#state;
    const body = await bodyOf(context);
    check(createServerGroup(context.version), body);
    const wanted = body.server_group as { name: string; policy?: string; policies?: string[]; rules?: Record<string, unknown> };
    const limit = compute.quota(context.projectId).server_groups ?? -1;
    if (limit >= 0 && (compute.usage(context.projectId).server_groups ?? 0) >= limit)
      fail(403, "Quota exceeded, too many server groups.");
    const policy = wanted.policy ?? wanted.policies?.[0] ?? "";
    const rules = Object.entries(wanted.rules ?? {}).map(([key, value]) => [key, Number(value)]);
    if (policy !== "anti-affinity" && rules.length > 0) fail(400, "Only anti-affinity policy supports rules.");
    const group = compute.addGroup({
      projectId: context.projectId,
      userId: context.userId,
      name: wanted.name,
      policy,
      rules: Object.fromEntries(rules),
    });
    context.call.created("server_group", group.id);
    return json(200, { server_group: this.#view(context, group) });
  }

  #view(context: NovaCall, group: ServerGroup): Record<string, unknown> {
    return {
      id: group.id,
      name: group.name,
      ...(context.version >= 64 ? { policy: group.policy, rules: group.rules } : { policies: [group.policy], metadata: {} }),
      members: this.#state.compute.membersOf(group),
      ...(context.version >= 13 ? { project_id: group.projectId, user_id: group.userId } : {}),
    };
  }
}
