/** Metering, logging, local IPs, and what an administrator offers: zones, flavors, service providers. */

import { attribute, type Fields, maxText, UNSET } from "./attributes.ts";
import { badResource, refuse } from "./error.ts";
import { fixedIpsOf } from "./ipam.ts";
import { type Kind, missing } from "./kind.ts";
import type { Networking } from "./networking.ts";
import { addPort, removePort } from "./ports.ts";
import { address, oneOf, orNone, subnet, toBoolean, uuid } from "./validators.ts";

export const METERING_LABEL: Kind = {
  name: "metering_label",
  collection: "metering_labels",
  path: "metering/metering-labels",
  extension: "metering",
  journal: "metering_label",
  without: ["PUT"],
  attributes: {
    name: attribute("cfs", { default: "", validate: maxText(255) }),
    description: attribute("cfs", { default: "", validate: maxText(1024) }),
    shared: attribute("cfs", { default: false, convert: toBoolean }),
  },
  missing: missing("MeteringLabelNotFound", "Metering label '%s' does not exist."),
  remove: ({ net, deleted }, row) => {
    for (const rule of net.all("metering_label_rule"))
      if (rule.fields.metering_label_id === row.id) {
        net.remove(rule);
        deleted(rule);
      }
    net.remove(row);
    deleted(row);
  },
};

const prefix = { default: null, validate: orNone(subnet) };

export const METERING_LABEL_RULE: Kind = {
  name: "metering_label_rule",
  collection: "metering_label_rules",
  path: "metering/metering-label-rules",
  extension: "metering",
  journal: "metering_label_rule",
  without: ["PUT"],
  attributes: {
    metering_label_id: attribute("cfs", { validate: uuid }),
    direction: attribute("cfs", { validate: oneOf("ingress", "egress") }),
    excluded: attribute("cfs", { default: false, convert: toBoolean }),
    remote_ip_prefix: attribute("cfs", prefix),
    source_ip_prefix: attribute("cfs", { ...prefix, extension: "metering_source_and_destination_fields" }),
    destination_ip_prefix: attribute("cfs", { ...prefix, extension: "metering_source_and_destination_fields" }),
  },
  missing: missing("MeteringLabelRuleNotFound", "Metering label rule '%s' does not exist."),
  create: (ask, fields, projectId) => {
    const { net } = ask;
    net.need("metering_label", fields.metering_label_id);
    const prefixes = ["remote_ip_prefix", "source_ip_prefix", "destination_ip_prefix"].map((name) => fields[name] ?? null);
    if (prefixes.every((each) => each === null))
      refuse(
        500,
        "Invalid",
        "You must define at least one of the following parameters 'remote_ip_prefix', or 'source_ip_prefix' or 'destination_ip_prefix'.",
      );
    const same = net
      .all("metering_label_rule")
      .some(
        (each) =>
          each.fields.metering_label_id === fields.metering_label_id &&
          each.fields.direction === fields.direction &&
          fields.remote_ip_prefix !== null &&
          each.fields.remote_ip_prefix === fields.remote_ip_prefix,
      );
    if (same)
      refuse(
        409,
        "MeteringLabelRuleOverlaps",
        `Metering label rule with remote_ip_prefix '${fields.remote_ip_prefix}' overlaps another.`,
      );
    const row = net.add("metering_label_rule", projectId, fields);
    ask.created(row);
    return row;
  },
};

const LOGGED: Readonly<Record<string, string>> = { security_group: "security_group", snat: "router" };

