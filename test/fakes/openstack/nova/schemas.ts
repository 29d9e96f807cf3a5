/** What Nova's request bodies may hold, by microversion. After `nova/api/openstack/compute/schemas` of 2025.1. */

import type { Schema } from "./json-schema.ts";

export const NAME: Schema = { type: "string", minLength: 1, maxLength: 255, format: "name" };
const ANY_NAME: Schema = { type: ["string", "null"], minLength: 1, maxLength: 255 };
const UUID: Schema = { type: "string", format: "uuid" };
const DESCRIPTION: Schema = { type: ["string", "null"], minLength: 0, maxLength: 255 };
export const TAG: Schema = { type: "string", minLength: 1, maxLength: 60, pattern: "^[^,/]*$" };
export const BOOLEAN: Schema = {
  type: ["boolean", "string"],
  enum: [
    ...[true, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes"],
    ...[false, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no"],
  ],
};
const HOSTNAME: Schema = { type: "string", minLength: 2, maxLength: 63, pattern: "^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$" };
const FQDN: Schema = { type: "string", minLength: 1, maxLength: 255, pattern: "^[a-zA-Z0-9-._]*$" };
const POSITIVE: Schema = { type: ["integer", "string"], pattern: "^[0-9]*$", minimum: 1, minLength: 1 };
const DEVICE: Schema = { type: ["string", "null"], pattern: "(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$" };
export const METADATA: Schema = {
  type: "object",
  patternProperties: { "^[a-zA-Z0-9-_:. ]{1,255}$": { type: "string", maxLength: 255 } },
  additionalProperties: false,
};
const IMAGE_OR_EMPTY: Schema = { oneOf: [UUID, { type: "string", maxLength: 0 }] };
const DISK_CONFIG: Schema = { type: "string", enum: ["AUTO", "MANUAL"] };
const ADDRESS: Schema = { type: "string" };
const TEXT_255: Schema = { type: "string", maxLength: 255 };

const wrap = (key: string, inner: Schema): Schema => ({
  type: "object",
  properties: { [key]: { type: "object", additionalProperties: false, ...inner } },
  required: [key],
  additionalProperties: false,
});

function networks(version: number): Schema {
  const item: Schema = {
    type: "object",
    properties: {
      fixed_ip: { type: "string", format: "ip" },
      port: { oneOf: [UUID, { type: "null" }] },
      uuid: version >= 37 ? UUID : { type: "string" },
      ...(version === 32 || version >= 42 ? { tag: TAG } : {}),
    },
    additionalProperties: false,
  };
  const list: Schema = { type: "array", items: item };
  return version >= 37 ? { oneOf: [list, { type: "string", enum: ["none", "auto"] }] } : list;
}

function blockDevices(version: number): Schema {
  return {
    type: "array",
    items: {
      type: "object",
      properties: {
        virtual_name: TEXT_255,
        volume_id: UUID,
        snapshot_id: UUID,
        volume_size: { type: ["integer", "string"], pattern: "^[0-9]+$", minimum: 1 },
        device_name: { type: "string", minLength: 1, maxLength: 255, pattern: "^[a-zA-Z0-9._/-]*$" },
        delete_on_termination: BOOLEAN,
        no_device: {},
        connection_info: { type: "string" },
        source_type: { type: "string", enum: ["volume", "image", "snapshot", "blank"] },
        uuid: { type: "string", minLength: 1, maxLength: 255, pattern: "^[a-zA-Z0-9._-]*$" },
        image_id: UUID,
        destination_type: { type: "string", enum: ["local", "volume"] },
        guest_format: TEXT_255,
        device_type: TEXT_255,
        disk_bus: TEXT_255,
        boot_index: { type: ["integer", "string", "null"], pattern: "^-?[0-9]+$" },
        ...(version === 32 || version >= 42 ? { tag: TAG } : {}),
        ...(version >= 67 ? { volume_type: { type: ["string", "null"], minLength: 0, maxLength: 255 } } : {}),
      },
      additionalProperties: false,
    },
  };
}

const HINTS: Schema = { type: "object", properties: { group: UUID, target_cell: NAME } };

export function createServer(version: number): Schema {
  const hostname = version >= 94 ? FQDN : HOSTNAME;
  return {
    type: "object",
    properties: {
      server: {
        type: "object",
        properties: {
          name: NAME,
          imageRef: IMAGE_OR_EMPTY,
          flavorRef: { type: ["string", "integer"], minLength: 1 },
          adminPass: { type: "string" },
          metadata: METADATA,
          networks: networks(version),
          "OS-DCF:diskConfig": DISK_CONFIG,
          accessIPv4: ADDRESS,
          accessIPv6: ADDRESS,
          availability_zone: NAME,
          block_device_mapping: { type: "array" },
          block_device_mapping_v2: blockDevices(version),
          config_drive: BOOLEAN,
          key_name: NAME,
          min_count: POSITIVE,
          max_count: POSITIVE,
          return_reservation_id: BOOLEAN,
          security_groups: {
            type: "array",
            items: { type: "object", properties: { name: NAME }, additionalProperties: false },
          },
          user_data: { type: "string", format: "base64", maxLength: 65535 },
          ...(version < 57 ? { personality: { type: "array" } } : {}),
          ...(version >= 19 ? { description: DESCRIPTION } : {}),
          ...(version >= 52 ? { tags: { type: "array", items: TAG, maxItems: 50 } } : {}),
          ...(version >= 63 ? { trusted_image_certificates: { type: ["array", "null"] } } : {}),
          ...(version >= 74 ? { host: FQDN, hypervisor_hostname: FQDN } : {}),
          ...(version >= 90 ? { hostname } : {}),
        },
        required: version >= 37 ? ["name", "flavorRef", "networks"] : ["name", "flavorRef"],
        additionalProperties: false,
      },
      "os:scheduler_hints": HINTS,
      "OS-SCH-HNT:scheduler_hints": HINTS,
    },
    required: ["server"],
    additionalProperties: false,
  };
}

export function updateServer(version: number): Schema {
  return wrap("server", {
    properties: {
      name: NAME,
      "OS-DCF:diskConfig": DISK_CONFIG,
      accessIPv4: ADDRESS,
      accessIPv6: ADDRESS,
      ...(version >= 19 ? { description: DESCRIPTION } : {}),
      ...(version >= 90 ? { hostname: version >= 94 ? FQDN : HOSTNAME } : {}),
    },
  });
}

export function rebuild(version: number): Schema {
  return wrap("rebuild", {
    properties: {
      name: NAME,
      imageRef: UUID,
      adminPass: { type: "string" },
      metadata: METADATA,
      preserve_ephemeral: BOOLEAN,
      "OS-DCF:diskConfig": DISK_CONFIG,
      accessIPv4: ADDRESS,
      accessIPv6: ADDRESS,
      ...(version >= 19 ? { description: DESCRIPTION } : {}),
      ...(version >= 54 ? { key_name: ANY_NAME } : {}),
      ...(version >= 57 ? { user_data: { type: ["string", "null"], maxLength: 65535 } } : {}),
      ...(version >= 63 ? { trusted_image_certificates: { type: ["array", "null"] } } : {}),
      ...(version >= 90 ? { hostname: version >= 94 ? FQDN : HOSTNAME } : {}),
    },
    required: ["imageRef"],
  });
}

export const createImage: Schema = wrap("createImage", { properties: { name: NAME, metadata: METADATA }, required: ["name"] });

export function lock(version: number): Schema {
  if (version < 73) return { type: "object", properties: { lock: {} }, required: ["lock"] };
  const inner: Schema = {
    type: ["object", "null"],
    properties: { locked_reason: { type: "string", minLength: 1, maxLength: 255 } },
    additionalProperties: false,
  };
  return { type: "object", properties: { lock: inner }, required: ["lock"], additionalProperties: false };
}

export function attachVolume(version: number): Schema {
  return wrap("volumeAttachment", {
    properties: {
      volumeId: UUID,
      device: DEVICE,
      ...(version >= 49 ? { tag: TAG } : {}),
      ...(version >= 79 ? { delete_on_termination: BOOLEAN } : {}),
    },
    required: ["volumeId"],
  });
}

export function updateAttachment(version: number): Schema {
  const more = { device: DEVICE, tag: TAG, delete_on_termination: BOOLEAN, serverId: UUID, id: UUID };
  return wrap("volumeAttachment", { properties: { volumeId: UUID, ...(version >= 85 ? more : {}) }, required: ["volumeId"] });
}

export function attachInterface(version: number): Schema {
  const fixedIps: Schema = {
    type: "array",
    minItems: 1,
    maxItems: 1,
    items: {
      type: "object",
      properties: { ip_address: { type: "string", format: "ip" } },
      required: ["ip_address"],
      additionalProperties: false,
    },
  };
  const properties = { net_id: UUID, port_id: UUID, fixed_ips: fixedIps, ...(version >= 49 ? { tag: TAG } : {}) };
  return {
    type: "object",
    properties: { interfaceAttachment: { type: "object", properties, additionalProperties: false } },
    additionalProperties: false,
  };
}

export function createKeyPair(version: number): Schema {
  return wrap("keypair", {
    properties: {
      name: NAME,
      public_key: { type: "string" },
      ...(version >= 2 ? { type: { type: "string", enum: ["ssh", "x509"] } } : {}),
      ...(version >= 10 ? { user_id: { type: "string" } } : {}),
    },
    required: version >= 92 ? ["name", "public_key"] : ["name"],
  });
}

export function createServerGroup(version: number): Schema {
  const kinds =
    version >= 15 ? ["anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity"] : ["anti-affinity", "affinity"];
  if (version < 64) {
    const policies: Schema = { type: "array", items: { type: "string", enum: kinds }, minItems: 1, maxItems: 1 };
    return wrap("server_group", { properties: { name: NAME, policies }, required: ["name", "policies"] });
  }
  const rules: Schema = { type: "object", properties: { max_server_per_host: POSITIVE }, additionalProperties: false };
  return wrap("server_group", {
    properties: { name: NAME, policy: { type: "string", enum: kinds }, rules },
    required: ["name", "policy"],
  });
}

export function createFlavor(version: number): Schema {
  const positive: Schema = { type: ["integer", "string"], pattern: "^[0-9]*$", minimum: 1, minLength: 1 };
  const count: Schema = { type: ["integer", "string"], pattern: "^[0-9]*$", minimum: 0, minLength: 1 };
  return wrap("flavor", {
    properties: {
      name: NAME,
      id: { type: ["string", "number", "null"], minLength: 1, maxLength: 255, pattern: "^(?! )[a-zA-Z0-9. _-]+(?<! )$" },
      ram: positive,
      vcpus: positive,
      disk: count,
      "OS-FLV-EXT-DATA:ephemeral": count,
      swap: count,
      rxtx_factor: { type: ["number", "string"] },
      "os-flavor-access:is_public": BOOLEAN,
      ...(version >= 55 ? { description: { type: ["string", "null"], maxLength: 65535 } } : {}),
    },
    required: ["name", "ram", "vcpus", "disk"],
  });
}
