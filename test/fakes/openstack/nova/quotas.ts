/** Limits, quota sets and availability zones. */

import { json, type Reply } from "../http.ts";
import { DEFAULT_COMPUTE_QUOTA } from "./compute.ts";
import { python } from "./json-schema.ts";
import { ACCEPTED, bodyOf, fail, forbid, type NovaCall, noRoute } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";

/** What older microversions show besides; Neutron has the first, personality is gone. */
const NETWORK_QUOTAS = { fixed_ips: -1, floating_ips: -1, security_groups: -1, security_group_rules: -1 };
const FILE_QUOTAS = { injected_files: 5, injected_file_content_bytes: 10_240, injected_file_path_bytes: 255 };

export class Quotas {
  readonly #state: NovaState;

  constructor(state: NovaState) {
    this.#state = state;
  }

  limits(context: NovaCall): Reply {
    const tenant = context.call.query.get("tenant_id");
    if (tenant !== null && !context.admin) forbid("limits:other_project");
    const projectId = tenant ?? context.projectId;
    const quota = this.#state.compute.quota(projectId);
    const used = this.#state.compute.usage(projectId);
    const at = (version: number) => context.version >= version;
    const absolute = {
      maxServerMeta: quota.metadata_items,
      maxTotalInstances: quota.instances,
      maxTotalCores: quota.cores,
      maxTotalRAMSize: quota.ram,
      maxTotalKeypairs: quota.key_pairs,
      maxServerGroups: quota.server_groups,
      maxServerGroupMembers: quota.server_group_members,
      totalRAMUsed: used.ram,
      totalCoresUsed: used.cores,
      totalInstancesUsed: used.instances,
      totalServerGroupsUsed: used.server_groups,
      ...(at(39) ? {} : { maxImageMeta: quota.metadata_items }),
      ...(at(57) ? {} : { maxPersonality: 5, maxPersonalitySize: 10_240 }),
      ...(at(36)
        ? {}
        : {
            maxSecurityGroups: -1,
            maxSecurityGroupRules: -1,
            maxTotalFloatingIps: -1,
            totalSecurityGroupsUsed: 0,
            totalFloatingIpsUsed: 0,
          }),
    };
    return json(200, { limits: { rate: [], absolute } });
  }

  async quotaSet(context: NovaCall): Promise<Reply> {
    const [, projectId = "", sub] = context.parts;
    const { method } = context.call;
    const { compute, identities } = this.#state;
    const policy = sub ?? { GET: "show", PUT: "update", DELETE: "delete" }[method] ?? "show";
    const changes = method !== "GET";
    if ((changes || (projectId !== context.projectId && policy !== "defaults")) && !context.admin)
      forbid(`os-quota-sets:${policy}`);
    if (!identities.projects.has(projectId)) fail(400, `Project ID ${projectId} is not a valid project.`);
    const all = (quota: Readonly<Record<string, number>>): Record<string, number> => ({
      ...quota,
      ...(context.version < 36 ? NETWORK_QUOTAS : {}),
      ...(context.version < 57 ? FILE_QUOTAS : {}),
    });
    if (method === "DELETE") {
      compute.resetQuota(projectId);
      return ACCEPTED;
    }
    if (method === "PUT") {
      await this.#update(context, projectId);
      return json(200, { quota_set: all(compute.quota(projectId)) });
    }
    if (policy === "defaults") return json(200, { quota_set: { id: projectId, ...all(DEFAULT_COMPUTE_QUOTA) } });
    if (policy === "show") return json(200, { quota_set: { id: projectId, ...all(compute.quota(projectId)) } });
    if (policy !== "detail") return noRoute();
    const used = compute.usage(projectId);
    const rows = Object.entries(all(compute.quota(projectId))).map(([name, limit]) => [
      name,
      { in_use: used[name] ?? 0, limit, reserved: 0 },
    ]);
    return json(200, { quota_set: { id: projectId, ...Object.fromEntries(rows) } });
  }

  async #update(context: NovaCall, projectId: string): Promise<void> {
    const wanted = ((await bodyOf(context)).quota_set ?? {}) as Record<string, unknown>;
    const quota = this.#state.compute.quota(projectId);
    const used = this.#state.compute.usage(projectId);
    const known = { ...quota, ...NETWORK_QUOTAS, ...FILE_QUOTAS, force: 0 };
    const extra = Object.keys(wanted).filter((name) => !(name in known));
    if (extra.length > 0) {
      const names = extra.map(python).join(", ");
      fail(
        400,
        `Invalid input for field/attribute quota_set. Value: ${python(wanted)}. Additional properties are not allowed (${names} ${extra.length === 1 ? "was" : "were"} unexpected)`,
      );
    }
    for (const [name, value] of Object.entries(wanted)) {
      const limit = Number(value);
      if (name === "force" || !(name in quota)) continue;
      if (wanted.force !== true && limit >= 0 && limit < (used[name] ?? 0)) {
        fail(
          400,
          `Quota limit ${limit} for ${name} must be greater than or equal to already used and reserved ${used[name] ?? 0}.`,
        );
      }
    }
    for (const [name, value] of Object.entries(wanted)) if (name in quota) quota[name] = Number(value);
  }

  zones(context: NovaCall, sub: string | undefined): Reply {
    if (sub === "detail" && !context.admin) forbid("os-availability-zone:detail");
    if (sub !== undefined && sub !== "detail") return noRoute();
    const info = this.#state.compute.zones.map((zoneName) => ({ zoneName, zoneState: { available: true }, hosts: null }));
    return json(200, { availabilityZoneInfo: info });
  }
}
