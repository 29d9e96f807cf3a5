/** A server's ports: restored first, given to it in order and with their tags, and its own again when it is taken back. */

import { NETWORKS, PORTS, SUBNETS } from "@permafrost/openstack";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { noise } from "../harness/tenant.ts";
import { mismatches, restoreAll, undoAll } from "./server-tenant.ts";
import { TwoProjects } from "./two-projects.ts";

// Each is a whole backup and restore: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let two: TwoProjects;
beforeEach(async () => {
  two = await TwoProjects.start();
});
afterEach(async () => await two.close());

it("gives a server its ports, in order and tagged, and leaves them when it goes", async () => {
  const cloud = two.cloud("source");
  const ports: string[] = [];
  for (const [index, name] of ["inner", "outer"].entries()) {
    const network = await cloud.collection(NETWORKS).create({ name: `net-${name}` });
    const subnet = { network_id: network.id ?? "", name: `subnet-${name}`, ip_version: 4, cidr: `10.${index + 1}.0.0/24` };
    const { id } = await cloud.collection(SUBNETS).create(subnet);
    const fixed_ips = [{ subnet_id: id ?? "", ip_address: `10.${index + 1}.0.77` }];
    const port = await cloud.collection(PORTS).create({ network_id: network.id ?? "", name: `port-${name}`, fixed_ips });
    ports.push(String(port.id));
  }
  const project = two.fake.seed.project("elsewhere").id;
  const image = await two.fake.seed.image({ project, name: "debian", visibility: "public", bytes: noise("os", 20_000) });
  const [inner = "", outer = ""] = ports;
  const seeded = [outer, { id: inner, tag: "management" }];
  two.fake.seed.server({ project: two.sourceId, name: "wired", imageId: image.id, ports: seeded });

  const backup = await two.backup(["neutron.network", "neutron.subnet", "neutron.port", "nova.flavor", "nova.server"]);
  const restoration = await restoreAll(two, backup);
  expect(restoration.planned.filter((r) => r.action === "conflict")).toEqual([]);
  expect(await mismatches(two, restoration)).toEqual([]);
  const [server] = two.fake.read.servers(two.targetId);
  const names = new Map<string, string>();
  for await (const port of two.cloud("target").collection(PORTS).list()) names.set(String(port.id), String(port.name));
  expect(server?.ports.map((p) => [names.get(p.id), p.tag, p.ours])).toEqual([
    ["port-outer", null, false],
    ["port-inner", "management", false],
  ]);
  await undoAll(two, restoration);
  expect(two.fake.read.servers(two.targetId)).toEqual([]);
});
