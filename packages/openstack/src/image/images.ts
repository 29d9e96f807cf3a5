/** Glance v2 images: metadata. https://docs.openstack.org/api-ref/image/v2/#images */

import { linkQuery, listAll } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";
import { type WaitOptions, waitForStatus, waitUntilGone } from "../wait.ts";

export interface Image {
  readonly id: string;
  readonly name: string;
  /** queued, saving, uploading, importing, active, deactivated, killed, deleted, pending_delete. */
  readonly status: string;
  /** private, shared, community or public. */
  readonly visibility: string;
  readonly protected: boolean;
  readonly hidden: boolean;
  readonly ownerId: string;
  /** Empty while an image has no data and none was chosen. */
  readonly diskFormat: string;
  readonly containerFormat: string;
  readonly minDiskGiB: number;
  readonly minRamMiB: number;
  /** 0 without data: a queued image, or Nova's image of a volume-booted server. */
  readonly sizeBytes: number;
  readonly virtualSizeBytes: number | undefined;
  /** `os_hash_algo` and `os_hash_value`; empty without data, and for images some services made directly in their store. */
  readonly hashAlgorithm: string;
  readonly hashValue: string;
  /** MD5 in hex, or empty. */
  readonly checksum: string;
  readonly tags: readonly string[];
  /** Everything that is not a base attribute. Always text on the wire (glance/api/v2/images.py keeps `extra_properties` as text). */
  readonly properties: Readonly<Record<string, string>>;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface ImageQuery {
  readonly owner?: string;
  readonly name?: string;
  readonly status?: string;
  /** Custom properties that must have exactly these values. */
  readonly properties?: Readonly<Record<string, string>>;
}

export interface ImageFields {
  /** Chosen by the caller: a create whose answer is lost can then be looked up, a second one is CONFLICT. */
  readonly id?: string;
  readonly name: string;
  readonly visibility?: string;
  readonly protected?: boolean;
  readonly hidden?: boolean;
  readonly diskFormat?: string;
  readonly containerFormat?: string;
  readonly minDiskGiB?: number;
  readonly minRamMiB?: number;
  readonly tags?: readonly string[];
  readonly properties?: Readonly<Record<string, string>>;
}

export interface ImageChanges {
  readonly name?: string;
  readonly visibility?: string;
  readonly protected?: boolean;
  readonly hidden?: boolean;
  readonly minDiskGiB?: number;
  readonly minRamMiB?: number;
  readonly tags?: readonly string[];
  /** Added or replaced. */
  readonly properties?: Readonly<Record<string, string>>;
  /** CONFLICT if one is not there. */
  readonly removeProperties?: readonly string[];
}

export interface ImagesApi {
  /** Hidden images included, which Glance lists only when asked for. */
  list(query?: ImageQuery): AsyncIterable<Image>;
  get(id: string): Promise<Image>;
  /** A queued image without data. Throws QUOTA_EXCEEDED, FORBIDDEN (visibility, reserved properties), OUTCOME_UNKNOWN. */
  create(fields: ImageFields): Promise<Image>;
  update(id: string, changes: ImageChanges): Promise<Image>;
  /** Already gone is success. FORBIDDEN while protected, CONFLICT while in use. */
  delete(id: string): Promise<void>;
  addTag(id: string, tag: string): Promise<void>;
  removeTag(id: string, tag: string): Promise<void>;
  /** A deactivated image keeps its data and gives it to administrators only. Needs their role. */
  deactivate(id: string): Promise<void>;
  reactivate(id: string): Promise<void>;
  /** Throws RESOURCE_STATE (killed, deleted), WAIT_TIMEOUT, NOT_FOUND. */
  waitFor(id: string, wanted: readonly string[], options?: WaitOptions): Promise<Image>;
  waitForGone(id: string, options?: WaitOptions): Promise<void>;
}

/** Glance's own page is 25; its maximum is `api_limit_max`, 1000 by default, to which a larger one is cut. */
const PAGE_SIZE = 1000;
const PASSING = ["queued", "saving", "uploading", "importing"];
const GOING = [...PASSING, "active", "deactivated", "killed", "pending_delete"];

/** Base attributes (glance/api/v2/images.py `_base_properties`, `_readonly_properties`, `_disallowed_properties`); the rest is custom. */
const BASE = new Set(
  "id name status visibility protected os_hidden owner disk_format container_format min_disk min_ram size virtual_size os_hash_algo os_hash_value checksum tags created_at updated_at file schema self direct_url locations stores".split(
    " ",
  ),
);

interface ImagePage {
  images: Record<string, unknown>[];
  next?: string;
}

export function imagesApi(client: ServiceClient): ImagesApi {
  const path = (id: string) => `/images/${encodeURIComponent(id)}`;

  async function* list(query: ImageQuery = {}): AsyncGenerator<Image> {
    // `in:a,b` is a list for Glance, not a name; such a name is compared here only.
    const name = query.name?.startsWith("in:") || query.name === "" ? undefined : query.name;
    for (const hidden of [false, true]) {
      const found = listAll<ImagePage, Record<string, unknown>>(client, {
        path: "/images",
        query: { ...query.properties, owner: query.owner, name, status: query.status, os_hidden: hidden, limit: PAGE_SIZE },
        expect: [200],
        items: (page) => page.images,
        next: (page) => linkQuery(page.next),
      });
      for await (const wire of found) {
        const image = imageFromWire(wire);
        if (matches(image, query) && image.hidden === hidden) yield image;
      }
    }
  }

  async function get(id: string): Promise<Image> {
    return imageFromWire(await client.json({ method: "GET", path: path(id), expect: [200] }));
  }

  async function update(id: string, changes: ImageChanges): Promise<Image> {
    const operations = imagePatch(changes);
    if (operations.length === 0) return await get(id);
    const wire = await client.json<Record<string, unknown>>({
      method: "PATCH",
      path: path(id),
      headers: { "content-type": "application/openstack-images-v2.1-json-patch" },
      json: operations,
      // `add` and `replace` can be repeated, a second `remove` is 409.
      idempotent: (changes.removeProperties ?? []).length === 0,
      expect: [200],
    });
    return imageFromWire(wire);
  }

  async function setTags(id: string, change: (tags: readonly string[]) => string[]): Promise<void> {
    await update(id, { tags: change((await get(id)).tags) });
  }

  return {
    list,
    get,
    update,
    async create(fields) {
      return imageFromWire(await client.json({ method: "POST", path: "/images", json: imageToWire(fields), expect: [201] }));
    },
    async delete(id) {
      await client.send({ method: "DELETE", path: path(id), expect: [204, 404] });
    },
    async addTag(id, tag) {
      if (isPathTag(tag))
        await client.send({ method: "PUT", path: `${path(id)}/tags/${encodeURIComponent(tag)}`, expect: [204] });
      else await setTags(id, (tags) => [...tags.filter((one) => one !== tag), tag]);
    },
    async removeTag(id, tag) {
      if (isPathTag(tag))
        await client.send({ method: "DELETE", path: `${path(id)}/tags/${encodeURIComponent(tag)}`, expect: [204, 404] });
      else await setTags(id, (tags) => tags.filter((one) => one !== tag));
    },
    async deactivate(id) {
      await client.send({ method: "POST", path: `${path(id)}/actions/deactivate`, idempotent: true, expect: [204] });
    },
    async reactivate(id) {
      await client.send({ method: "POST", path: `${path(id)}/actions/reactivate`, idempotent: true, expect: [204] });
    },
    waitFor: (id, wanted, options = {}) =>
      waitForStatus({
        clock: client.clock,
        random: client.random,
        kind: "image",
        id,
        get: () => get(id),
        status: (i) => i.status,
        wanted,
        passing: PASSING,
        options,
      }),
    waitForGone: (id, options = {}) =>
      waitUntilGone({
        clock: client.clock,
        random: client.random,
        kind: "image",
        id,
        get: () => get(id),
        status: (i) => i.status,
        passing: GOING,
        options,
      }),
  };
}

/** Glance takes the bytes of a tag in a path for Latin-1 and a slash for a further part: such tags go by the list of tags. */
function isPathTag(tag: string): boolean {
  return /^[ -~]+$/.test(tag) && !tag.includes("/");
}

/** Our names from Glance's; unknown members are custom properties. */
export function imageFromWire(wire: Record<string, unknown>): Image {
  const text = (key: string) => (typeof wire[key] === "string" ? (wire[key] as string) : "");
  const number = (key: string) => (typeof wire[key] === "number" ? (wire[key] as number) : undefined);
  const properties: Record<string, string> = {};
  for (const [key, value] of Object.entries(wire)) {
    if (!BASE.has(key) && value !== null && value !== undefined)
      properties[key] = typeof value === "string" ? value : JSON.stringify(value);
  }
  return {
    id: text("id"),
    name: text("name"),
    status: text("status"),
    visibility: text("visibility") || "private",
    protected: wire.protected === true,
    hidden: wire.os_hidden === true,
    ownerId: text("owner"),
    diskFormat: text("disk_format"),
    containerFormat: text("container_format"),
    minDiskGiB: number("min_disk") ?? 0,
    minRamMiB: number("min_ram") ?? 0,
    sizeBytes: number("size") ?? 0,
    virtualSizeBytes: number("virtual_size"),
    hashAlgorithm: text("os_hash_algo"),
    hashValue: text("os_hash_value"),
    checksum: text("checksum"),
    tags: Array.isArray(wire.tags) ? (wire.tags as string[]) : [],
    properties,
    createdAt: text("created_at"),
    updatedAt: text("updated_at"),
  };
}

/** A create body of known members only. */
export function imageToWire(fields: ImageFields): Record<string, unknown> {
  return {
    ...fields.properties,
    id: fields.id,
    name: fields.name,
    visibility: fields.visibility,
    protected: fields.protected,
    os_hidden: fields.hidden,
    disk_format: fields.diskFormat,
    container_format: fields.containerFormat,
    min_disk: fields.minDiskGiB,
    min_ram: fields.minRamMiB,
    tags: fields.tags,
  };
}

/** JSON patch operations (RFC 6902 pointers) for the changes that are given. */
export function imagePatch(changes: ImageChanges): { op: "add" | "replace" | "remove"; path: string; value?: unknown }[] {
  const base: [string, unknown][] = [
    ["name", changes.name],
    ["visibility", changes.visibility],
    ["protected", changes.protected],
    ["os_hidden", changes.hidden],
    ["min_disk", changes.minDiskGiB],
    ["min_ram", changes.minRamMiB],
    ["tags", changes.tags],
  ];
  const pointer = (key: string) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  return [
    ...base
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => ({ op: "replace" as const, path: pointer(key), value })),
    ...Object.entries(changes.properties ?? {}).map(([key, value]) => ({ op: "add" as const, path: pointer(key), value })),
    ...(changes.removeProperties ?? []).map((key) => ({ op: "remove" as const, path: pointer(key) })),
  ];
}

function matches(image: Image, query: ImageQuery): boolean {
  if (query.owner !== undefined && image.ownerId !== query.owner) return false;
  if (query.name !== undefined && image.name !== query.name) return false;
  if (query.status !== undefined && image.status !== query.status) return false;
  return Object.entries(query.properties ?? {}).every(([key, value]) => image.properties[key] === value);
}
