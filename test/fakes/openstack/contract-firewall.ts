/** FWaaS v2's part of the contract: rules, policies, groups, the group `default`; skipped where the cloud does not have it. */

import type { Check, World } from "./contract.ts";
import {
  ABSENT,
  change,
  checkOf,
  drop,
  listOf,
  make,
  networkWithSubnet,
  refused,
  show,
  untilSettled,
  url,
} from "./contract-neutron-ask.ts";

const RULES = "fwaas/firewall_rules";
const POLICIES = "fwaas/firewall_policies";
const GROUPS = "fwaas/firewall_groups";

function check(name: string, run: (world: World) => Promise<void>): Check {
  return checkOf(["fwaas_v2"], `firewall: ${name}`, async (world) => {
    world.later(async () => await removeDefault(world));
    await run(world);
  });
}

/** The project's own group goes with its policies; its rules are left. */
async function removeDefault(world: World): Promise<void> {
  const own = `project_id=${world.projectId}`;
  const rules = await listOf(world, `${RULES}?${own}`, "admin");
  for (const group of await listOf(world, `${GROUPS}?${own}&name=default`, "admin")) {
    await change(world, `${GROUPS}/${group.id}`, { ports: [] }, "admin");
    await drop(world, `${GROUPS}/${group.id}`, "admin");
  }
  for (const { id } of rules) await world.ask("DELETE", url(world, `/${RULES}/${id}`), { as: "admin" });
}

/** Made by the first listing, shown by the next. */
async function defaultGroup(world: World): Promise<Record<string, unknown>> {
  const first = await listOf(world, `${GROUPS}?name=default`);
  world.same("not shown by the listing that makes it", first.length, 0);
  const groups = await listOf(world, `${GROUPS}?name=default`);
  world.same("one group default", groups.length, 1);
  return groups[0] ?? {};
}

/** An interface of a router, and what clears the way for its removal. */
async function routerPort(world: World, n: number): Promise<string> {
  const { subnet } = await networkWithSubnet(world, n);
  const router = await make(world, "routers", { name: "fake-edge" });
  const at = (what: string) => url(world, `/routers/${router.id}/${what}_router_interface`);
  const added = await world.expect(200, "PUT", at("add"), { json: { subnet_id: subnet } });
  world.later(async () => await world.ask("PUT", at("remove"), { json: { subnet_id: subnet } }));
  return String(added.json?.port_id);
}

