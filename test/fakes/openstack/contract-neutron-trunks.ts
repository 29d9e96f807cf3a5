/** Neutron's part of the contract: trunks and their subports. */

import type { Check } from "./contract.ts";
import { ABSENT, change, checkOf, drop, make, networkWithSubnet, refused, show, url } from "./contract-neutron-ask.ts";

export const neutronTrunkChecks: readonly Check[] = [
  checkOf(["trunk", "trunk-details"], "neutron: trunks", async (world) => {
    const { network } = await networkWithSubnet(world, 101);
    const port = async () => (await make(world, "ports", { network_id: network })).id;
    const [parent, first, second] = [await port(), await port(), await port()];
    const sub = (port_id: string, segmentation_id: number) => ({ port_id, segmentation_type: "vlan", segmentation_id });
    const trunk = await make(world, "trunks", { name: "fake-trunk", port_id: parent, sub_ports: [sub(first, 7)] });
    world.same(
      "made",
      [trunk.port_id, trunk.sub_ports, trunk.admin_state_up, trunk.description],
      [parent, [sub(first, 7)], true, ""],
    );
    // ACTIVE at once with OVN; else when an agent has seen the parent's server.
    world.same("status", ["ACTIVE", "DOWN"].includes(String(trunk.status)), true);
    const at = `trunks/${trunk.id}`;
    const shown = await show(world, `ports/${parent}`);
    const details = shown.trunk_details as { trunk_id: string; sub_ports: Record<string, unknown>[] } | undefined;
    world.same("on its port", [details?.trunk_id, details?.sub_ports[0]?.segmentation_id], [trunk.id, 7]);
    const owned = await show(world, `ports/${first}`);
    world.same("the subport's", [owned.device_owner, owned.device_id], ["trunk:subport", ""]);
    const act = (action: string, sub_ports: unknown[]) =>
      world.expect(200, "PUT", url(world, `/${at}/${action}`), { json: { sub_ports } });
    await act("add_subports", [sub(second, 8)]);
    world.same("two", ((await show(world, at)).sub_ports as unknown[]).length, 2);
    const listed = await world.expect(200, "GET", url(world, `/${at}/get_subports`));
    world.same("by themselves", ((listed.json?.sub_ports ?? []) as unknown[]).length, 2);
    const third = await port();
    const refuse = (wanted: [number, string, string?], sub_ports: unknown[]) =>
      refused(world, wanted, "PUT", `${at}/add_subports`, { sub_ports });
    await refuse([409, "DuplicateSubPort", "segmentation_id 8 already in use"], [sub(third, 8)]);
    await refuse([409, "TrunkPortInUse"], [sub(first, 9)]);
    await refuse([409, "ParentPortInUse"], [sub(parent, 9)]);
    await refuse([404, "PortNotFound", ABSENT], [sub(ABSENT, 9)]);
    await refuse([400, "InvalidInput"], [{ port_id: third, segmentation_type: "ring", segmentation_id: 9 }]);
    await refused(world, [409, "ParentPortInUse"], "POST", "trunks", { trunk: { port_id: parent } });
    await refused(world, [409, "TrunkPortInUse"], "POST", "trunks", { trunk: { port_id: first } });
    await refused(world, [409, "PortInUseAsTrunkParent"], "DELETE", `ports/${parent}`);
    await refused(world, [404, "SubPortNotFound"], "PUT", `${at}/remove_subports`, { sub_ports: [{ port_id: third }] });
    await change(world, at, { admin_state_up: false });
    await refused(world, [409, "TrunkDisabled"], "PUT", `${at}/remove_subports`, { sub_ports: [{ port_id: second }] });
    await change(world, at, { admin_state_up: true, name: "fake-renamed" });
    await act("remove_subports", [{ port_id: second }]);
    const freed = await show(world, `ports/${second}`);
    world.same("free again", [freed.device_owner, freed.device_id], ["", ""]);
    await drop(world, at);
    await refused(world, [404, "TrunkNotFound"], "GET", at);
  }),
];
