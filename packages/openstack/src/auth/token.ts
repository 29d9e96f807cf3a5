/** A Keystone v3 token as we use it: the id, its life on our own clock, who it is for, and the catalog. */

import { CodedError } from "@permafrost/std";
import type { EndpointInterface } from "../config/cloud-config.ts";
import type { CatalogEntry } from "./catalog.ts";

export interface NamedRef {
  readonly id: string;
  readonly name: string;
}

export interface Token {
  /** Secret. */
  readonly id: string;
  readonly user: NamedRef & { readonly domain: NamedRef };
  readonly project: (NamedRef & { readonly domain: NamedRef }) | undefined;
  readonly roles: readonly NamedRef[];
  readonly isSystem: boolean;
  readonly methods: readonly string[];
  readonly catalog: readonly CatalogEntry[];
  /** Wall-clock time of the service, for people. */
  readonly expiresAt: string;
  /** Monotonic times of this process: from when to replace it, and when it is dead. */
  readonly renewAtMs: number;
  readonly deadAtMs: number;
}

/** Share of a token's life after which it is replaced: long requests start with most of a life before them. */
const RENEW_SHARE = 0.8;

/**
 * Reads the answer of `POST /v3/auth/tokens`. The life is the service's own `expires_at - issued_at` counted from
 * `receivedAtMs` on our monotonic clock: the two machines' clocks need not agree. Throws BAD_RESPONSE.
 */
export function parseToken(id: string | undefined, body: unknown, receivedAtMs: number, url: string): Token {
  const token = (body as { token?: WireToken } | null)?.token;
  if (id === undefined || token?.user === undefined || typeof token.expires_at !== "string") {
    throw new CodedError("BAD_RESPONSE", `POST ${url} gave no token`, {
      facts: { method: "POST", url },
      hint: "Check that auth_url points at Keystone's v3 API.",
    });
  }
  const lifeMs = Date.parse(token.expires_at) - Date.parse(token.issued_at ?? token.expires_at);
  const safeLifeMs = Number.isFinite(lifeMs) ? Math.max(0, lifeMs) : 0;
  return {
    id,
    user: { ...ref(token.user), domain: ref(token.user.domain) },
    project: token.project === undefined ? undefined : { ...ref(token.project), domain: ref(token.project.domain) },
    roles: (token.roles ?? []).map(ref),
    isSystem: token.system?.all === true,
    methods: token.methods ?? [],
    catalog: (token.catalog ?? []).map((entry) => ({
      type: entry.type ?? "",
      name: entry.name,
      endpoints: (entry.endpoints ?? []).map((endpoint) => ({
        interface: (endpoint.interface ?? "public") as EndpointInterface,
        regionId: endpoint.region_id ?? endpoint.region ?? undefined,
        url: endpoint.url ?? "",
      })),
    })),
    expiresAt: token.expires_at,
    renewAtMs: receivedAtMs + safeLifeMs * RENEW_SHARE,
    deadAtMs: receivedAtMs + safeLifeMs,
  };
}

function ref(wire: WireRef | undefined): NamedRef {
  return { id: wire?.id ?? "", name: wire?.name ?? "" };
}

interface WireRef {
  id?: string;
  name?: string;
}

interface WireToken {
  user?: WireRef & { domain?: WireRef };
  project?: WireRef & { domain?: WireRef };
  roles?: WireRef[];
  system?: { all?: boolean };
  methods?: string[];
  issued_at?: string;
  expires_at?: string;
  catalog?: {
    type?: string;
    name?: string;
    endpoints?: { interface?: string; region_id?: string | null; region?: string | null; url?: string }[];
  }[];
}
