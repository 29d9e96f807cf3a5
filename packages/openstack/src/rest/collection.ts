/**
 * A REST collection of plain JSON objects, such as Neutron's `/networks`: what all of them have in common, so that a service's file
 * says only its path and its names. Objects are given as the API has them; what the fields mean is the caller's business.
 */

import { CodedError, type Json, type JsonObject } from "@permafrost/std";
import type { ServiceType } from "../auth/service-types.ts";
import { linkQuery, listAll, nextOf } from "../http/pager.ts";
import type { Query, ServiceClient } from "../http/service-client.ts";

export interface CollectionSpec {
  readonly service: ServiceType;
  /** Below the endpoint; `{parent}` is the id of the object that the collection belongs to. */
  readonly path: string;
  /** The envelope of one object; empty for a service that has none. */
  readonly singular: string;
  /** The envelope of a list; also the start of `<plural>_links`. */
  readonly plural: string;
  /** The service refuses filters: a listing is of everything. Whoever asks for some compares again, as for services that ignore filters. */
  readonly unfiltered?: boolean;
  /** The envelope of each object of a list; default none. */
  readonly item?: string;
  /** Neutron: the alias of the extension that adds the collection. Without it the URL is 404. */
  readonly extension?: string;
  /** How an object is changed; default PUT. */
  readonly updateMethod?: "PUT" | "PATCH";
  /** Sent with every listing, such as a page size. */
  readonly listQuery?: Query;
  /** A listing makes what it then does not show: the project is listed once before, and that answer thrown away. */
  readonly listingMakes?: boolean;
  /** Sent with every removal, such as Octavia's `cascade`. */
  readonly deleteQuery?: Query;
  /** Not `/<id>`, but this attribute of an object is its address. Default `id`. */
  readonly key?: string;
  /** Where an object's tags are, if not below the object: its path there. */
  readonly tagsPath?: string;
  /** For services whose objects have a URL and no id: the attribute that holds it. The last part of the URL is then the object's `id`. */
  readonly href?: string;
}

export type ApiObject = JsonObject;

export interface Collection {
  readonly spec: CollectionSpec;
  list(query?: Query, signal?: AbortSignal): AsyncIterable<ApiObject>;
  /** Throws NOT_FOUND. */
  get(id: string): Promise<ApiObject>;
  /** Throws OUTCOME_UNKNOWN if the object may have been made. */
  create(body: JsonObject): Promise<ApiObject>;
  update(id: string, changes: JsonObject): Promise<ApiObject>;
  /** Already gone is success. */
  delete(id: string): Promise<void>;
  /** Neutron's standard tags, replaced as a whole. */
  setTags(id: string, tags: readonly string[]): Promise<void>;
  /** An action below the object, such as `PUT routers/<id>/add_router_interface`. */
  act(id: string, method: "PUT" | "POST", action: string, body: JsonObject): Promise<JsonObject>;
}

type Page = Record<string, unknown>;

/** `parentId` fills `{parent}`. */
export function openCollection(client: ServiceClient, spec: CollectionSpec, parentId?: string): Collection {
  if (spec.path.includes("{parent}") && parentId === undefined) throw new CodedError("ASSERTION", `${spec.path} needs a parent`);
  const path = spec.path.replace("{parent}", encodeURIComponent(parentId ?? ""));
  const at = (id: string) => `${path}/${encodeURIComponent(id)}`;
  const wrap = (body: JsonObject): JsonObject => (spec.singular === "" ? body : { [spec.singular]: body });
  const identified = (object: ApiObject): ApiObject => {
    const href = spec.href === undefined ? undefined : object[spec.href];
    return typeof href === "string" ? { ...object, id: href.replace(/\/+$/, "").replace(/^.*\//, "") } : object;
  };
  const listed = (object: ApiObject): ApiObject => (spec.item === undefined ? object : (object[spec.item] as ApiObject));
  const unwrap = (body: JsonObject): ApiObject => {
    const object = spec.singular === "" ? body : body[spec.singular];
    if (typeof object === "object" && object !== null && !Array.isArray(object)) return identified(object as ApiObject);
    throw new CodedError("BAD_RESPONSE", `${path} answered no ${spec.singular}`, { facts: { url: path } });
  };
  return {
    spec,
    list: async function* (query = {}, signal) {
      if (spec.listingMakes === true) await client.send({ method: "GET", path, query, expect: [200], signal });
      yield* listAll<Page, ApiObject>(client, {
        path,
        query: { ...spec.listQuery, ...(spec.unfiltered === true ? {} : query) },
        expect: [200],
        items: (page) => (page[spec.plural] as readonly ApiObject[]).map(listed).map(identified),
        next: (page) => nextPage(page, spec),
        signal,
      });
    },
    get: async (id) => unwrap(await client.json<JsonObject>({ method: "GET", path: at(id), expect: [200] })),
    create: async (body) =>
      unwrap(await client.json<JsonObject>({ method: "POST", path, json: wrap(body), expect: [200, 201, 202] })),
    update: async (id, changes) =>
      unwrap(
        await client.json<JsonObject>({
          method: spec.updateMethod ?? "PUT",
          path: at(id),
          json: wrap(changes),
          expect: [200, 201, 202],
          // Sets attributes to values: once more does no harm.
          idempotent: true,
        }),
      ),
    delete: async (id) => {
      await client.send({ method: "DELETE", path: at(id), query: spec.deleteQuery, expect: [200, 202, 204, 404] });
    },
    setTags: async (id, tags) => {
      const tagged = spec.tagsPath === undefined ? at(id) : `${spec.tagsPath}/${encodeURIComponent(id)}`;
      await client.send({ method: "PUT", path: `${tagged}/tags`, json: { tags: [...tags] as Json }, expect: [200] });
    },
    act: async (id, method, action, body) =>
      await client.json<JsonObject>({ method, path: `${at(id)}/${action}`, json: body, expect: [200, 201, 202] }),
  };
}

/** `<plural>_links` as Neutron, Nova and Octavia give (Cinder also `<singular>_links`), `links.next` as Keystone and Designate, or `next` as Barbican. */
function nextPage(page: Page, { plural, singular }: CollectionSpec): Query | undefined {
  const links = (page[`${plural}_links`] ?? page[`${singular}_links`]) as { rel?: string; href?: string }[] | undefined;
  const { next } = (page.links ?? page) as { next?: string | null };
  return nextOf(links) ?? linkQuery(next);
}
