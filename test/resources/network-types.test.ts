/**
 * What hangs on networks, routers and ports, between two projects: every field there, compared in the fake's own state, and taken away again;
 * what a member, a cloud without an extension, and a lost call make of it.
 */

import type { PlanResult } from "@permafrost/model";
import { afterEach, describe, expect, it } from "vitest";
import { applied, mismatches, planned, problemsOf, type Run, restorePoint, undone } from "./both-ways.ts";
import { ALL_TYPES, seedServices, seedSmallServices } from "./network-services-tenant.ts";
import { picture } from "./network-tenant.ts";
import { TwoProjects } from "./two-projects.ts";

const SLOW = { timeout: 300_000 };
const ATTEMPTS_MAX = 4;
/** Every so many of a restore's changing calls is lost. */
const LOST_EVERY = 6;
/** Of the standing security group, which every project has. */
const STANDING = /^security_group(_rule of security_group)? default:/;
let projects: TwoProjects;

afterEach(async () => await projects?.close());

/** The source's user is an administrator; `roles` are the target user's beside member. The id is that of a project shared with. */
async function start(seed: typeof seedServices, roles: readonly string[] = ["admin"]): Promise<string> {
  projects = await TwoProjects.start({}, ["admin"], roles);
  const otherId = projects.fake.seed.tenant("other").project.id;
  seed(projects, otherId);
  return otherId;
}