export const firewallChecks: readonly Check[] = [
  check("rules", async (world) => {
    const plain = await make(world, RULES, {});
    world.same(
      "defaults",
      [plain.name, plain.protocol, plain.ip_version, plain.action, plain.enabled, plain.shared, plain.source_port],
      ["", null, 4, "deny", true, false, null],
    );
    world.same("in no policy", plain.firewall_policy_id, null);
    for (const name of ["source_firewall_group_id", "destination_firewall_group_id"])
      await refused(world, [400, "HTTPBadRequest", `Unrecognized attribute(s) '${name}'`], "POST", RULES, {
        firewall_rule: { [name]: null },
      });
    const tcp = { protocol: "tcp", source_port: "1:100", destination_port: "80:80", source_ip_address: "10.0.0.0/24" };
    const rule = await make(world, RULES, { ...tcp, name: "fake-rule", action: "ALLOW", destination_ip_address: "10.0.0.9" });
    world.same(
      "kept",
      [rule.source_port, rule.destination_port, rule.source_ip_address, rule.destination_ip_address, rule.action],
      ["1:100", "80", "10.0.0.0/24", "10.0.0.9", "allow"],
    );
    const refuse = (wanted: [number, string, string?], fields: Record<string, unknown>) =>
      refused(world, wanted, "POST", RULES, { firewall_rule: fields });
    await refuse([400, "FirewallRuleWithPortWithoutProtocolInvalid"], { source_port: "1" });
    await refuse([400, "FirewallRuleInvalidICMPParameter"], { protocol: "icmp", source_port: "1" });
    await refuse([400, "FirewallIpAddressConflict"], { ip_version: 6, source_ip_address: "10.0.0.1" });
    await refuse([400, "HTTPBadRequest", "First port in a port range"], { protocol: "tcp", source_port: "9:1" });
    await refuse([400, "HTTPBadRequest", "drop is not in valid_values"], { action: "drop" });
    await refuse([403, "PolicyNotAuthorized"], { shared: true });
    await refused(
      world,
      [404, "FirewallRuleNotFound", `Firewall rule ${ABSENT} could not be found.`],
      "GET",
      `${RULES}/${ABSENT}`,
    );
    const changed = await change(world, `${RULES}/${rule.id}`, { source_port: null, enabled: false });
    world.same("changed", [changed.source_port, changed.destination_port, changed.enabled], [null, "80", false]);
    await refused(world, [400, "FirewallRuleWithPortWithoutProtocolInvalid"], "PUT", `${RULES}/${rule.id}`, {
      firewall_rule: { protocol: null },
    });
  }),
  check("policies, the order of their rules, audited", async (world) => {
    const [a, b, c] = [await make(world, RULES, {}), await make(world, RULES, {}), await make(world, RULES, {})];
    const policy = await make(world, POLICIES, { name: "fake-policy", firewall_rules: [b.id, a.id], audited: true });
    world.same("made", [policy.firewall_rules, policy.audited, policy.shared], [[b.id, a.id], true, false]);
    const at = `${POLICIES}/${policy.id}`;
    const audited = async () => (await show(world, at)).audited;
    world.same("rule's policies", (await show(world, `${RULES}/${a.id}`)).firewall_policy_id, [policy.id]);
    await change(world, at, { description: "d" });
    world.same("audited after any change", await audited(), false);
    await change(world, at, { audited: true });
    await change(world, `${RULES}/${a.id}`, { description: "d" });
    world.same("audited after a change of a rule", await audited(), false);
    await change(world, at, { audited: true });
    const insert = (body: unknown) => world.expect(200, "PUT", url(world, `/${at}/insert_rule`), { json: body });
    const inserted = await insert({ firewall_rule_id: c.id, insert_after: b.id });
    world.same("inserted", [inserted.json?.firewall_rules, inserted.json?.audited], [[b.id, c.id, a.id], false]);
    await refused(world, [409, "FirewallRuleAlreadyAssociated"], "PUT", `${at}/insert_rule`, { firewall_rule_id: c.id });
    const removed = await world.expect(200, "PUT", url(world, `/${at}/remove_rule`), { json: { firewall_rule_id: b.id } });
    world.same("removed", removed.json?.firewall_rules, [c.id, a.id]);
    world.same("at the top", (await insert({ firewall_rule_id: b.id })).json?.firewall_rules, [b.id, c.id, a.id]);
    await refused(world, [400, "FirewallRuleInfoMissing"], "PUT", `${at}/insert_rule`, {});
    await refused(world, [404, "FirewallRuleNotFound"], "PUT", `${at}/insert_rule`, { firewall_rule_id: ABSENT });
    await refused(world, [404, "FirewallRuleNotFound"], "POST", POLICIES, { firewall_policy: { firewall_rules: [ABSENT] } });
    await refused(world, [409, "FirewallRuleInUse", `Firewall rule ${a.id} is being used.`], "DELETE", `${RULES}/${a.id}`);
    const both = await change(world, at, { firewall_rules: [a.id], audited: true });
    world.same("both at once", [both.firewall_rules, both.audited], [[a.id], true]);
    await refused(world, [400, "FirewallRuleNotAssociatedWithPolicy"], "PUT", `${at}/remove_rule`, { firewall_rule_id: b.id });
    for (const name of ["default ingress", "default egress"])
      await refused(world, [409, "FirewallDefaultParameterExists"], "POST", POLICIES, { firewall_policy: { name } });
    const group = await make(world, GROUPS, { ingress_firewall_policy_id: policy.id });
    await refused(world, [409, "FirewallPolicyInUse", `Firewall policy ${policy.id} is being used.`], "DELETE", at);
    await drop(world, `${GROUPS}/${group.id}`);
    await drop(world, at);
    await drop(world, `${RULES}/${a.id}`);
  }),
  check("the group default, its policies and rules", async (world) => {
    const group = await defaultGroup(world);
    world.same(
      "state",
      [group.description, group.status, group.admin_state_up, group.ports],
      [...["Default firewall group", "INACTIVE"], ...[true, []]],
    );
    const policies = await listOf(world, POLICIES);
    world.same("policies", policies.map(({ name }) => name).sort(), ["default egress", "default ingress"]);
    const rules = await listOf(world, RULES);
    world.same("rules", rules.map(({ name, action }) => `${name}: ${action}`).sort(), [
      "default egress ipv4: allow",
      "default egress ipv6: allow",
      "default ingress ipv4: deny",
      "default ingress ipv6: deny",
    ]);
    const [at, ingress] = [`${GROUPS}/${group.id}`, policies.find(({ name }) => name === "default ingress")];
    await refused(world, [409, "FirewallDefaultParameterExists"], "POST", GROUPS, { firewall_group: { name: "default" } });
    await refused(world, [409, "FirewallGroupCannotRemoveDefault"], "DELETE", at);
    for (const changes of [{ name: "x" }, { description: "x" }, { admin_state_up: false }, { egress_firewall_policy_id: null }])
      await refused(world, [409, "FirewallDefaultObjectUpdateRestricted"], "PUT", at, { firewall_group: changes });
    await refused(world, [409, "FirewallDefaultObjectUpdateRestricted"], "PUT", at, { firewall_group: { name: "x" } }, "admin");
    await change(world, at, { description: "x" }, "admin");
    await refused(world, [409, "FirewallDefaultObjectUpdateRestricted"], "PUT", `${POLICIES}/${ingress?.id}`, {
      firewall_policy: { description: "x" },
    });
    // What a member may: change the rules, put others in, take these out.
    const [first] = (ingress?.firewall_rules ?? []) as string[];
    world.same("a rule of it", (await change(world, `${RULES}/${first}`, { action: "allow" })).action, "allow");
    const rule = await make(world, RULES, { name: "fake-rule" });
    await world.expect(200, "PUT", url(world, `/${POLICIES}/${ingress?.id}/insert_rule`), {
      json: { firewall_rule_id: rule.id },
    });
    await world.expect(200, "PUT", url(world, `/${POLICIES}/${ingress?.id}/remove_rule`), { json: { firewall_rule_id: first } });
    const shown = await show(world, `${POLICIES}/${ingress?.id}`);
    world.same("in its place", [(shown.firewall_rules as string[])[0], (shown.firewall_rules as string[]).length], [rule.id, 2]);
  }),
  check("groups and their ports", async (world) => {
    const rule = await make(world, RULES, { protocol: "tcp", action: "allow" });
    const policy = await make(world, POLICIES, { firewall_rules: [rule.id] });
    const { network } = await networkWithSubnet(world, 74);
    const loose = await make(world, "ports", { network_id: network });
    const port = await routerPort(world, 73);
    const group = await make(world, GROUPS, { name: "fake-group", ingress_firewall_policy_id: policy.id });
    world.same("without ports", [group.status, group.ports, group.shared, group.admin_state_up], ["INACTIVE", [], false, true]);
    const at = `${GROUPS}/${group.id}`;
    const refuse = (wanted: [number, string, string?], fields: Record<string, unknown>) =>
      refused(world, wanted, "POST", GROUPS, { firewall_group: fields });
    await refuse([409, "FirewallGroupPortInvalid", `Port ${loose.id} of firewall group is invalid.`], { ports: [loose.id] });
    await refuse([404, "PortNotFound"], { ports: [ABSENT] });
    await refuse([404, "FirewallPolicyNotFound"], { egress_firewall_policy_id: ABSENT });
    await refuse([403, "PolicyNotAuthorized"], { shared: true });
    await change(world, at, { ports: [port] });
    world.same("with a port", await untilSettled(world, at), "ACTIVE");
    world.same(
      "by port",
      (await listOf(world, `${GROUPS}?ports=${port}`)).map(({ id }) => id),
      [group.id],
    );
    await refuse([409, "FirewallGroupPortInUse", port], { ports: [port] });
    await refused(world, [409, "FirewallGroupInUse", `Firewall group ${group.id} is still active.`], "DELETE", at);
    await change(world, `${POLICIES}/${policy.id}`, { audited: true });
    await untilSettled(world, at);
    await change(world, `${RULES}/${rule.id}`, { action: "deny" });
    await untilSettled(world, at);
    world.same("audited", (await show(world, `${POLICIES}/${policy.id}`)).audited, false);
    await change(world, at, { ports: [] });
    world.same("without its port", await untilSettled(world, at), "INACTIVE");
    await drop(world, at);
    await refused(world, [404, "FirewallGroupNotFound"], "GET", at);
  }),
  check("what others share", async (world) => {
    const rule = await make(world, RULES, { name: "fake-theirs", shared: true }, "admin");
    const hidden = await make(world, RULES, { name: "fake-hidden" }, "admin");
    world.same("seen", (await show(world, `${RULES}/${rule.id}`)).shared, true);
    await refused(world, [404, "FirewallRuleNotFound"], "GET", `${RULES}/${hidden.id}`);
    await refused(world, [403, "PolicyNotAuthorized"], "PUT", `${RULES}/${rule.id}`, { firewall_rule: { name: "x" } });
    await refused(
      world,
      [404, "FirewallRuleSharingConflict"],
      "POST",
      POLICIES,
      {
        firewall_policy: { shared: true, firewall_rules: [hidden.id] },
      },
      "admin",
    );
    const policy = await make(world, POLICIES, { firewall_rules: [rule.id] });
    world.same("used", policy.firewall_rules, [rule.id]);
    await drop(world, `${POLICIES}/${policy.id}`);
  }),
];
