/**
 * Firewall policies of the fake FWaaS v2: rules in their order. Any change that does not say `audited` itself, and any change of a rule,
 * sets it to false. Those of the group `default` are never changed, but rules can be put in and taken out.
 */

import { attribute, type Fields, maxText } from "../neutron/attributes.ts";
import { refuse } from "../neutron/error.ts";
import { type Action, type Ask, type Kind, missing } from "../neutron/kind.ts";
import type { Row } from "../neutron/networking.ts";
import { listOf, toBoolean, toList, uuid } from "../neutron/validators.ts";
import { DEFAULT_POLICIES, ensureDefault, prepareDefault } from "./defaults.ts";
import { groupsWith, refuseIfGroupsPending, rulesOf, tellOf } from "./state.ts";

const INSERT_RULE: Action = {
  method: "PUT",
  run: (ask, policy, body) => {
    const { net } = ask;
    refuseIfGroupsPending(net, policy.id);
    const id = ruleIn(body);
    if (rulesOf(policy).includes(id))
      refuse(
        409,
        "FirewallRuleAlreadyAssociated",
        `Operation cannot be performed since firewall rule ${id} is already associated with firewall policy ${policy.id}.`,
      );
    const rule = seen(ask, id);
    if (rule.fields.shared !== true && rule.projectId !== policy.projectId)
      refuse(
        409,
        "FirewallRuleConflict",
        `Operation cannot be performed since firewall rule ${id} is not shared and belongs to another project ${rule.projectId}.`,
      );
    const [before, after] = [body.insert_before, body.insert_after].map((value) => (value ? String(value) : undefined));
    const at = before !== undefined ? placeOf(policy, before) : after !== undefined ? placeOf(policy, after) + 1 : 0;
    return changed(ask, policy, rulesOf(policy).toSpliced(at, 0, id));
  },
};

const REMOVE_RULE: Action = {
  method: "PUT",
  run: (ask, policy, body) => {
    refuseIfGroupsPending(ask.net, policy.id);
    const id = ruleIn(body);
    seen(ask, id);
    return changed(ask, policy, rulesOf(policy).toSpliced(placeOf(policy, id), 1));
  },
};

export const FIREWALL_POLICY: Kind = {
  name: "firewall_policy",
  collection: "firewall_policies",
  path: "fwaas/firewall_policies",
  extension: "fwaas_v2",
  journal: "firewall-policy",
  standard: true,
  quota: "firewall_policy",
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    shared: attribute("cufs", { default: false, convert: toBoolean }),
    firewall_rules: attribute("cuf", { default: null, convert: toList, validate: listOf(uuid) }),
    audited: attribute("cufs", { default: false, convert: toBoolean }),
  },
  actions: { insert_rule: INSERT_RULE, remove_rule: REMOVE_RULE },
  missing: missing("FirewallPolicyNotFound", "Firewall policy %s could not be found."),
  target: (_net, { fields }) => ({ isShared: fields.shared === true }),
  prepare: prepareDefault,
  preparesUnseen: true,
  checkOwner: ({ net }, _fields, projectId) => ensureDefault(net, projectId),
  matches: (_net, row, name, values) => (name === "firewall_rules" ? rulesOf(row).some((id) => values.includes(id)) : undefined),
  create: (ask, fields, projectId) => {
    if (DEFAULT_POLICIES.includes(String(fields.name)))
      refuse(
        409,
        "FirewallDefaultParameterExists",
        `Operation cannot be performed since '${fields.name}' is a reserved name for Firewall Policy.`,
      );
    const row = ask.net.add("firewall_policy", projectId, { ...fields, firewall_rules: [] });
    try {
      row.fields.firewall_rules = checked(ask, row, fields);
    } catch (error) {
      ask.net.remove(row);
      throw error;
    }
    ask.created(row);
    return row;
  },
  update: (ask, row, changes) => {
    const { net } = ask;
    refuseIfGroupsPending(net, row.id);
    // The service names the wrong type here.
    if (DEFAULT_POLICIES.includes(String(row.fields.name)))
      refuse(
        409,
        "FirewallDefaultObjectUpdateRestricted",
        `Operation cannot be performed on default object '${row.id}' of type Firewall Group.`,
      );
    if (changes.shared === false && groupsWith(net, row.id).some(({ projectId }) => projectId !== row.projectId)) inUse(row);
    if (changes.shared === true && changes.firewall_rules === undefined)
      for (const id of rulesOf(row))
        if (net.find("firewall_rule", id)?.fields.shared !== true)
          refuse(
            409,
            "FirewallPolicySharingConflict",
            `Operation cannot be performed. Before sharing firewall policy ${row.id}, share associated firewall rule ${id}.`,
          );
    const rules = changes.firewall_rules === undefined ? {} : { firewall_rules: checked(ask, row, changes) };
    Object.assign(row.fields, { audited: false }, changes, rules);
    tellOf(net, row.id);
  },
  remove: ({ net, deleted }, row) => {
    if (groupsWith(net, row.id).length > 0) inUse(row);
    net.remove(row);
    deleted(row);
  },
};

function inUse(policy: Row): never {
  refuse(409, "FirewallPolicyInUse", `Firewall policy ${policy.id} is being used.`);
}

function ruleIn(body: Fields): string {
  const id = body.firewall_rule_id;
  if (id === undefined) refuse(400, "FirewallRuleInfoMissing", "Missing rule info argument for insert/remove rule operation.");
  if (uuid(id) !== undefined) refuse(404, "FirewallRuleNotFound", `Firewall rule ${id} could not be found.`);
  return String(id);
}

/** The rule, if the asker may see it. */
function seen({ net, asker, isAdmin }: Ask, id: string): Row {
  const rule = net.need("firewall_rule", id);
  const isTheirs = rule.projectId === asker.projectId || rule.fields.shared === true;
  return isTheirs || isAdmin ? rule : net.kind("firewall_rule").missing(id);
}

function placeOf(policy: Row, ruleId: string): number {
  const at = rulesOf(policy).indexOf(ruleId);
  if (at < 0)
    refuse(
      400,
      "FirewallRuleNotAssociatedWithPolicy",
      `Firewall rule ${ruleId} is not associated with firewall policy ${policy.id}.`,
    );
  return at;
}

function changed({ net }: Ask, policy: Row, firewall_rules: string[]): Fields {
  Object.assign(policy.fields, { firewall_rules, audited: false });
  net.touch(policy);
  tellOf(net, policy.id);
  const { id, projectId: project_id } = policy;
  return { id, project_id, tenant_id: project_id, ...policy.fields };
}

/** The rules that were asked for, if the policy may have them. */
function checked(ask: Ask, policy: Row, fields: Fields): string[] {
  const ids = fields.firewall_rules as string[];
  for (const id of ids) {
    const rule = seen(ask, id);
    if (rule.fields.shared === true) continue;
    if (fields.shared ?? policy.fields.shared)
      refuse(
        404,
        "FirewallRuleSharingConflict",
        `Operation cannot be performed since firewall policy ${policy.id} could not find the firewall rule ${id}. Please confirm if the firewall rule exists and is shared.`,
      );
    if (fields.shared === undefined && rule.projectId !== policy.projectId)
      refuse(
        409,
        "FirewallRuleConflict",
        `Operation cannot be performed since firewall rule ${id} is not shared and belongs to another project ${rule.projectId}.`,
      );
  }
  return ids;
}