export const LOG: Kind = {
  name: "log",
  collection: "logs",
  path: "log/logs",
  extension: "logging",
  journal: "log",
  standard: true,
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    resource_type: attribute("cfs", { validate: maxText(255) }),
    resource_id: attribute("cfs", { default: null, validate: orNone(uuid) }),
    event: attribute("cfs", { default: "ALL", validate: oneOf("ACCEPT", "DROP", "ALL") }),
    target_id: attribute("cfs", { default: null, validate: orNone(uuid) }),
    enabled: attribute("cufs", { default: true, convert: toBoolean }),
  },
  missing: missing("LogResourceNotFound", "Log resource %s could not be found."),
  create: (ask, fields, projectId) => {
    const { net } = ask;
    const kind = LOGGED[String(fields.resource_type)];
    if (kind === undefined)
      refuse(400, "InvalidLogResourceType", `Invalid input for operation: Invalid log resource_type: ${fields.resource_type}.`);
    if (fields.resource_id !== null && net.find(kind, fields.resource_id) === undefined)
      refuse(404, "ResourceNotFound", `Resource ${fields.resource_id} could not be found.`);
    if (fields.target_id !== null && net.find("port", fields.target_id) === undefined)
      refuse(404, "TargetResourceNotFound", `Target resource ${fields.target_id} could not be found.`);
    const row = net.add("log", projectId, fields);
    ask.created(row);
    return row;
  },
};

export const LOGGABLE: Kind = {
  ...fixed("loggable_resource", "log/loggable-resources", "logging", { type: attribute("") }),
  prepare: ({ net }) => {
    for (const type of Object.keys(LOGGED))
      if (!net.all("loggable_resource").some(({ fields }) => fields.type === type)) net.add("loggable_resource", "", { type });
  },
};

export const LOCAL_IP: Kind = {
  name: "local_ip",
  collection: "local_ips",
  path: "local_ips",
  extension: "local_ip",
  journal: "local_ip",
  standard: true,
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    local_port_id: attribute("cfs", { default: UNSET, validate: uuid }),
    network_id: attribute("cfs", { default: UNSET, validate: uuid }),
    local_ip_address: attribute("cfs", { default: UNSET, validate: orNone(address) }),
    ip_mode: attribute("cfs", { default: "translate", validate: oneOf("translate", "passthrough") }),
  },
  missing: missing("LocalIPNotFound", "Local IP %s could not be found."),
  create: (ask, fields, projectId) => {
    const { net } = ask;
    const has = (name: string) => fields[name] !== UNSET && fields[name] !== null;
    const wanted = has("local_ip_address") ? String(fields.local_ip_address) : undefined;
    if (!has("local_port_id") && !has("network_id"))
      refuse(400, "LocalIPPortOrNetworkRequired", "Either Port ID or Network ID must be specified.");
    const port = has("local_port_id")
      ? net.need("port", fields.local_port_id)
      : addPort(net, {
          networkId: net.need("network", fields.network_id).id,
          projectId,
          owner: "network:local_ip",
          ...(wanted === undefined ? {} : { fixedIps: [{ ip_address: wanted }] }),
        });
    const ips = fixedIpsOf(port).filter((ip) => !ip.ip_address.includes(":"));
    const chosen = wanted === undefined ? ips[0] : ips.find((ip) => ip.ip_address === wanted);
    if (wanted === undefined && ips.length > 1)
      refuse(
        400,
        "LocalIPNoRequestedIP",
        `Specific IP for Local IP must be requested for port ${port.id} as it has multiple IPs.`,
      );
    if (chosen === undefined)
      refuse(
        400,
        wanted === undefined ? "LocalIPNoIP" : "LocalIPRequestedIPNotFound",
        `Requested IP ${wanted ?? ""} for Local IP is not found on port ${port.id}.`,
      );
    const row = net.add("local_ip", projectId, {
      ...fields,
      local_port_id: port.id,
      network_id: port.fields.network_id,
      local_ip_address: chosen.ip_address,
      ownsPort: !has("local_port_id"),
    });
    if (!has("local_port_id")) port.fields.device_id = row.id;
    ask.created(row);
    return row;
  },
  remove: ({ net, deleted }, row) => {
    if (net.all("port_association").some((each) => each.parentId === row.id))
      refuse(409, "LocalIPInUse", `Local IP ${row.id} is still associated with one or more ports.`);
    const port = net.find("port", row.fields.local_port_id);
    if (row.fields.ownsPort === true && port !== undefined) removePort(net, port);
    net.remove(row);
    deleted(row);
  },
};

