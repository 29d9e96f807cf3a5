/**
 * What FWaaS makes for a project by itself: the group `default` with the policies `default ingress` and `default egress` and their rules. The
 * service keeps the names of the group and of the policies, makes no second one and lets nobody rename them, so a restore changes what
 * the target has. Its names of rules anybody may use: a rule is one of these only while it is in one of these policies.
 */

import { type ApiObject, type Cloud, type CollectionSpec, FIREWALL_GROUPS, FIREWALL_POLICIES } from "@permafrost/openstack";

export const DEFAULT_GROUP = "default";
const POLICY_NAME = /^default (ingress|egress)$/;
const RULE_NAME = /^default (ingress|egress) ipv[46]$/;

export function isDefaultPolicy({ name }: ApiObject): boolean {
  return POLICY_NAME.test(String(name));
}

/** The project's own. The service makes it when it is asked for the first time. */
export async function defaultGroup(cloud: Cloud): Promise<ApiObject | undefined> {
  return await ownNamed(cloud, FIREWALL_GROUPS, DEFAULT_GROUP);
}

export async function defaultPolicy(cloud: Cloud, name: string): Promise<ApiObject | undefined> {
  return await ownNamed(cloud, FIREWALL_POLICIES, name);
}

/** The policy of the service that a rule of this name belongs to, if the name is one of the service's. */
export async function policyOfDefaultRule(cloud: Cloud, ruleName: string): Promise<ApiObject | undefined> {
  if (!RULE_NAME.test(ruleName)) return undefined;
  return await defaultPolicy(cloud, ruleName.replace(/ ipv[46]$/, ""));
}

export function rulesOf(policy: ApiObject | undefined): string[] {
  return Array.isArray(policy?.firewall_rules) ? policy.firewall_rules.map(String) : [];
}

async function ownNamed(cloud: Cloud, spec: CollectionSpec, name: string): Promise<ApiObject | undefined> {
  for await (const object of cloud.collection(spec).list({ project_id: cloud.projectId, name }))
    if (object.name === name && (object.project_id ?? object.tenant_id) === cloud.projectId) return object;
  return undefined;
}
