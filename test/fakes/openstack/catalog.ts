/** The catalogue that the fake Keystone gives: one row per name a service is known by, as the real cloud registers them. */

import { uuid } from "./ids.ts";
import type { ServiceName } from "./journal.ts";

export function catalogOf(
  urlOf: (service: ServiceName) => string,
  region: string,
  projectId: string | undefined,
  ids: Map<string, string>,
  lacking: ReadonlySet<ServiceName>,
): unknown[] {
  const stable = (name: string) => {
    const id = ids.get(name) ?? uuid().replaceAll("-", "");
    ids.set(name, id);
    return id;
  };
  const suffixed = (url: string) => (projectId === undefined ? undefined : url + projectId);
  const rows: [string, string, string | undefined][] = [
    ["identity", "keystone", `${urlOf("identity")}/v3`],
    ["image", "glance", urlOf("image")],
    ["volumev3", "cinderv3", suffixed(`${urlOf("volume")}/v3/`)],
    ["block-storage", "cinder", suffixed(`${urlOf("volume")}/v3/`)],
    ["object-store", "swift", suffixed(`${urlOf("object")}/v1/AUTH_`)],
    ["compute", "nova", `${urlOf("compute")}/v2.1`],
    ["key-manager", "barbican", urlOf("key-manager")],
    ["dns", "designate", urlOf("dns")],
    ["load-balancer", "octavia", urlOf("load-balancer")],
    ["network", "neutron", urlOf("network")],
  ];
  // A service that is lacking has no row: its URL is none of the others'.
  const offered = rows.filter(([, , url]) => ![...lacking].some((service) => url?.startsWith(urlOf(service))));
  return offered.map(([type, name, url]) => ({
    // Without a project there is no URL to fill in, and Keystone leaves such endpoints out.
    endpoints:
      url === undefined
        ? []
        : ["public", "internal", "admin"].map((face) => ({
            id: stable(`${name}-${face}`),
            interface: face,
            region_id: region,
            url,
            region,
          })),
    id: stable(name),
    type,
    name,
  }));
}
