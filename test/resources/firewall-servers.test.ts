/** Ports of servers in firewall groups: the service puts a new one into `default`, and not every driver takes one. */

import type { Json } from "@permafrost/std";
import { afterEach, expect, it, vi } from "vitest";
import { noise } from "../harness/tenant.ts";
import { mismatches, restoreAll, undoAll } from "./server-tenant.ts";
import { type Backup, TwoProjects } from "./two-projects.ts";

// Each is a whole backup and restore: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const TYPES = ["network", "subnet", "port"].map((name) => `neutron.${name}`);
const ALL = [...TYPES, "nova.flavor", "nova.server", "fwaas.rule", "fwaas.policy", "fwaas.group"];

let two: TwoProjects;
afterEach(async () => await two.close());

/** Server `walled` has its port in the group `wall`, server `plain` has its in `default`. */
async function seeded(): Promise<Backup> {
  two = await TwoProjects.start({ network: { firewall: "agents", dhcpPorts: false } });
  const client = two.cloud("source").service("network");
  const make = async (path: string, one: string, fields: Record<string, Json>) => {
    const json = { [one]: fields };
    const made = await client.json<Record<string, { id: string }>>({ method: "POST", path, json, expect: [201] });
    return made[one]?.id ?? "";
  };
  await groupsOf("source");
  const network_id = await make("/networks", "network", { name: "net" });
  await make("/subnets", "subnet", { network_id, name: "v4", ip_version: 4, cidr: "10.1.0.0/24" });
  const project = two.fake.seed.project("elsewhere").id;
  const image = await two.fake.seed.image({ project, name: "debian", visibility: "public", bytes: noise("os", 20_000) });
  const ids: string[] = [];
  for (const name of ["walled", "plain"]) {
    const port = await make("/ports", "port", { network_id, name: `port-${name}` });
    ids.push(port);
    two.fake.seed.server({ project: two.sourceId, name, imageId: image.id, ports: [port] });
  }
  const standing = two.fake.network.all("firewall_group").find((row) => row.projectId === two.sourceId);
  if (standing !== undefined) Object.assign(standing.fields, { ports: [ids[1] ?? ""], status: "ACTIVE" });
  await make("/fwaas/firewall_groups", "firewall_group", { name: "wall", ports: [ids[0] ?? ""] });
  return await two.backup(ALL);
}

/** The names of the ports by the name of their group; asking makes the project's own. */
async function groupsOf(name: "source" | "target"): Promise<Record<string, string[]>> {
  const path = "/fwaas/firewall_groups";
  const body = await two
    .cloud(name)
    .service("network")
    .json<{ firewall_groups: { name: string; ports: string[] }[] }>({
      method: "GET",
      path,
      expect: [200],
    });
  const named = (id: string) => String(two.fake.network.rows.get(id)?.fields.name);
  return Object.fromEntries(body.firewall_groups.map((group) => [group.name, group.ports.map(named).sort()]));
}

it("brings each port into its group, out of the one where the service had put it", async () => {
  const backup = await seeded();
  const restoration = await restoreAll(two, backup);
  expect(await groupsOf("target")).toEqual({ wall: ["port-walled"], default: ["port-plain"] });
  expect(await mismatches(two, restoration)).toEqual([]);
  await undoAll(two, restoration);
  expect(await groupsOf("target")).toEqual({ default: [] });
});

it("leaves out the ports that the target's driver does not take, and keeps what the target has in default", async () => {
  const backup = await seeded();
  two.fake.network.firewall = "ovn";
  const restoration = await restoreAll(two, backup);
  expect(await groupsOf("target")).toEqual({ wall: [], default: [] });
  const told = expect.stringMatching(/^(wall|default): ports: expected \["\S+"\], found \[\]$/);
  expect(await mismatches(two, restoration)).toEqual([told, told]);
});
