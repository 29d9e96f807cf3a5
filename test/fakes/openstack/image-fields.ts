/**
 * Which fields of an image a client may set, and what Glance says when it may not: create bodies and JSON patches.
 */

import { UUID } from "./ids.ts";
import type { Image } from "./images.ts";
import type { TokenRecord } from "./tokens.ts";
import { refuse } from "./webob.ts";

const READ_ONLY = [
  "created_at",
  "updated_at",
  "status",
  "checksum",
  "size",
  "virtual_size",
  "direct_url",
  "self",
  "file",
  "schema",
  "stores",
];
const RESERVED = ["location", "deleted", "deleted_at", "locations"];
const HASHES = ["os_hash_algo", "os_hash_value"];
const DISK_FORMATS = ["ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"];
const CONTAINER_FORMATS = ["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"];
const VISIBILITIES = ["community", "public", "private", "shared"];
const DENIED = "Access was denied to this resource.";

function schemaRefusal(value: unknown, complaint: string): never {
  const shown =
    typeof value === "string" ? `'${value}'` : value === true ? "True" : value === false ? "False" : JSON.stringify(value);
  refuse(400, `Provided object does not match schema 'image': ${shown} ${complaint}`);
}

function enumeration(value: unknown, allowed: readonly string[], nullable: boolean): string | null {
  if (value === null && nullable) return null;
  if (typeof value === "string" && allowed.includes(value)) return value;
  schemaRefusal(value, `is not one of [${[...(nullable ? ["None"] : []), ...allowed.map((each) => `'${each}'`)].join(", ")}]`);
}

function whole(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isInteger(value)) schemaRefusal(value, "is not of type 'integer'");
  if (value < 0) refuse(400, `Invalid value '${value}' for parameter '${name}': Cannot be a negative value`);
  return value;
}

function flag(value: unknown): boolean {
  if (typeof value !== "boolean") schemaRefusal(value, "is not of type 'boolean'");
  return value;
}

/** Sets one field that a client named; throws Glance's refusal. */
function assign(image: Image, key: string, value: unknown, token: TokenRecord): void {
  const admin = token.roles.has("admin");
  switch (key) {
    case "name":
      if (value !== null && typeof value !== "string") schemaRefusal(value, "is not of type 'null', 'string'");
      image.name = value;
      return;
    case "disk_format":
      image.diskFormat = enumeration(value, DISK_FORMATS, true);
      return;
    case "container_format":
      image.containerFormat = enumeration(value, CONTAINER_FORMATS, true);
      return;
    case "visibility": {
      const wanted = enumeration(value, VISIBILITIES, false) ?? "shared";
      if (wanted === "public" && !admin) refuse(403, "You are not authorized to complete publicize_image action.");
      image.visibility = wanted;
      return;
    }
    case "protected":
      image.protected = flag(value);
      return;
    case "os_hidden":
      image.hidden = flag(value);
      return;
    case "min_disk":
      image.minDisk = whole(value, key);
      return;
    case "min_ram":
      image.minRam = whole(value, key);
      return;
    case "tags":
      if (!Array.isArray(value)) schemaRefusal(value, "is not of type 'array'");
      image.tags = [...new Set(value.map(String))];
      return;
    default:
      if (typeof value !== "string") schemaRefusal(value, "is not of type 'string'");
      image.properties[key] = value;
  }
}

/** Checks and sets the fields of a create body. `image` is a draft that is thrown away on refusal. */
export function applyCreate(image: Image, body: Record<string, unknown>, token: TokenRecord): void {
  for (const [key, value] of Object.entries(body)) {
    if (key === "id") {
      if (typeof value !== "string" || !UUID.test(value))
        schemaRefusal(
          value,
          "does not match '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$'",
        );
    } else if (key === "owner") {
      if (value !== token.project?.id && !token.roles.has("admin"))
        refuse(403, DENIED, `You are not permitted to create images owned by '${value}'`);
      image.owner = String(value);
    } else if (READ_ONLY.includes(key)) {
      refuse(403, `Attribute '${key}' is read-only.`);
    } else if (HASHES.includes(key)) {
      // Glance takes these and forgets them.
    } else if ((RESERVED.includes(key) && typeof value === "string") || key.startsWith("os_glance_")) {
      refuse(403, DENIED, `Attribute '${key}' is reserved.`);
    } else {
      assign(image, key, value, token);
    }
  }
}

const BASE_FIELDS = [
  "name",
  "disk_format",
  "container_format",
  "visibility",
  "protected",
  "os_hidden",
  "min_disk",
  "min_ram",
  "tags",
  "owner",
];

/** One operation of a JSON patch. */
export function applyPatch(image: Image, change: { op?: string; path?: string; value?: unknown }, token: TokenRecord): void {
  const { op, value } = change;
  if (op !== "add" && op !== "remove" && op !== "replace") {
    refuse(400, `Invalid operation: \`${op}\`. It must be one of the following: add, remove, replace.`);
  }
  const key = (change.path ?? "").replace(/^\//, "").replaceAll("~1", "/").replaceAll("~0", "~");
  if (key === "locations" || key.startsWith("locations/"))
    refuse(403, "It's not allowed to add locations if locations are invisible.");
  if (READ_ONLY.includes(key) || HASHES.includes(key) || key === "id") refuse(403, `Attribute '${key}' is read-only.`);
  if (RESERVED.includes(key) || key.startsWith("os_glance_")) refuse(403, `Attribute '${key}' is reserved.`);
  if (op === "remove") {
    if (BASE_FIELDS.includes(key)) refuse(403, DENIED, `Property ${key} may not be removed.`);
    if (!(key in image.properties))
      refuse(409, "There was a conflict when trying to complete your request.", `Property ${key} does not exist.`);
    delete image.properties[key];
    return;
  }
  if (key === "owner") {
    if (!token.roles.has("admin")) refuse(403, DENIED, "Owner can't be updated by non admin.");
    image.owner = String(value);
    return;
  }
  if (op === "replace" && !BASE_FIELDS.includes(key) && !(key in image.properties)) {
    refuse(409, "There was a conflict when trying to complete your request.", `Property ${key} does not exist.`);
  }
  assign(image, key, value, token);
  if ((key === "disk_format" || key === "container_format") && image.status !== "queued") {
    refuse(403, `Attribute ${key} can be only replaced for a queued image.`);
  }
}
