/** Neutron's extensions: which attributes and collections a cloud has at all. https://docs.openstack.org/api-ref/network/v2/#extensions */

import type { ServiceClient } from "../http/service-client.ts";

/** The aliases, such as `qos` or `trunk`. */
export async function networkExtensions(client: ServiceClient): Promise<ReadonlySet<string>> {
  const body = await client.json<{ extensions: { alias: string }[] }>({
    method: "GET",
    path: "/extensions",
    query: { fields: "alias" },
    expect: [200],
  });
  return new Set(body.extensions.map((e) => e.alias));
}
