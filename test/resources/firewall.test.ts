/**
 * FWaaS v2 between projects: rules, policies in their order and audited, groups on router interfaces; the group `default` with its policies and
 * rules, which are there already; a target that lacks the extension or has the names; a death at any call.
 */

import { CodedError } from "@permafrost/std";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import {
  askOf,
  changeDefaults,
  FIREWALL,
  FIREWALL_TYPES,
  type FirewallTenant,
  seedFirewall,
  shapeOf,
} from "./firewall-tenant.ts";
import { fatesOf, WholeRestores } from "./whole-restores.ts";

const KILLS_MS = 300_000;
const JOURNAL = ["firewall-rule", "firewall-policy", "firewall-group", "router"];

let ways: WholeRestores;
let number = 0;
let source = "";
let target = "";
let tenant: FirewallTenant;

beforeAll(async () => {
  ways = await WholeRestores.start({ network: { dhcpPorts: false, firewall: "agents" } });
});
afterAll(async () => await ways?.close());

beforeEach(async () => {
  [source, target] = [`source${++number}`, `target${number}`];
  ways.project(source);
  ways.project(target);
  tenant = await seedFirewall(ways, source);
});

const ownOf = (project: string, kind: string, name: string) => {
  const id = ways.fake.read.project(project)?.id;
  return ways.fake.network.all(kind).find((row) => row.projectId === id && row.fields.name === name);
};

/** As the service makes it for a project. */
async function untouched(): Promise<string[]> {
  const name = `fresh${number}`;
  ways.project(name);
  await ways.backup(name, FIREWALL);
  return shapeOf(ways, name);
}

it("comes back with every field, in order and audited, the service's own changed to what was captured; and is taken back", async () => {
  await changeDefaults(tenant);
  const backup = await ways.backup(source, FIREWALL_TYPES);
  const mark = ways.fake.journal.mark();
  const restored = await ways.restore(target, backup);
  expect([restored.left, restored.warnings]).toEqual([[], []]);
  expect(shapeOf(ways, target)).toEqual(shapeOf(ways, source));
  expect(ownOf(target, "firewall_policy", "inward")?.fields.audited).toBe(true);
  expect(await ways.verify(restored)).toEqual([]);
  const actions = restored.plan.resources.filter((r) => r.name.startsWith("default")).map((r) => r.action);
  expect([actions.length, new Set(actions)]).toEqual([7, new Set(["update"])]);
  await ways.undo(restored);
  expect(shapeOf(ways, target)).toEqual(await untouched());
  expect(JOURNAL.map((kind) => [kind, ways.fake.journal.leaked(kind, mark)])).toEqual(JOURNAL.map((kind) => [kind, []]));
});

it("tells each difference that somebody makes afterwards", async () => {
  const restored = await ways.restore(target, await ways.backup(source, FIREWALL_TYPES));
  const { change } = askOf(await ways.cloud(target));
  const set = (kind: string, name: string, fields: Record<string, unknown>) =>
    Object.assign(ownOf(target, kind, name)?.fields ?? {}, fields);
  set("firewall_rule", "any", { protocol: "sctp" });
  set("firewall_rule", "default egress ipv4", { action: "reject" });
  const rules = ownOf(target, "firewall_policy", "inward")?.fields.firewall_rules as string[];
  set("firewall_policy", "inward", { firewall_rules: rules.toReversed() });
  await change(`/fwaas/firewall_policies/${ownOf(target, "firewall_policy", "default egress")?.id}/remove_rule`, {
    firewall_rule_id: ownOf(target, "firewall_rule", "default egress ipv4")?.id,
  });
  set("firewall_group", "wall", { ports: [] });
  expect((await ways.verify(restored)).map((m) => m.replace(/: expected.*/, "")).sort()).toEqual([
    "fwaas.group wall: ports",
    "fwaas.policy default egress: firewall_rules",
    "fwaas.policy inward: firewall_rules",
    "fwaas.rule any: protocol",
    "fwaas.rule default egress ipv4: action",
  ]);
});

it("an administrator gets what is shared, and the rest of the group default", async () => {
  const [from, to] = [`admin-${source}`, `admin-${target}`];
  for (const name of [from, to]) ways.project(name, ["member", "admin"]);
  const own = await seedFirewall(ways, from);
  for (const [kind, name] of [
    ["rule", "any"],
    ["group", "wall"],
  ] as const)
    Object.assign(ownOf(from, `firewall_${kind}`, name)?.fields ?? {}, { shared: true });
  const inward = ownOf(from, "firewall_policy", "inward")?.id;
  await own.change(`/fwaas/firewall_groups/${own.defaults.group}`, {
    firewall_group: {
      description: "mine",
      admin_state_up: false,
      ingress_firewall_policy_id: inward,
      egress_firewall_policy_id: null,
    },
  });
  await ways.backup(to, FIREWALL);
  const before = shapeOf(ways, to);
  const backup = await ways.backup(from, FIREWALL_TYPES);
  const restored = await ways.restore(to, backup);
  expect(shapeOf(ways, to)).toEqual(shapeOf(ways, from));
  expect(await ways.verify(restored)).toEqual([]);
  await ways.undo(restored);
  expect(shapeOf(ways, to)).toEqual(before);
  const asMember = await ways.plan(target, backup);
  const told = asMember.resources.filter((r) => (r.warnings ?? []).length > 0);
  const needs = "is not restored: it needs the role admin";
  expect(Object.fromEntries(told.map((r) => [`${r.type} ${r.name}`, r.warnings]))).toEqual({
    "fwaas.rule any": [`shared (true) ${needs}`],
    "fwaas.group wall": [`shared (true) ${needs}`],
    "fwaas.group default": ["description", "admin_state_up", "ingress_firewall_policy_id", "egress_firewall_policy_id"].map(
      (name) => `${name} of the group default ${needs}`,
    ),
  });
  const member = await ways.apply(target, asMember);
  expect(await ways.verify(member)).toEqual([]);
});

