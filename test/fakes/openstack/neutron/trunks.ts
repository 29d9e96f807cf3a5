/** Trunks: a parent port and the subports that it carries. */

import { attribute, type Fields, maxText } from "./attributes.ts";
import { badRequest, invalidInput, refuse } from "./error.ts";
import { type Action, type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { toBoolean, uuid } from "./validators.ts";

export const TRUNK: Kind = {
  name: "trunk",
  collection: "trunks",
  path: "trunks",
  extension: "trunk",
  journal: "trunk",
  quota: "trunk",
  standard: true,
  tagged: true,
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    admin_state_up: attribute("cufs", { default: true, convert: toBoolean }),
    port_id: attribute("cfs", { validate: uuid }),
    status: attribute("fs"),
    sub_ports: attribute("c", { default: [], validate: subports }),
  },
  missing: missing("TrunkNotFound", "Trunk %s could not be found."),
  create: (ask, fields, projectId) => {
    const { net } = ask;
    const port = net.need("port", fields.port_id);
    if (isSubport(net, port.id)) refuse(409, "TrunkPortInUse", `Port ${port.id} is in use by another trunk.`);
    if (net.all("trunk").some((trunk) => trunk.fields.port_id === port.id) || port.fields["binding:host_id"] !== "")
      refuse(409, "ParentPortInUse", `Port ${port.id} is currently in use and is not eligible for use as a parent port.`);
    const asked = (fields.sub_ports ?? []) as Fields[];
    const row = net.add("trunk", projectId, { ...fields, sub_ports: [], status: net.dhcpPorts ? "DOWN" : "ACTIVE" });
    try {
      addSubports(net, row, asked);
    } catch (error) {
      net.remove(row);
      throw error;
    }
    ask.created(row);
    return row;
  },
  remove: ({ net, deleted }, row) => {
    const parent = net.find("port", row.fields.port_id);
    if (parent !== undefined && parent.fields["binding:host_id"] !== "")
      refuse(409, "TrunkInUse", `Trunk ${row.id} is currently in use.`);
    for (const sub of row.fields.sub_ports as Fields[]) release(net, sub.port_id);
    net.remove(row);
    deleted(row);
  },
  actions: {
    get_subports: { method: "GET", run: (_ask, row) => ({ sub_ports: row.fields.sub_ports }) },
    add_subports: changing((net, row, asked) => {
      if (row.fields.admin_state_up === false) refuse(409, "TrunkDisabled", `Trunk ${row.id} is currently disabled.`);
      addSubports(net, row, asked);
    }),
    remove_subports: changing((net, row, asked) => {
      if (row.fields.admin_state_up === false) refuse(409, "TrunkDisabled", `Trunk ${row.id} is currently disabled.`);
      for (const { port_id: id } of asked) {
        const have = row.fields.sub_ports as Fields[];
        if (!have.some((sub) => sub.port_id === id))
          refuse(404, "SubPortNotFound", `SubPort ${id} on trunk ${row.id} could not be found.`);
        row.fields.sub_ports = have.filter((sub) => sub.port_id !== id);
        release(net, id);
      }
    }),
  },
};

function subports(value: unknown): string | undefined {
  if (!Array.isArray(value)) return "Invalid data format for subports: is not a list";
  for (const sub of value as Fields[]) {
    if (sub?.port_id === undefined) return "A valid port UUID must be specified";
    const problem = uuid(sub.port_id);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function changing(change: (net: Networking, row: Row, asked: Fields[]) => void): Action {
  return {
    method: "PUT",
    run: ({ net }, row, body) => {
      const asked = body.sub_ports;
      if (!Array.isArray(asked)) badRequest("Unable to find 'sub_ports' in request body");
      const problem = subports(asked);
      if (problem !== undefined) invalidInput(problem);
      change(net, row, asked as Fields[]);
      net.touch(row);
      const { sub_ports, name, status, port_id, description, admin_state_up } = row.fields;
      const owner = { project_id: row.projectId, tenant_id: row.projectId };
      return { id: row.id, name, status, port_id, description, admin_state_up, sub_ports, ...owner, tags: row.tags };
    },
  };
}

function addSubports(net: Networking, row: Row, asked: readonly Fields[]): void {
  const added: Fields[] = [];
  for (const { port_id: id, segmentation_type: type, segmentation_id: segment } of asked) {
    const port = net.need("port", id);
    if (net.all("trunk").some((trunk) => trunk.fields.port_id === id))
      refuse(409, "ParentPortInUse", `Port ${id} is currently in use and is not eligible for use as a parent port.`);
    if (isSubport(net, String(id)) || added.some((sub) => sub.port_id === id))
      refuse(409, "TrunkPortInUse", `Port ${id} is in use by another trunk.`);
    if (port.fields.device_id !== "")
      refuse(
        409,
        "PortInUse",
        `Unable to complete operation on port ${id} for network ${port.fields.network_id}. Port already has an attached device ${port.fields.device_id}.`,
      );
    const number = Number(segment);
    if (type !== "vlan" || !Number.isInteger(number) || number < 1 || number > 4094)
      invalidInput(type === "vlan" ? `Invalid segmentation id ${segment}` : `Unknown segmentation type ${type}`);
    const have = [...(row.fields.sub_ports as Fields[]), ...added];
    if (have.some((sub) => sub.segmentation_id === number))
      refuse(
        409,
        "DuplicateSubPort",
        `segmentation_type ${type} and segmentation_id ${number} already in use on trunk ${row.id}.`,
      );
    added.push({ port_id: id, segmentation_type: type, segmentation_id: number });
  }
  row.fields.sub_ports = [...(row.fields.sub_ports as Fields[]), ...added];
  for (const { port_id: id } of added) net.need("port", id).fields.device_owner = "trunk:subport";
}

function release(net: Networking, id: unknown): void {
  const port = net.find("port", id);
  if (port !== undefined) Object.assign(port.fields, { device_owner: "", device_id: "" });
}

function isSubport(net: Networking, id: string): boolean {
  return net.all("trunk").some((trunk) => (trunk.fields.sub_ports as Fields[]).some((sub) => sub.port_id === id));
}

/** What a parent port shows of its trunk. */
export function trunkDetails(net: Networking, portId: string): Fields | undefined {
  const trunk = net.all("trunk").find((each) => each.fields.port_id === portId);
  if (trunk === undefined) return undefined;
  const subs = (trunk.fields.sub_ports as Fields[]).map((sub) => ({
    ...sub,
    mac_address: net.find("port", sub.port_id)?.fields.mac_address,
  }));
  return { trunk_id: trunk.id, sub_ports: subs };
}
