/** Checks of Nova with Neutron: ports of the user's and of Nova's own, addresses, plugging and unplugging, and what a port becomes. */

import type { Check, World } from "./contract.ts";
import { make, show, url } from "./contract-neutron-ask.ts";
import { ABSENT, compute, nova, refusal } from "./contract-nova.ts";
import { boot, guestImage } from "./contract-nova-servers.ts";

/** Polls until a port has, or no longer has, its server. */
async function untilPort(world: World, portId: string, device: string): Promise<Record<string, unknown> | undefined> {
  const isReal = world.login.authUrl.includes(":5000");
  for (let tries = 0; tries < 400; tries++) {
    const { json } = await world.ask("GET", url(world, `/ports/${portId}`));
    if (json?.port === undefined || json.port.device_id === device) return json?.port;
    await new Promise<void>((resolve) => setTimeout(resolve, isReal ? 300 : 1));
    await world.ask("GET", nova(world, "/servers"));
  }
  world.problems.push(`port ${portId} never had device ${device}`);
  return undefined;
}

export const novaNetworkChecks: readonly Check[] = [
  {
    name: "nova: networks of a server",
    async run(world) {
      const imageRef = await guestImage(world);
      const one = await make(world, "networks", { name: "contract-one" });
      const two = await make(world, "networks", { name: "contract-two" });
      for (const [network, cidr] of [
        [one, "10.91.0.0/24"],
        [two, "10.92.0.0/24"],
      ] as const)
        await make(world, "subnets", { network_id: network.id, ip_version: 4, cidr, enable_dhcp: false });
      const group = await make(world, "security-groups", { name: "contract-group" });
      const fixed_ips = [{ ip_address: "10.91.0.50" }];
      const port = await make(world, "ports", { network_id: one.id, fixed_ips, security_groups: [group.id] });
      const later = await make(world, "ports", { network_id: two.id });
      const implicit = await world.expect(409, "POST", nova(world, "/servers"), {
        ...compute("2.36"),
        json: { server: { name: "x", flavorRef: (await anyFlavor(world)) ?? "", imageRef } },
      });
      refusal(
        world,
        "implicit",
        implicit,
        "conflictingRequest",
        "Multiple possible networks found, use a Network ID to be more specific.",
      );
      const server = await boot(world, { imageRef, networks: [{ port: port.id, tag: "first" }, { uuid: two.id }] });
      const path = nova(world, `/servers/${server}`);
      const shown = (await world.expect(200, "GET", path, compute("2.100"))).json?.server;
      world.same("networks", Object.keys(shown?.addresses ?? {}).sort(), ["contract-one", "contract-two"]);
      world.same("address", shown?.addresses?.["contract-one"], [
        { version: 4, addr: "10.91.0.50", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": port.mac_address },
      ]);
      const names = shown?.security_groups?.map((each: { name: string }) => each.name).sort();
      world.same("groups", names, ["contract-group", "default"]);
      const ips = (await world.expect(200, "GET", `${path}/ips/contract-one`)).json;
      world.same("ips", ips, { "contract-one": [{ version: 4, addr: "10.91.0.50" }] });
      const bound = await show(world, `ports/${port.id}`);
      world.same("bound", [bound.device_id, bound.device_owner, bound.status], [server, "compute:nova", "ACTIVE"]);
      const nics = (await world.expect(200, "GET", `${path}/os-interface`, compute("2.70"))).json?.interfaceAttachments;
      const mine = nics?.find((nic: { port_id: string }) => nic.port_id === port.id);
      const novas = nics?.find((nic: { port_id: string }) => nic.port_id !== port.id);
      world.keys("nic", mine, ["net_id", "port_id", "mac_addr", "port_state", "fixed_ips", "tag"]);
      world.same("tags", [mine?.tag, novas?.tag], ["first", null]);
      world.same(
        "nic fields",
        [mine?.net_id, mine?.mac_addr, mine?.fixed_ips?.[0]?.ip_address],
        [one.id, port.mac_address, "10.91.0.50"],
      );
      const used = await world.expect(409, "POST", nova(world, "/servers"), {
        ...compute("2.100"),
        json: { server: { name: "x", flavorRef: await anyFlavor(world), imageRef, networks: [{ port: port.id }] } },
      });
      refusal(world, "port in use", used, "conflictingRequest", `Port ${port.id} is still in use.`);
      const both = { interfaceAttachment: { net_id: one.id, port_id: later.id } };
      const refused = await world.expect(400, "POST", `${path}/os-interface`, { ...compute("2.70"), json: both });
      refusal(world, "both", refused, "badRequest", "Must not input both network_id and port_id");
      const absent = { interfaceAttachment: { port_id: ABSENT } };
      const missing = await world.expect(404, "POST", `${path}/os-interface`, { ...compute("2.70"), json: absent });
      refusal(world, "absent", missing, "itemNotFound", `Port id ${ABSENT} could not be found.`);
      const plug = { interfaceAttachment: { port_id: later.id, tag: "later" } };
      const plugged = await world.expect(200, "POST", `${path}/os-interface`, { ...compute("2.70"), json: plug });
      world.same(
        "plugged",
        [plugged.json?.interfaceAttachment?.port_id, plugged.json?.interfaceAttachment?.tag],
        [later.id, "later"],
      );
      await world.expect(202, "DELETE", `${path}/os-interface/${later.id}`);
      const free = await untilPort(world, later.id, "");
      world.same("unplugged", [free?.device_owner, free?.id], ["", later.id]);
      const gone = await world.expect(404, "GET", `${path}/os-interface/${ABSENT}`);
      refusal(world, "no port", gone, "itemNotFound", `Port id ${ABSENT} could not be found.`);
      await world.expect(204, "DELETE", path);
      await world.until(path, ["404"]);
      const kept = await untilPort(world, port.id, "");
      world.same("port kept", [kept?.device_owner, kept?.id], ["", port.id]);
      await untilPort(world, novas?.port_id, "gone");
      await world.expect(404, "GET", url(world, `/ports/${novas?.port_id}`));
    },
  },
];

async function anyFlavor(world: World): Promise<string> {
  return (await world.ask("GET", nova(world, "/flavors"))).json?.flavors?.find(
    (each: { name: string }) => each.name === "lab.nano",
  )?.id;
}
