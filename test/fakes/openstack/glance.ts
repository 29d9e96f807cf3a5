/**
 * Glance v2 of the fake cloud: images, their data, tags and members, after Glance 30 (2025.1).
 *
 * Data is written once: an image goes queued → saving → active, an upload that breaks off puts it back to queued, and
 * an active image's bytes never change. Content must be what `disk_format` says. Ranges are honoured unless a fault or
 * `honourRange` says otherwise.
 */

import { SparseBytes } from "./bytes.ts";
import { type Call, json, parseRange, type Reply, type ServiceHandler, slice } from "./http.ts";
import { applyCreate, applyPatch } from "./image-fields.ts";
import { selected, sortImages } from "./image-list.ts";
import { formatMatches, type Image, type Images, imageView, memberView } from "./images.ts";
import type { Identities, TokenRecord } from "./tokens.ts";
import type { Transitions } from "./transitions.ts";
import { page, refuse } from "./webob.ts";

const NO_CONTENT: Reply = { status: 204, headers: { "content-type": "text/html; charset=UTF-8", "content-length": "0" } };
const PATCH_TYPES = ["application/openstack-images-v2.0-json-patch", "application/openstack-images-v2.1-json-patch"];

export interface GlanceOptions {
  readonly honourRange: boolean;
  readonly pageSize: number;
  /** Where Keystone is, for WWW-Authenticate. */
  readonly keystoneUrl: () => string;
  /** Removes a secret of Barbican's that goes with its image. */
  readonly dropKey: (id: string) => void;
}

export class Glance implements ServiceHandler {
  readonly #images: Images;
  readonly #ids: Identities;
  readonly #transitions: Transitions;
  readonly #options: GlanceOptions;

  constructor(images: Images, ids: Identities, transitions: Transitions, options: GlanceOptions) {
    this.#images = images;
    this.#ids = ids;
    this.#transitions = transitions;
    this.#options = options;
  }

  unauthorized(): Reply {
    const why =
      "This server could not verify that you are authorized to access the document you requested. Either you supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply the credentials required.";
    return page(401, why, "", { "www-authenticate": `Keystone uri="${this.#options.keystoneUrl()}"` });
  }

