/** Neutron's quotas: `/v2.0/quotas` and `/v2.0/quotas/<project>`, with `default` and `details.json`. */

import { json, type Reply } from "../http.ts";
import { badRequest, noSuchUrl, notAllowed, refuse } from "./error.ts";
import type { Ask } from "./kind.ts";
import { toInteger } from "./validators.ts";

export function quotas({ call, net, asker, isAdmin }: Ask, body: unknown, [projectId, what]: readonly string[]): Reply {
  const check = (rule: string, owner: string) => {
    if (!net.policy.allows(rule, asker, { projectId: owner, fields: {} }))
      refuse(403, "PolicyNotAuthorized", `rule:${rule} is disallowed by policy`);
  };
  const limits = (id: string) => Object.fromEntries(Object.keys(net.quotaDefaults).map((name) => [name, net.limit(id, name)]));
  if (projectId === undefined) {
    check("get_quota", "");
    return json(200, { quotas: [...net.quotas.keys()].map((id) => ({ ...limits(id), tenant_id: id, project_id: id })) });
  }
  if (what === "details.json" || what === "details") {
    if (projectId !== asker.projectId && !isAdmin)
      refuse(
        403,
        "AdminRequired",
        "User does not have admin privileges: Only admin is authorized to access quotas for another project.",
      );
    const used = (name: string) => net.all(name).filter((row) => row.projectId === projectId).length;
    const details = Object.entries(limits(projectId)).map(([name, limit]) => [name, { limit, used: used(name), reserved: 0 }]);
    return json(200, { quota: Object.fromEntries(details) });
  }
  if (what === "default") return json(200, { quota: net.quotaDefaults });
  if (what !== undefined) return noSuchUrl();
  if (call.method === "GET") {
    // A project may see its own, whatever the rule of others says.
    if (projectId !== asker.projectId) check("get_quota", projectId);
    return json(200, { quota: limits(projectId) });
  }
  if (call.method === "DELETE") {
    check("delete_quota", projectId);
    net.quotas.delete(projectId);
    return { status: 204 };
  }
  if (call.method !== "PUT") return notAllowed(call.method);
  check("update_quota", projectId);
  const asked = (body as { quota?: Record<string, unknown> } | undefined)?.quota;
  if (asked === undefined) badRequest("Unable to find 'quota' in request body");
  const unknown = Object.keys(asked).filter(
    (name) => net.quotaDefaults[name] === undefined && name !== "force" && name !== "check_limit",
  );
  if (unknown.length > 0) badRequest(`Unrecognized attribute(s) '${unknown.join(", ")}'`);
  for (const [name, value] of Object.entries(asked)) {
    const used = net.all(name).filter((row) => row.projectId === projectId).length;
    if (asked.force !== true && Number(value) >= 0 && net.quotaDefaults[name] !== undefined && used > Number(value))
      badRequest(`Quota limit ${value} for ${name} must be greater than or equal to already used ${used}`);
  }
  for (const [name, value] of Object.entries(asked))
    if (net.quotaDefaults[name] !== undefined) net.setQuota(projectId, { [name]: toInteger(value) as number });
  return json(200, { quota: limits(projectId) });
}
