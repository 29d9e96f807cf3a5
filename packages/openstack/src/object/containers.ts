/** Swift containers. https://docs.openstack.org/api-ref/object-store/#containers */

import type { HeaderMap } from "../http/exchange.ts";
import { listAll } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";
import { containerPath } from "./names.ts";

export interface Container {
  readonly objects: number;
  readonly bytes: number;
  /** Empty where the cluster has no policies. */
  readonly storagePolicy: string;
  /** All, names in lower case. */
  readonly headers: HeaderMap;
}

export interface ListedObject {
  readonly name: string;
  /** Without quotes. MD5 of a plain object's bytes; of a static large object's manifest, whose own etag is `sloEtag`. */
  readonly etag: string;
  readonly sloEtag: string | undefined;
  /** 0 for a dynamic large object. */
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly lastModified: string;
  readonly symlinkPath: string | undefined;
  /** Where object versioning keeps it; undefined for the version `null`, and without versioning. */
  readonly versionId: string | undefined;
}

/** A row of `?versions`. */
export interface ListedVersion extends Omit<ListedObject, "versionId"> {
  /** `null` for what was put while versioning was off. */
  readonly versionId: string;
  readonly isLatest: boolean;
  /** What a DELETE left behind: it has no content. */
  readonly isDeleteMarker: boolean;
}

export interface ContainersApi {
  headContainer(name: string): Promise<Container>;
  /** Creates, or sets headers of what is there. CONFLICT for another storage policy. */
  putContainer(name: string, headers?: Readonly<Record<string, string>>): Promise<void>;
  /** Sets the given headers, an empty value removes one. Idempotent. */
  postContainer(name: string, headers: Readonly<Record<string, string>>): Promise<void>;
  /** CONFLICT while not empty; gone already is success. */
  deleteContainer(name: string): Promise<void>;
  /** In order of names (by UTF-8 bytes). Eventually consistent: a listed object may be gone. */
  listObjects(
    container: string,
    options?: { readonly prefix?: string; readonly signal?: AbortSignal },
  ): AsyncIterable<ListedObject>;
  /** All versions of all objects: by name, the newest first. Of a container that was never versioned, its objects. */
  listVersions(container: string, options?: { readonly signal?: AbortSignal }): AsyncIterable<ListedVersion>;
}

const PAGE_SIZE = 10_000;
/** Swift's content type of a delete marker (object_versioning.py). */
const DELETE_MARKER = /;\s*swift_versions_deleted=1/;
/** Before all versions of a name: a page that ends at a version `null` is continued here. Swift 2.35 gives nothing after `null` itself. */
const NEWEST_POSSIBLE = "9999999999.99999";

interface Row {
  name?: string;
  hash?: string;
  slo_etag?: string;
  bytes?: number;
  content_type?: string;
  last_modified?: string;
  symlink_path?: string;
  version_symlink?: boolean;
  version_id?: string;
  is_latest?: boolean;
}

export function containersApi(client: ServiceClient): ContainersApi {
  return {
    async headContainer(name) {
      const { headers } = await client.send({ method: "HEAD", path: containerPath(name), expect: [200, 204] });
      return {
        objects: Number(headers["x-container-object-count"] ?? 0),
        bytes: Number(headers["x-container-bytes-used"] ?? 0),
        storagePolicy: headers["x-storage-policy"] ?? "",
        headers,
      };
    },
    async putContainer(name, headers) {
      await client.send({ method: "PUT", path: containerPath(name), headers, expect: [201, 202] });
    },
    async postContainer(name, headers) {
      await client.send({ method: "POST", path: containerPath(name), headers, idempotent: true, expect: [204] });
    },
    async deleteContainer(name) {
      await client.send({ method: "DELETE", path: containerPath(name), expect: [204, 404] });
    },
    async *listObjects(container, options = {}) {
      const found = listAll<Row[], Row>(client, {
        path: containerPath(container),
        query: { format: "json", limit: PAGE_SIZE, prefix: options.prefix },
        expect: [200],
        items: (page) => page,
        // A short page is no end: proxies and sharded containers give them.
        next: (page, query) => (page.length === 0 ? undefined : { ...query, marker: page.at(-1)?.name }),
        signal: options.signal,
      });
      for await (const row of found) if (row.name !== undefined) yield fromRow(row, row.name);
    },
    async *listVersions(container, options = {}) {
      const found = listAll<Row[], Row>(client, {
        path: containerPath(container),
        query: { versions: "", format: "json", limit: PAGE_SIZE },
        expect: [200],
        items: (page) => page,
        next: (page, query) => {
          const last = page.at(-1);
          if (last === undefined) return undefined;
          const id = last.version_id === "null" ? NEWEST_POSSIBLE : last.version_id;
          return { ...query, marker: last.name, version_marker: id };
        },
        signal: options.signal,
      });
      for await (const row of found) {
        if (row.name === undefined) continue;
        yield {
          ...fromRow(row, row.name),
          versionId: row.version_id ?? "null",
          isLatest: row.is_latest === true,
          isDeleteMarker: DELETE_MARKER.test(row.content_type ?? ""),
        };
      }
    },
  };
}

function fromRow(row: Row, name: string): ListedObject {
  // With versioning the path is that of the version, whatever that is itself.
  const version = row.version_symlink === true ? /\?version-id=(.*)$/.exec(row.symlink_path ?? "")?.[1] : undefined;
  return {
    name,
    etag: unquoted(row.hash ?? ""),
    sloEtag: row.slo_etag === undefined ? undefined : unquoted(row.slo_etag),
    sizeBytes: row.bytes ?? 0,
    contentType: row.content_type ?? "",
    lastModified: row.last_modified ?? "",
    symlinkPath: row.version_symlink === true ? undefined : row.symlink_path,
    versionId: version,
  };
}

/** Swift quotes etags in some answers and not in others. */
export function unquoted(etag: string): string {
  return etag.replace(/^(W\/)?"(.*)"$/, "$2");
}