it("a target that lacks the extension, one that keeps its own, one that has the names", async () => {
  const backup = await ways.backup(source, FIREWALL_TYPES);
  ways.fake.network.withoutExtensions.add("fwaas_v2");
  const without = await ways.plan(target, backup).finally(() => ways.fake.network.withoutExtensions.delete("fwaas_v2"));
  const reasons = without.resources.filter((r) => r.type.startsWith("fwaas.")).map((r) => r.actionReason);
  expect([reasons.length, new Set(reasons)]).toEqual([13, new Set(["the target has no extension fwaas_v2"])]);
  await ways.restore(target, backup);
  const actions = async (onConflict: "skip" | "fail" | "reuse" | "rename") => {
    const plan = await ways.plan(target, backup, { onConflict });
    const of = (name: string) => plan.resources.find((r) => r.type.startsWith("fwaas.") && r.name === name)?.action;
    return ["any", "inward", "wall", "default", "default ingress", "default ingress ipv4"].map(of);
  };
  const changed = ["update", "update", "update"];
  expect(await actions("skip")).toEqual(["skip", "skip", "skip", "skip", "skip", "skip"]);
  expect(await actions("fail")).toEqual(["conflict", "conflict", "conflict", ...changed]);
  expect(await actions("reuse")).toEqual(["reuse", "reuse", "reuse", ...changed]);
  expect(await actions("rename")).toEqual(["create", "create", "create", ...changed]);
});

/** The firewall alone, into the network that the project has already. */
function mapsInto(project: string): { readonly maps: Record<string, Record<string, string>> } {
  const id = ways.fake.read.project(project)?.id;
  const own = (kind: string) => ways.fake.network.all(kind).find((row) => row.projectId === id)?.id ?? "";
  return { maps: { "neutron.subnet": { "*": own("subnet") }, "neutron.router": { "*": own("router") } } };
}

it("a rule that only has the name of the service's is made, and a port of another group is left to it", async () => {
  await tenant.make("fwaas/firewall_rules", { name: "default ingress ipv4", action: "reject" });
  const { make, routerPort: port } = await seedFirewall(ways, target);
  Object.assign(ownOf(target, "firewall_group", "wall")?.fields ?? {}, { ports: [], name: "another wall" });
  await make("fwaas/firewall_groups", { name: "theirs", ports: [port] });
  const restored = await ways.restore(target, await ways.backup(source, FIREWALL), mapsInto(target));
  expect(restored.warnings).toEqual([
    expect.stringMatching(/^fwaas.group wall: port \S+ is not in the firewall group: Port\(s\) .* already associated/),
  ]);
  expect(ownOf(target, "firewall_group", "theirs")?.fields.ports).toEqual([port]);
  const named = (project: string) => shapeOf(ways, project).filter((row) => row.includes('"name":"default ingress ipv4"'));
  expect(named(target)).toEqual(named(source));
  expect(named(target).length).toBe(2);
});

it(
  "a restore's worker dies at any change: the next one makes nothing twice, and it is taken back to nothing",
  async () => {
    await changeDefaults(tenant);
    const backup = await ways.backup(source, FIREWALL_TYPES);
    const [wanted, fresh] = [shapeOf(ways, source), await untouched()];
    const [net, fwaas] = [true, false].map((isNet) => backup.filter((r) => r.type.startsWith("neutron.") === isNet));
    await ways.restore(target, net ?? []);
    const whole = await ways.restore(target, fwaas ?? [], mapsInto(target));
    expect(shapeOf(ways, target)).toEqual(wanted);
    await ways.undo(whole);
    const failures: string[] = [];
    let fates = 0;
    for (const fate of fatesOf(whole)) {
      const call = whole.calls[fate.call] ?? "";
      // A death before a call is one after the call before it.
      if (!/^(POST|PUT|DELETE)/.test(call) || call.endsWith("identity") || fate.death === "before") continue;
      fates++;
      try {
        const restored = await ways.restore(target, fwaas ?? [], mapsInto(target), fate);
        expect(shapeOf(ways, target)).toEqual(wanted);
        await ways.undo(restored);
        expect(shapeOf(ways, target)).toEqual(fresh);
      } catch (error) {
        failures.push(`${fate.call} ${fate.death} (${call}): ${CodedError.from(error).message.slice(0, 300)}`);
      }
    }
    expect(failures).toEqual([]);
    expect(fates).toBeGreaterThan(40);
  },
  KILLS_MS,
);
