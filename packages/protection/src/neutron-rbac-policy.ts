/**
 * neutron.rbac-policy: what the project shares with another project. That project is found in the target or mapped; restored into the very
 * project that it was captured from, it is the same one. Sharing with every project is, where the object has such an attribute, its own
 * `shared` or `router:external`; else it needs an administrator. A policy has no name, no description and no update: it is known by what it says.
 */

import { type ApiObject, type Cloud, RBAC_POLICIES, SUBNET_POOLS } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { declaredType } from "./declared/declared-type.ts";
import { plannedTarget } from "./declared/planned-target.ts";
import { withTargets } from "./declared/references.ts";
import { ifThere } from "./if-there.ts";
import type { PlanInput, Planned, PlanScope, ResourceType, RestoreInput } from "./resource-type.ts";

/** What can be shared, as `object_type` says it. */
const KINDS = {
  network: "neutron.network",
  qos_policy: "neutron.qos-policy",
  security_group: "neutron.security-group",
  address_scope: "neutron.address-scope",
  subnetpool: "neutron.subnet-pool",
  address_group: "neutron.address-group",
  bgpvpn: "neutron.bgpvpn",
} as const;
const ALL = "*";
const PROJECT_ID = /^[0-9a-f]{32}$/;

/** `shares` is what the document adds: the object's id under its type. */
const REFERENCES = Object.fromEntries([
  ...Object.entries(KINDS).map(([type, kind]) => [`shares.${type}`, { kind }] as const),
  // A subnet pool is shared only where its address scope is.
  ["scope_sharings[]", { kind: "neutron.rbac-policy", optional: true }] as const,
]);

const sharing = declaredType({
  type: "neutron.rbac-policy",
  noun: "sharing",
  collection: RBAC_POLICIES,
  create: ["object_type", "object_id", "action", "target_tenant"],
  references: REFERENCES,
  mark: "content",
  nameOf: ({ object_type, object_id, action, target_tenant }) =>
    `${String(object_type)} ${String(object_id)} ${String(action)} ${String(target_tenant)}`,
  reported: {
    "target_tenant *":
      "needs the role admin; of a network, address scope, subnet pool or QoS policy it is the object's own `shared`",
    target_tenant: "a project that the target does not have must be mapped",
  },
  // Neutron makes these with the object, from its `shared` and `router:external`.
  isDerived: ({ object_type, target_tenant }) =>
    target_tenant === ALL && ["network", "qos_policy", "address_scope", "subnetpool"].includes(String(object_type)),
  hooks: {
    describe: async ({ cloud, nameOf }, policy) => ({
      shares: { [String(policy.object_type)]: policy.object_id ?? "" },
      target_name: policy.target_tenant === ALL ? "" : await nameOf("project", String(policy.target_tenant)),
      scope_sharings: policy.object_type === "subnetpool" ? await scopeSharings(cloud, policy) : [],
    }),
    plan: planSharing,
    body: (_context, input, body) => ({ ...body, object_id: objectOf(input), target_tenant: projectOf(input) }),
  },
});

export const neutronRbacPolicy: ResourceType<DeclaredDocument> = {
  ...sharing,
  /**
   * Neutron keeps the sharing of a security group while any port uses it, its owner's too (`get_bound_project_ids`). That of an object which
   * this restore made goes with the object, whose turn comes.
   */
  undo: async (context, input) => {
    const { object } = input.document;
    try {
      await context.cloud.collection(RBAC_POLICIES).delete(input.targetId);
    } catch (error) {
      const kind = KINDS[String(object.object_type) as keyof typeof KINDS];
      const made = await context.journal.entry(kind, String(object.object_id));
      if (!CodedError.is(error, "CONFLICT") || made === undefined || made.before !== undefined) throw error;
    }
  },
};

async function planSharing(
  { cloud }: { readonly cloud: Cloud },
  input: PlanInput<DeclaredDocument>,
  scope: PlanScope,
  planned: Planned,
): Promise<Planned> {
  if (planned.action !== "create") return planned;
  const { object } = input.document;
  const { object_type: type, object_id: id, target_tenant: source } = object;
  const kind = KINDS[String(type) as keyof typeof KINDS];
  if (kind === undefined)
    return { ...planned, action: "conflict", reason: `this version cannot restore the sharing of a ${String(type)}` };
  if (source === ALL && !cloud.roles.has("admin"))
    return { ...planned, action: "conflict", reason: "sharing with every project needs the role admin" };
  const known = projectWithoutLooking(input, cloud.projectId);
  const project =
    known ?? (await scope.resolve({ kind: "project", id: String(source), name: String(object.target_name ?? "") })).targetId;
  if (project === undefined) {
    const name = String(object.target_name || source);
    return {
      ...planned,
      action: "conflict",
      reason: `the target has no project ${name}, or it may not be seen: map it with --map project:${name}=NEW`,
    };
  }
  const target = await plannedTarget(scope, input.document, kind, String(id));
  if (target.isNew || target.id === undefined) return planned;
  const same = await sameSharing(cloud, { object_id: target.id, action: object.action ?? "", target_tenant: project });
  if (same === undefined) return planned;
  const reason = `it is shared so already, by ${String(same.id)}`;
  const action = input.options.onConflict === "fail" ? "conflict" : input.options.onConflict === "skip" ? "skip" : "reuse";
  return { ...planned, action, reason, targetId: String(same.id) };
}

/** The policies that share the address scope of a subnet pool with the same project. */
async function scopeSharings(cloud: Cloud, { object_id, target_tenant }: ApiObject): Promise<string[]> {
  const scope = (await ifThere(cloud.collection(SUBNET_POOLS).get(String(object_id))))?.address_scope_id;
  if (typeof scope !== "string") return [];
  const found = await Array.fromAsync(cloud.collection(RBAC_POLICIES).list({ object_id: scope, project_id: cloud.projectId }));
  return found.filter((p) => p.object_id === scope && p.target_tenant === target_tenant).map((p) => String(p.id));
}

async function sameSharing(cloud: Cloud, like: ApiObject): Promise<ApiObject | undefined> {
  const found = await Array.fromAsync(cloud.collection(RBAC_POLICIES).list({ object_id: String(like.object_id) }));
  return found.find((p) => Object.entries(like).every(([name, value]) => p[name] === value));
}

/**
 * The project where nothing has to be looked up: every project, the same one as before, or what the user mapped to an id, which only an
 * administrator could look up.
 */
function projectWithoutLooking({ document, options }: PlanInput<DeclaredDocument>, projectId?: string): string | undefined {
  const { target_tenant: source, target_name: name, project_id: owner } = document.object;
  if (source === ALL) return ALL;
  const maps = options.maps.project;
  const mapped = maps?.[String(name)] ?? maps?.[String(source)] ?? maps?.[ALL];
  if (mapped !== undefined) return PROJECT_ID.test(mapped) ? mapped : undefined;
  return owner === projectId ? String(source) : undefined;
}

function projectOf(input: RestoreInput<DeclaredDocument>): string {
  const source = String(input.document.object.target_tenant);
  return projectWithoutLooking(input) ?? input.targets[`project/${source}`] ?? source;
}

function objectOf({ document, targets }: RestoreInput<DeclaredDocument>): string {
  const { object } = withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]);
  const shares = object.shares as Readonly<Record<string, string>> | undefined;
  const id = shares?.[String(document.object.object_type)];
  if (id !== undefined) return id;
  throw new CodedError("PLAN_STALE", `What the sharing ${document.object.id} shares is not in the target`, {
    facts: { object: String(document.object.object_id) },
    hint: "Make a new plan.",
  });
}