export const LOCAL_IP_ASSOCIATION: Kind = {
  name: "port_association",
  rule: "local_ip_port_association",
  collection: "port_associations",
  path: "port_associations",
  parent: "local_ip",
  extension: "local_ip",
  journal: "local_ip_association",
  without: ["PUT"],
  attributes: {
    local_ip_id: attribute(""),
    local_ip_address: attribute("f"),
    fixed_port_id: attribute("cf", { validate: uuid }),
    fixed_ip: attribute("cf", { default: null, validate: orNone(address) }),
    host: attribute("f"),
  },
  missing: missing("LocalIPAssociationNotFound", "Local IP association for port %s could not be found."),
  create: (ask, fields, _projectId, parent) => {
    const { net } = ask;
    if (parent === undefined) return net.kind("local_ip").missing("");
    const port = net.need("port", fields.fixed_port_id);
    const ips = fixedIpsOf(port).filter((ip) => !ip.ip_address.includes(":"));
    const chosen =
      fields.fixed_ip === null ? ips[0]?.ip_address : ips.find((ip) => ip.ip_address === fields.fixed_ip)?.ip_address;
    if (chosen === undefined)
      refuse(
        400,
        "LocalIPRequestedIPNotFound",
        `Requested IP ${fields.fixed_ip ?? ""} for Local IP is not found on port ${port.id}.`,
      );
    // The server finds an association by its port, so the port's id is its own.
    if (associationOf(net, parent.id, port.id) !== undefined)
      badResource("local_ip_port_association", `Local IP ${parent.id} association with port ${port.id} already exists.`);
    const row = net.add(
      "port_association",
      parent.projectId,
      {
        fixed_port_id: port.id,
        fixed_ip: chosen,
        local_ip_id: parent.id,
        local_ip_address: parent.fields.local_ip_address,
        host: "",
      },
      { parentId: parent.id },
    );
    ask.created(row);
    return row;
  },
  view: () => ({ id: undefined }),
  resolve: (net, id, parent) => (parent === undefined ? undefined : associationOf(net, parent.id, id)),
};

function associationOf(net: Networking, localIpId: string, portId: string) {
  return net.all("port_association").find((each) => each.parentId === localIpId && each.fields.fixed_port_id === portId);
}

export const NETWORK_FLAVOR: Kind = {
  name: "flavor",
  collection: "flavors",
  path: "flavors",
  extension: "flavors",
  journal: "network_flavor",
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    description: attribute("cuf", { default: "" }),
    service_type: attribute("cf"),
    service_profiles: attribute("cu", { default: [] }),
    enabled: attribute("cufs", { default: true, convert: toBoolean }),
  },
  missing: missing("FlavorNotFound", "Flavor %s could not be found."),
};

export const SERVICE_PROVIDER: Kind = fixed("service_provider", "service-providers", "service-type", {
  service_type: attribute("f"),
  name: attribute("f"),
  default: attribute("f"),
});

export const NETWORK_ZONE: Kind = {
  ...fixed("availability_zone", "availability_zones", "availability_zone", {
    name: attribute("f"),
    resource: attribute("f"),
    state: attribute("f"),
  }),
  prepare: ({ net }) => {
    for (const name of net.zones)
      for (const resource of ["network", "router"])
        if (!net.all("availability_zone").some(({ fields }) => fields.name === name && fields.resource === resource))
          net.add("availability_zone", "", { name, resource, state: "available" });
  },
};

/** A list that nobody changes through the API, whose things have no id. */
function fixed(name: string, path: string, extension: string, attributes: Kind["attributes"]): Kind {
  return {
    name,
    collection: `${name}s`,
    path,
    extension,
    journal: name,
    attributes,
    without: ["POST", "PUT", "DELETE"],
    missing: missing("HTTPNotFound", "The resource could not be found."),
    view: (): Fields => ({ id: undefined, project_id: undefined }),
  };
}
