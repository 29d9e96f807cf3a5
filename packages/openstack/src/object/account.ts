/** A Swift account: its containers, metadata, and what the cluster can do. https://docs.openstack.org/api-ref/object-store/#accounts */

import { CodedError } from "@permafrost/std";
import type { HeaderMap } from "../http/exchange.ts";
import { listAll } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";

export interface Account {
  readonly containers: number;
  readonly objects: number;
  readonly bytes: number;
  /** All, names in lower case. */
  readonly headers: HeaderMap;
}

export interface ListedContainer {
  readonly name: string;
  readonly objects: number;
  readonly bytes: number;
  readonly lastModified: string;
}

export interface SwiftInfo {
  readonly policies: readonly string[];
  readonly defaultPolicy: string | undefined;
  /** Largest plain object; larger ones are in segments. */
  readonly fileSizeBytesMax: number;
  /** Static large objects, object versioning, symlinks: present if the middleware is. */
  readonly features: ReadonlySet<string>;
  readonly sloSegmentsMax: number;
  readonly raw: Readonly<Record<string, unknown>>;
}

export interface AccountApi {
  /** FORBIDDEN if the user has none of Swift's operator roles. */
  headAccount(): Promise<Account>;
  /** Sets the given headers, an empty value removes one. Idempotent. */
  postAccount(headers: Readonly<Record<string, string>>): Promise<void>;
  listContainers(): AsyncIterable<ListedContainer>;
  info(): Promise<SwiftInfo>;
  /** As in storage URLs, such as `AUTH_<project>`. */
  accountName(): Promise<string>;
}

const PAGE_SIZE = 10_000;

export function accountApi(client: ServiceClient): AccountApi {
  return {
    async headAccount() {
      const { headers } = await client.send({ method: "HEAD", path: "", expect: [200, 204] });
      return {
        containers: Number(headers["x-account-container-count"] ?? 0),
        objects: Number(headers["x-account-object-count"] ?? 0),
        bytes: Number(headers["x-account-bytes-used"] ?? 0),
        headers,
      };
    },
    async postAccount(headers) {
      await client.send({ method: "POST", path: "", headers, idempotent: true, expect: [204] });
    },
    async *listContainers() {
      type Row = { name: string; count?: number; bytes?: number; last_modified?: string };
      const found = listAll<Row[], Row>(client, {
        path: "",
        query: { format: "json", limit: PAGE_SIZE },
        expect: [200],
        items: (page) => page,
        next: (page, query) => (page.length === 0 ? undefined : { ...query, marker: page.at(-1)?.name }),
      });
      for await (const row of found)
        yield { name: row.name, objects: row.count ?? 0, bytes: row.bytes ?? 0, lastModified: row.last_modified ?? "" };
    },
    async accountName() {
      return decodeURIComponent((await client.endpoint()).replace(/\/+$/, "").split("/").at(-1) ?? "");
    },
    async info() {
      const endpoint = await client.endpoint();
      // As python-swiftclient's get_capabilities: `/info` stands where the version of the storage URL does.
      const at = endpoint.lastIndexOf("/v1");
      const raw = await client.json<Record<string, unknown>>({
        method: "GET",
        path: `${at < 0 ? endpoint : endpoint.slice(0, at)}/info`,
        expect: [200],
      });
      return swiftInfo(raw);
    },
  };
}

function swiftInfo(raw: Record<string, unknown>): SwiftInfo {
  const swift = raw.swift as { policies?: { name: string; default?: boolean }[]; max_file_size?: number } | undefined;
  if (swift === undefined)
    throw new CodedError("BAD_RESPONSE", "GET /info says nothing of Swift", {
      facts: { keys: Object.keys(raw).slice(0, 20).join(", ") },
    });
  const policies = swift.policies ?? [];
  return {
    policies: policies.map((policy) => policy.name),
    defaultPolicy: policies.find((policy) => policy.default === true)?.name,
    fileSizeBytesMax: swift.max_file_size ?? 5 * 2 ** 30 + 2,
    features: new Set(Object.keys(raw)),
    sloSegmentsMax: (raw.slo as { max_manifest_segments?: number } | undefined)?.max_manifest_segments ?? 1000,
    raw,
  };
}
