/**
 * The services we know: the names a catalog may use for them (the service-types authority and what older
 * deployments register), the API version our calls are written for, and the microversion we know.
 */

export type ServiceType =
  | "identity"
  | "image"
  | "block-storage"
  | "object-store"
  | "compute"
  | "network"
  | "load-balancer"
  | "key-manager"
  | "dns"
  | "placement";

export interface ServiceKind {
  /** In order of preference. */
  readonly aliases: readonly string[];
  /** Path part that the endpoint must end in; `anywhere`: it stands before the project. */
  readonly version?: { readonly path: string; readonly anywhere: boolean };
  /** Name in `OpenStack-API-Version` and the highest microversion these calls were written for. */
  readonly microversion?: { readonly name: string; readonly known: string };
}

export const SERVICE_KINDS: Readonly<Record<ServiceType, ServiceKind>> = {
  identity: { aliases: ["identity"], version: { path: "/v3", anywhere: false } },
  image: { aliases: ["image"], version: { path: "/v2", anywhere: false } },
  "block-storage": {
    aliases: ["block-storage", "volumev3", "block-store", "volumev2", "volume"],
    version: { path: "/v3", anywhere: true },
    microversion: { name: "volume", known: "3.70" },
  },
  "object-store": { aliases: ["object-store"] },
  compute: { aliases: ["compute"], microversion: { name: "compute", known: "2.100" } },
  network: { aliases: ["network"], version: { path: "/v2.0", anywhere: false } },
  "load-balancer": { aliases: ["load-balancer"], version: { path: "/v2.0", anywhere: false } },
  "key-manager": { aliases: ["key-manager"], version: { path: "/v1", anywhere: false } },
  dns: { aliases: ["dns"], version: { path: "/v2", anywhere: false } },
  placement: { aliases: ["placement"] },
};

/** The endpoint with the version our calls need: catalogs register `http://host:9292` as well as `…/v2`. No trailing slash. */
export function versionedEndpoint(kind: ServiceKind, url: string): string {
  const base = url.replace(/\/+$/, "");
  if (kind.version === undefined) return base;
  const { path, anywhere } = kind.version;
  // Cinder's v1 and v2 entries point at the same server as v3 and differ in this one part of the path.
  if (anywhere) return /\/v\d+(\.\d+)?(\/|$)/.test(base) ? base.replace(/\/v\d+(\.\d+)?(?=\/|$)/, path) : `${base}${path}`;
  return `${base.replace(/\/v\d+(\.\d+)?$/, "")}${path}`;
}

/** Where the version document is: the endpoint up to and with its version part. */
export function versionDocumentUrl(endpoint: string): string {
  const match = /^(.*?\/v\d+(?:\.\d+)?)(?:\/|$)/.exec(endpoint);
  return `${match?.[1] ?? endpoint}/`;
}
