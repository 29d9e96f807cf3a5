/** What is in a network's way in the target: an extension, a role, a quota that is not there, a taken address, a name that is. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seedRow } from "../fakes/openstack/neutron/seed-networks.ts";
import { applied, mismatches, planned, problemsOf, restorePoint, undone } from "./both-ways.ts";
import { picture, seedSmallTenant } from "./network-tenant.ts";
import { TwoProjects } from "./two-projects.ts";

const TYPES = ["neutron.network", "neutron.subnet", "neutron.security-group", "neutron.router", "neutron.port"];
let projects: TwoProjects;

beforeEach(async () => {
  projects = await TwoProjects.start();
  seedSmallTenant(projects);
});
afterEach(async () => await projects?.close());

describe("a target that lacks something", () => {
  it("an extension: the plan says what cannot be made", async () => {
    const net = projects.fake.network;
    seedRow(net, "address_group", projects.sourceId, { name: "offices", addresses: ["192.0.2.0/24"] });
    const points = await restorePoint(projects, [...TYPES, "neutron.address-group"]);
    net.withoutExtensions.add("address-group");
    const target = projects.cloud("target");
    expect((await target.networkExtensions()).has("address-group")).toBe(false);
    const plan = await planned(projects, points);
    expect(problemsOf(plan).filter((p) => p.includes("address-group"))).not.toEqual([]);
  });

  it("a quota: the plan says so before anything is made", async () => {
    projects.fake.network.setQuota(projects.targetId, { router: 0 });
    const plan = await planned(projects, await restorePoint(projects, TYPES));
    expect(plan.problems).toEqual([
      expect.objectContaining({ code: "QUOTA_SHORT", facts: expect.objectContaining({ limit: "router" }) }),
    ]);
  });

  it("an address that somebody else has: the port gets another, and the plan says so", async () => {
    const net = projects.fake.network;
    const network = seedRow(net, "network", projects.targetId, { name: "small" });
    const fields = { network_id: network.id, name: "small", ip_version: 4, cidr: "10.3.0.0/24" };
    const subnet = seedRow(net, "subnet", projects.targetId, fields);
    const admin = [...projects.fake.identities.projects.values()].find((p) => p.name === "admin")?.id ?? "";
    seedRow(net, "port", admin, { network_id: network.id, fixed_ips: [{ subnet_id: subnet.id, ip_address: "10.3.0.50" }] });
    const points = await restorePoint(projects, ["neutron.network", "neutron.subnet", "neutron.port", "neutron.security-group"]);
    const plan = await planned(projects, points, { onConflict: "reuse" });
    expect(problemsOf(plan).filter((p) => p.includes("10.3.0.50 is taken"))).toHaveLength(1);
    const restored = await applied(projects, plan, { onConflict: "reuse" });
    const id = restored.made.find((r) => r.type === "neutron.port")?.targetId;
    const ips = net.find("port", id)?.fields.fixed_ips as { ip_address: string }[];
    expect(ips).toHaveLength(1);
    expect(ips[0]?.ip_address).not.toBe("10.3.0.50");
  });
});

describe("a conflict that is found after who names it was planned", () => {
  it("is left out of that, which is restored all the same", async () => {
    const net = projects.fake.network;
    const group = (name: string) => seedRow(net, "security_group", projects.sourceId, { name }).id;
    const [first, second] = [group("names-the-other"), group("is-there-already")];
    const rule = { direction: "ingress", ethertype: "IPv4", security_group_id: first };
    seedRow(net, "security_group_rule", projects.sourceId, { ...rule, protocol: "tcp", remote_group_id: second });
    seedRow(net, "security_group_rule", projects.sourceId, { ...rule, protocol: "udp", remote_ip_prefix: "10.0.0.0/8" });
    seedRow(net, "security_group", projects.targetId, { name: "is-there-already" });
    const points = await restorePoint(projects, ["neutron.security-group"]);
    const plan = await planned(projects, points, { onConflict: "fail" });
    const naming = plan.resources.find((r) => r.name === "names-the-other");
    expect(plan.resources.find((r) => r.name === "is-there-already")?.action).toBe("conflict");
    expect(naming?.warnings.join()).toContain("neutron.security-group is-there-already cannot be restored");
    const restored = await applied(projects, plan, { onConflict: "fail" });
    const made = restored.made.find((r) => r.name === "names-the-other")?.targetId;
    const rules = net.all("security_group_rule").filter((row) => row.fields.security_group_id === made);
    expect(rules.filter((row) => row.fields.direction === "ingress").map((row) => row.fields.protocol)).toEqual(["udp"]);
  });
});

describe("a network of that name", () => {
  it.each([
    ["create", "create"],
    ["skip", "skip"],
    ["fail", "conflict"],
    ["reuse", "reuse"],
    ["rename", "create"],
  ] as const)("--on-conflict %s: %s", async (onConflict, action) => {
    const there = seedRow(projects.fake.network, "network", projects.targetId, { name: "small" });
    const before = picture(projects, projects.targetId);
    const points = await restorePoint(projects, ["neutron.network"]);
    const plan = await planned(projects, points, { onConflict });
    expect(plan.resources[0]).toMatchObject({ action });
    if (action === "skip" || action === "conflict") return;
    const restored = await applied(projects, plan, { onConflict });
    const names = projects.fake.network.all("network").filter((row) => row.projectId === projects.targetId);
    expect(names).toHaveLength(action === "reuse" ? 1 : 2);
    expect(restored.made[0]?.targetId === there.id).toBe(action === "reuse");
    // What is there and used is as it is.
    if (action !== "reuse") expect(await mismatches(projects, restored)).toEqual([]);
    await undone(projects, restored);
    expect(picture(projects, projects.targetId)).toEqual(before);
  });
});
