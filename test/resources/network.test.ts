/** Every core Neutron type between two projects: there, back, field by field in the fake's own state, and taken away again. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applied, mismatches, planned, problemsOf, type Restored, restorePoint, undone } from "./both-ways.ts";
import { CORE_TYPES, picture, seedTenant } from "./network-tenant.ts";
import { TwoProjects } from "./two-projects.ts";

describe.each([
  ["a member", []],
  ["an administrator", ["admin"]],
] as const)("restored by %s", (_who, roles) => {
  let projects: TwoProjects;
  let restored: Restored;
  beforeAll(async () => {
    projects = await TwoProjects.start({}, roles);
    seedTenant(projects);
  });
  afterAll(async () => await projects?.close());

  it("every type is found, planned without a loss, and applied in the order of its needs", async () => {
    const points = await restorePoint(projects, CORE_TYPES);
    expect([...new Set(points.map((r) => r.type))].sort()).toEqual([...CORE_TYPES].sort());
    const plan = await planned(projects, points);
    expect(problemsOf(plan).filter((p) => !p.includes("gateway gets another address"))).toEqual([]);
    restored = await applied(projects, plan);
    expect(restored.made.map((r) => r.name).sort()).toEqual(points.map((r) => r.name).sort());
  });

  it("every field round-trips", () => {
    expect(picture(projects, projects.targetId)).toEqual(picture(projects, projects.sourceId));
  });

  it("the verification finds no difference, and finds each that is made", async () => {
    expect(await mismatches(projects, restored)).toEqual([]);
    const net = projects.fake.network;
    const row = (type: string, name: string) => {
      const id = restored.made.find((r) => r.type === type && r.name === name)?.targetId;
      return net.rows.get(id ?? "");
    };
    const [network, subnet, port] = [row("neutron.network", "inside"), row("neutron.subnet", "v4"), row("neutron.port", "front")];
    const before = { mtu: network?.fields.mtu, dns: subnet?.fields.dns_nameservers, tags: port?.tags };
    Object.assign(network?.fields ?? {}, { mtu: 1300 });
    Object.assign(subnet?.fields ?? {}, { dns_nameservers: [] });
    Object.assign(port ?? {}, { tags: [] });
    const found = await mismatches(projects, restored);
    expect(found).toEqual([
      expect.stringContaining("neutron.network inside: mtu: expected 1400"),
      expect.stringContaining("neutron.subnet v4: dns_nameservers"),
      expect.stringContaining("neutron.port front: tags"),
    ]);
    Object.assign(network?.fields ?? {}, { mtu: before.mtu });
    Object.assign(subnet?.fields ?? {}, { dns_nameservers: before.dns });
    Object.assign(port ?? {}, { tags: before.tags });
  });

  it("undo leaves nothing but what the project had", async () => {
    await undone(projects, restored);
    const left = picture(projects, projects.targetId);
    expect(left.filter((text) => !/^security_group(_rule of security_group)? default:/.test(text))).toEqual([]);
    expect(left.filter((text) => text.startsWith("security_group_rule"))).toHaveLength(4);
    for (const kind of ["network", "subnet", "port", "router", "security_group"])
      expect(projects.fake.journal.leaked(kind)).toEqual([]);
    for (const kind of ["network", "subnet", "router", "security_group"])
      expect(projects.fake.journal.foreignDeleted(kind)).toEqual([]);
  });
});
