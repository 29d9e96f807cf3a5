/** The service catalog of a token, and the choice of one endpoint from it. Pure. */

import { CodedError } from "@permafrost/std";
import type { CloudConfig, EndpointInterface } from "../config/cloud-config.ts";
import { SERVICE_KINDS, type ServiceType, versionedEndpoint } from "./service-types.ts";

export interface CatalogEndpoint {
  readonly interface: EndpointInterface;
  readonly regionId: string | undefined;
  readonly url: string;
}

export interface CatalogEntry {
  readonly type: string;
  readonly name: string | undefined;
  readonly endpoints: readonly CatalogEndpoint[];
}

export type EndpointChoice = Pick<CloudConfig, "name" | "regionName" | "interface" | "endpointOverrides">;

/** The endpoint of a service, or undefined. An override of the configuration wins over the catalog. */
export function findEndpoint(catalog: readonly CatalogEntry[], type: ServiceType, choice: EndpointChoice): string | undefined {
  const kind = SERVICE_KINDS[type];
  for (const alias of kind.aliases) {
    const override = choice.endpointOverrides[alias];
    if (override !== undefined) return versionedEndpoint(kind, override);
  }
  for (const alias of kind.aliases) {
    for (const entry of catalog.filter((one) => one.type === alias)) {
      const endpoint = entry.endpoints.find(
        (one) => one.interface === choice.interface && (choice.regionName === undefined || one.regionId === choice.regionName),
      );
      if (endpoint) return versionedEndpoint(kind, endpoint.url);
    }
  }
  return undefined;
}

/** The endpoint of a service; SERVICE_MISSING (facts: service, region, interface, known) if there is none. */
export function requireEndpoint(catalog: readonly CatalogEntry[], type: ServiceType, choice: EndpointChoice): string {
  const endpoint = findEndpoint(catalog, type, choice);
  if (endpoint !== undefined) return endpoint;
  const known = [...new Set(catalog.map((entry) => entry.type))].sort().join(", ");
  const regions = [...new Set(catalog.flatMap((entry) => entry.endpoints.map((one) => one.regionId ?? "")))].sort().join(", ");
  throw new CodedError("SERVICE_MISSING", `cloud ${choice.name} has no ${choice.interface} ${type} endpoint`, {
    facts: { cloud: choice.name, service: type, region: choice.regionName, interface: choice.interface, known, regions },
    hint: "Check region_name and interface of the cloud, or whether the cloud runs that service.",
  });
}