/** What the project has, without the addresses outside, of which no two projects have the same. */
function view(projectId: string): string[] {
  return picture(projects, projectId)
    .map((text) => text.replace(/"floating_ip_address":"[^"]*",?/, ""))
    .sort();
}

describe("an administrator", () => {
  it("gets every field of every type back, verified, and undone to nothing", SLOW, async () => {
    await start(seedServices);
    const { fake, sourceId, targetId } = projects;
    const points = await restorePoint(projects, ALL_TYPES);
    expect([...new Set(points.map((r) => r.type))].sort()).toEqual([...ALL_TYPES].sort());
    const mark = fake.journal.mark();
    const plan = await planned(projects, points);
    // The source has its addresses still.
    const elsewhere = (problem: string) => /gateway gets another address|gets another address than 172\.24\./.test(problem);
    expect(problemsOf(plan).filter((problem) => !elsewhere(problem))).toEqual([]);
    expect(problemsOf(plan).filter((problem) => problem.startsWith("neutron.floating-ip"))).toHaveLength(4);
    const restored = await applied(projects, plan);
    expect(view(targetId)).toEqual(view(sourceId));
    expect(await mismatches(projects, restored)).toEqual([]);
    await undone(projects, restored);
    expect(view(targetId).filter((text) => !STANDING.test(text))).toEqual([]);
    for (const kind of [
      "floatingip",
      "port_forwarding",
      "trunk",
      "local_ip",
      "rbac_policy",
      "metering_label",
      "log",
      "qos_policy",
    ]) {
      expect(fake.journal.leaked(kind, mark)).toEqual([]);
      expect(fake.journal.foreignDeleted(kind, mark)).toEqual([]);
    }
  });

  it("is told of each difference", SLOW, async () => {
    await start(seedSmallServices);
    const restored = await applied(projects, await planned(projects, await restorePoint(projects, ALL_TYPES)));
    expect(await mismatches(projects, restored)).toEqual([]);
    const net = projects.fake.network;
    const own = (kind: string) => net.all(kind).filter((row) => row.projectId === projects.targetId);
    for (const kind of ["dscp_marking_rule", "conntrack_helper", "metering_label_rule", "port_association", "port_forwarding"])
      for (const row of own(kind)) net.remove(row);
    for (const row of own("trunk")) row.fields.sub_ports = [];
    for (const row of own("log")) row.fields.enabled = false;
    for (const row of own("floatingip").filter(({ fields }) => fields.port_id !== null))
      Object.assign(row.fields, { port_id: null, fixed_ip_address: null });
    const found = await mismatches(projects, restored);
    const told = new Set(found.map((text) => text.replace(/^neutron\.(\S+) .*?: (\w+): .*$/, "$1 $2")));
    expect([...told].sort()).toEqual([
      "floating-ip fixed_ip_address",
      "floating-ip port_forwardings",
      "floating-ip port_id",
      "local-ip port_associations",
      "log enabled",
      "metering-label rules",
      "qos-policy rules",
      "router conntrack_helpers",
      "trunk sub_ports",
    ]);
  });
});

describe("what the target does not allow", () => {
  const fates = (plan: PlanResult, type: string) =>
    plan.resources.filter((r) => r.type === `neutron.${type}`).map((r) => `${r.action}: ${r.actionReason}`);

  it("a member makes what a member may, and the plan says why not the rest", SLOW, async () => {
    const otherId = await start(seedSmallServices, []);
    const points = await restorePoint(projects, ALL_TYPES);
    const plan = await planned(projects, points);
    const manager = "cannot be made: it needs the role manager or admin";
    expect(fates(plan, "qos-policy")).toEqual([`conflict: a QoS policy ${manager}`]);
    expect(fates(plan, "metering-label")).toEqual([`conflict: a metering label ${manager}`]);
    expect(fates(plan, "log")).toEqual([`conflict: a network log ${manager}`]);
    expect(fates(plan, "rbac-policy")[0]).toMatch(/^conflict: the target has no project .*map it with --map project:/);
    expect(problemsOf(plan).filter((p) => p.includes("choosing an address needs the role manager or admin"))).toHaveLength(2);
    const restored = await applied(projects, plan);
    expect(restored.made.filter((r) => !["conflict", "skip"].includes(r.action ?? "")).length).toBeGreaterThan(8);
    expect(await mismatches(projects, restored)).toEqual([]);
    await undone(projects, restored);
    expect(view(projects.targetId).filter((text) => !STANDING.test(text))).toEqual([]);
    const mapped = await planned(projects, points, { maps: { project: { [otherId]: otherId } } });
    expect(fates(mapped, "rbac-policy")[0]).toMatch(/^create/);
  });

  it("a manager makes them all but the sharing with a project that is not seen", SLOW, async () => {
    await start(seedSmallServices, ["manager"]);
    const plan = await planned(projects, await restorePoint(projects, ALL_TYPES));
    expect(plan.resources.filter((r) => r.action === "conflict").map((r) => r.type)).toEqual(["neutron.rbac-policy"]);
    const restored = await applied(projects, plan);
    expect(await mismatches(projects, restored)).toEqual([]);
    expect(view(projects.targetId).filter((text) => /^(policy|log|metering_label) /.test(text))).toHaveLength(3);
    await undone(projects, restored);
  });

  it.each([
    ["qos", "qos-policy"],
    ["trunk", "trunk"],
    ["metering", "metering-label"],
    ["logging", "log"],
    ["local_ip", "local-ip"],
    ["rbac-policies", "rbac-policy"],
  ])("a cloud without the extension %s goes without %s", SLOW, async (alias, type) => {
    await start(seedSmallServices);
    const points = await restorePoint(projects, ALL_TYPES);
    projects.fake.network.withoutExtensions.add(alias);
    const plan = await planned(projects, points);
    expect(fates(plan, type)).toEqual([`conflict: the target has no extension ${alias}`]);
    expect(plan.resources.filter((r) => r.action === "conflict")).toHaveLength(1);
    const restored = await applied(projects, plan);
    expect(await mismatches(projects, restored)).toEqual([]);
    await undone(projects, restored);
  });
});

it("a floating IP that is the project's and free is used again, and given back by undo", SLOW, async () => {
  await start(seedSmallServices);
  const points = await restorePoint(projects, ALL_TYPES);
  const net = projects.fake.network;
  const ip = net.all("floatingip").find(({ fields }) => fields.description === "to web");
  if (ip === undefined) throw new Error("no floating IP");
  const free = { port_id: null, fixed_ip_address: null, router_id: null, description: "changed" };
  Object.assign(ip.fields, free);
  ip.projectId = projects.targetId;
  const plan = await planned(projects, points);
  const address = String(ip.fields.floating_ip_address);
  const found = plan.resources.find((r) => r.type === "neutron.floating-ip" && r.name === address);
  expect(found).toMatchObject({ action: "update", targetId: ip.id });
  const restored = await applied(projects, plan);
  expect(ip.fields).toMatchObject({ description: "to web", fixed_ip_address: "10.9.0.12" });
  await undone(projects, restored);
  expect(ip.fields).toMatchObject(free);
});

it.each(["before", "after"] as const)("a call lost %s it took effect leaves no duplicate and no gap", SLOW, async (drop) => {
  await start(seedSmallServices);
  const { fake, sourceId, targetId } = projects;
  const plan = await planned(projects, await restorePoint(projects, ALL_TYPES));
  const [wanted, empty] = [view(sourceId), view(targetId)];
  const run: Run = async (sessionId, work) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await projects.run(sessionId, work);
      } catch (error) {
        if (attempt === ATTEMPTS_MAX) throw error;
      }
    }
  };
  let [lost, hits] = [0, 1];
  for (let call = drop === "before" ? 0 : LOST_EVERY / 2; hits > 0; call += LOST_EVERY) {
    const match = { service: "network", when: ({ method }: { method: string }) => method !== "GET" } as const;
    const fault = fake.faults.add({ match, after: call, action: { drop } });
    const restored = await applied(projects, plan, {}, projects.session(), run);
    ({ hits } = fault);
    fault.remove();
    lost += hits;
    expect(view(targetId), `call ${call}`).toEqual(wanted);
    await undone(projects, restored);
    expect(view(targetId), `undo after call ${call}`).toEqual(empty);
  }
  expect(lost).toBeGreaterThan(4);
});