  async handle(call: Call): Promise<Reply> {
    const parts = call.path
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent);
    if (parts.length === 0) return versions(call);
    const token = this.#ids.check(call.header("x-auth-token"));
    if (token === undefined) return this.unauthorized();
    call.identify(token);
    const [v2, collection, id, sub, item] = parts;
    if (v2 !== "v2") return page(404, "The resource could not be found.");
    if (collection === "info") return id === "usage" ? this.#usage(token) : info(id);
    if (collection === "schemas") return json(200, { name: id, properties: {}, additionalProperties: { type: "string" } });
    if (collection !== "images") return page(404, "The resource could not be found.");
    if (id === undefined) {
      if (call.method === "GET") return this.#list(call, token);
      return call.method === "POST" ? this.#create(call, token) : wrongMethod(call, "GET, POST");
    }
    if (sub === undefined) return this.#image(call, token, id);
    if (sub === "file") return this.#file(call, token, id);
    if (sub === "tags" && item !== undefined) return this.#tag(call, this.#own(id, token, "modify"), item);
    if (sub === "members") return this.#members(call, token, id, item);
    if (sub === "actions") return this.#activation(token, id, item ?? "");
    return page(404, "The resource could not be found.");
  }

  /** glance/api/v2/discovery.py and glance/quota/keystone.py: of the token's project, sizes in MiB. */
  #usage(token: TokenRecord): Reply {
    const own = [...this.#images.all.values()].filter(({ owner }) => owner === token.project?.id);
    const bytes = own.reduce((sum, { size }) => sum + (size ?? 0), 0);
    const used: Record<string, number> = { image_count_total: own.length, image_size_total: Math.floor(bytes / 1024 / 1024) };
    const usage = Object.entries(this.#images.limits).map(([name, limit]) => [name, { usage: used[name] ?? 0, limit }]);
    return json(200, { usage: Object.fromEntries(usage) });
  }

  async #create(call: Call, token: TokenRecord): Promise<Reply> {
    const body = await call.json();
    if (typeof body !== "object" || body === null) refuse(400, "Malformed JSON in request body.");
    const wanted = body as Record<string, unknown>;
    if (typeof wanted.id === "string" && this.#images.all.has(wanted.id)) refuse(409, `Image ID ${wanted.id} already exists!`);
    const draft = this.#images.add(token.project?.id ?? "", typeof wanted.id === "string" ? { id: wanted.id } : {});
    try {
      applyCreate(draft, wanted, token);
    } catch (error) {
      this.#images.all.delete(draft.id);
      throw error;
    }
    call.created("image", draft.id);
    return json(201, imageView(draft), {
      location: `${call.origin}/v2/images/${draft.id}`,
      "openstack-image-import-methods": "glance-direct,web-download,copy-image",
      "openstack-image-store-ids": "file,second,os_glance_staging_store,os_glance_tasks_store",
    });
  }

  async #image(call: Call, token: TokenRecord, id: string): Promise<Reply> {
    if (call.method === "DELETE") {
      if (this.#images.visible(id, token) === undefined) refuse(404, `Failed to find image ${id} to delete`);
      const image = this.#own(id, token, "delete");
      if (image.protected) refuse(403, `Image ${id} is protected and cannot be deleted.`);
      this.#images.all.delete(id);
      if (image.properties.cinder_encryption_key_deletion_policy === "on_image_deletion")
        this.#options.dropKey(image.properties.cinder_encryption_key_id ?? "");
      call.deleted("image", id);
      return NO_CONTENT;
    }
    if (call.method === "GET") {
      await this.#transitions.poll(id);
      return json(200, imageView(this.#find(id, token)));
    }
    if (call.method !== "PATCH") return wrongMethod(call, "GET, PATCH, DELETE");
    const type = call.header("content-type") ?? "";
    if (!PATCH_TYPES.includes(type.split(";")[0] ?? "")) {
      refuse(415, `The request media type ${type} is not supported by this server.`, "", {
        "accept-patch": PATCH_TYPES.join(", "),
      });
    }
    const changes = await call.json();
    if (!Array.isArray(changes)) refuse(400, "Request body must be a JSON array of operation objects.");
    const image = this.#own(id, token, "modify");
    const draft: Image = { ...image, tags: [...image.tags], properties: { ...image.properties } };
    for (const change of changes) applyPatch(draft, change, token);
    Object.assign(image, draft);
    if (changes.length > 0) this.#images.touch(image);
    return json(200, imageView(image));
  }

  async #file(call: Call, token: TokenRecord, id: string): Promise<Reply> {
    await this.#transitions.settle(id);
    const image = this.#find(id, token);
    if (call.method === "PUT") return this.#upload(call, this.#own(id, token, "upload"));
    if (call.method !== "GET") return wrongMethod(call, "GET, PUT");
    if (image.status === "deactivated" && !token.roles.has("admin")) {
      refuse(403, "The requested image has been deactivated. Image data download is forbidden.");
    }
    const bytes = image.bytes;
    if (bytes === undefined || (image.status !== "active" && image.status !== "deactivated")) return { status: 204 };
    const headers: Record<string, string> = { "content-type": "application/octet-stream" };
    if (image.checksum !== null) headers["content-md5"] = image.checksum;
    const asked = call.header("range") ?? (call.header("content-range") ?? "").replace(/^bytes (\d+-\d+)\/.*$/, "bytes=$1");
    const range = this.#options.honourRange && asked !== "" ? parseRange(asked, bytes.size) : "whole";
    if (range === "multiple")
      refuse(
        400,
        "Requests with multiple ranges are not supported in Glance. You may make multiple single-range requests instead.",
      );
    if (range === "malformed") refuse(416, "The Range requested is not available.", "Invalid Range header.");
    if (range === "outside") {
      refuse(
        416,
        "The Range requested is not available.",
        `Invalid start position in Range header. Start position MUST be in the inclusive range [0, ${bytes.size - 1}].`,
      );
    }
    const frozen = bytes.clone();
    if (range === "whole") return { status: 200, headers, body: frozen };
    headers["content-range"] = `bytes ${range.first}-${range.last}/${bytes.size}`;
    return { status: 206, headers, body: slice(frozen, range.first, range.last) };
  }

  async #upload(call: Call, image: Image): Promise<Reply> {
    const type = call.header("content-type");
    if (type !== "application/octet-stream") refuse(415, `The request media type ${type} is not supported by this server.`);
    if (image.status !== "queued") refuse(409, `Image status transition from ${image.status} to saving is not allowed`);
    const missing = [
      image.diskFormat === null ? "disk_format" : "",
      image.containerFormat === null ? "container_format" : "",
    ].filter((name) => name !== "");
    if (missing.length > 0) refuse(400, `Properties ${missing.join(", ")} must be set prior to saving data.`);
    image.status = "saving";
    const bytes = new SparseBytes(0);
    try {
      for await (const piece of call.pieces()) bytes.write(bytes.size, piece);
    } catch (error) {
      if (image.status === "saving") image.status = "queued";
      throw error;
    }
    if (call.fails) {
      image.status = "killed";
      return { status: 204 };
    }
    if (!formatMatches(image.diskFormat, bytes)) {
      const { md5, sha512 } = await bytes.digests();
      Object.assign(image, { status: "queued", checksum: md5, hashAlgo: "sha512", hashValue: sha512, stores: "file" });
      refuse(415, "The request media type application/octet-stream is not supported by this server.");
    }
    await this.#images.activate(image, bytes);
    return NO_CONTENT;
  }

  #tag(call: Call, image: Image, tag: string): Reply {
    if (call.method === "PUT") {
      if (!image.tags.includes(tag)) image.tags.push(tag);
      return NO_CONTENT;
    }
    if (!image.tags.includes(tag)) return page(404, "The resource could not be found.");
    image.tags = image.tags.filter((each) => each !== tag);
    return NO_CONTENT;
  }

  async #members(call: Call, token: TokenRecord, id: string, memberId: string | undefined): Promise<Reply> {
    const image = this.#find(id, token);
    const project = token.project?.id ?? "";
    const owns = image.owner === project || token.roles.has("admin");
    const now = this.#ids.nowMs();
    if (memberId === undefined) {
      if (call.method === "GET") {
        if (image.visibility !== "shared")
          refuse(403, `Not allowed to list members for image ${id}: Only shared images have members.`);
        const rows = [...image.members].filter(([each]) => owns || each === project);
        return json(200, {
          members: rows.map(([each, member]) => memberView(image, each, member)),
          schema: "/v2/schemas/members",
        });
      }
      const wanted = ((await call.json()) as { member?: string } | undefined)?.member;
      if (!owns) refuse(403, "You are not authorized to complete add_member action.");
      if (typeof wanted !== "string") refuse(400, "Member to be added not specified");
      if (image.visibility !== "shared") refuse(403, "Only shared images have members.");
      if (image.members.has(wanted)) refuse(409, `Member ${wanted} is duplicated for image ${id}`);
      image.members.set(wanted, { status: "pending", createdMs: now, updatedMs: now });
      call.created("image_member", `${id}/${wanted}`);
      return json(200, memberView(image, wanted, { status: "pending", createdMs: now, updatedMs: now }));
    }
    const member = image.members.get(memberId);
    if (member === undefined) refuse(404, `${memberId} not found in the member list of the image ${id}.`);
    if (call.method === "GET") return json(200, memberView(image, memberId, member));
    if (call.method === "DELETE") {
      if (!owns) refuse(403, "You are not authorized to complete delete_member action.");
      image.members.delete(memberId);
      call.deleted("image_member", `${id}/${memberId}`);
      return { status: 204 };
    }
    if (memberId !== project && !token.roles.has("admin"))
      refuse(403, "You are not authorized to complete modify_member action.");
    member.status = ((await call.json()) as { status?: string } | undefined)?.status ?? member.status;
    member.updatedMs = now;
    return json(200, memberView(image, memberId, member));
  }

  #activation(token: TokenRecord, id: string, action: string): Reply {
    const image = this.#own(id, token, action);
    if (action === "deactivate" && (image.status === "active" || image.status === "deactivated")) image.status = "deactivated";
    else if (action === "reactivate" && (image.status === "active" || image.status === "deactivated")) image.status = "active";
    else
      refuse(
        403,
        `Access was denied to this resource.`,
        `Image status transition from ${image.status} to ${action} is not allowed`,
      );
    return NO_CONTENT;
  }

  async #list(call: Call, token: TokenRecord): Promise<Reply> {
    const { query } = call;
    const limitText = query.get("limit");
    const limit = limitText === null ? this.#options.pageSize : Number(limitText);
    if (!Number.isInteger(limit)) refuse(400, "limit param must be an integer");
    if (limit < 0) refuse(400, "limit param must be positive");
    const visibility = query.get("visibility");
    if (visibility !== null && !["public", "private", "shared", "community", "all"].includes(visibility))
      refuse(400, `Invalid visibility value: ${visibility}`);
    const all = [...this.#images.all.values()];
    for (const image of all) await this.#transitions.poll(image.id);
    const rows = all.filter((image) => this.#images.listed(image, token, query) && selected(image, query));
    sortImages(rows, query);
    const marker = query.get("marker");
    const from = marker === null ? 0 : rows.findIndex((image) => image.id === marker) + 1;
    if (marker !== null && from === 0 && this.#images.visible(marker, token) === undefined)
      refuse(400, `No image found with ID ${marker}`);
    const size = Math.min(limit, 1000);
    const shown = rows.slice(from, from + size);
    const params = new URLSearchParams([...query].filter(([key]) => key !== "marker"));
    const link = (more: URLSearchParams) => `/v2/images${more.size === 0 ? "" : `?${more}`}`;
    const answer: Record<string, unknown> = { images: shown.map(imageView), first: link(params), schema: "/v2/schemas/images" };
    const last = shown.at(-1);
    if (last !== undefined && shown.length === size) {
      const next = new URLSearchParams(params);
      next.set("marker", last.id);
      answer.next = link(next);
    }
    return json(200, answer);
  }

  #find(id: string, token: TokenRecord): Image {
    return this.#images.visible(id, token) ?? refuse(404, `No image found with ID ${id}`);
  }

  #own(id: string, token: TokenRecord, action: string): Image {
    const image = this.#find(id, token);
    if (image.owner === token.project?.id || token.roles.has("admin")) return image;
    return refuse(403, `You are not authorized to complete ${action}_image action.`);
  }
}

function versions(call: Call): Reply {
  const ids = [
    "v2.15",
    "v2.13",
    "v2.12",
    "v2.11",
    "v2.10",
    "v2.9",
    "v2.8",
    "v2.17",
    "v2.7",
    "v2.6",
    "v2.5",
    "v2.4",
    "v2.3",
    "v2.2",
    "v2.1",
    "v2.0",
  ];
  const links = [{ rel: "self", href: `${call.origin}/v2/` }];
  return json(300, { versions: ids.map((id) => ({ id, status: id === "v2.17" ? "CURRENT" : "SUPPORTED", links })) });
}

function info(what: string | undefined): Reply {
  if (what === "import") {
    return json(200, {
      "import-methods": {
        description: "Import methods available.",
        type: "array",
        value: ["glance-direct", "web-download", "copy-image"],
      },
    });
  }
  if (what !== "stores") return page(404, "The resource could not be found.");
  return json(200, {
    stores: [
      { id: "file", description: "default file store", default: "true" },
      { id: "second", description: "second file store" },
    ],
  });
}

function wrongMethod(call: Call, allow: string): Reply {
  return page(405, `The method ${call.method} is not allowed for this resource. `, "", { allow });
}
