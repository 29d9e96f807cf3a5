/** Whether the target's project may choose addresses on a network: its owner may, and an administrator (neutron/conf/policies/port.py). */

import { type Cloud, NETWORKS, PORTS } from "@permafrost/openstack";
import { ifThere } from "./if-there.ts";

export async function mayChooseAddresses(cloud: Cloud, networkId: string): Promise<boolean> {
  if (cloud.roles.has("admin")) return true;
  const network = await ifThere(cloud.collection(NETWORKS).get(networkId));
  return network?.project_id === cloud.projectId || network?.tenant_id === cloud.projectId;
}

/** The ports of the network that have the address, as far as the credentials see them. */
export async function portsWithAddress(cloud: Cloud, networkId: string, address: string) {
  const query = { network_id: networkId, fixed_ips: `ip_address=${address}` };
  const found = await Array.fromAsync(cloud.collection(PORTS).list(query));
  return found.filter((p) => addressesOf(p).includes(address));
}

export interface FixedIp {
  readonly subnet_id: string;
  readonly ip_address?: string;
}

export function fixedIpsOf(port: { readonly [name: string]: unknown }): readonly FixedIp[] {
  return Array.isArray(port.fixed_ips) ? (port.fixed_ips as FixedIp[]) : [];
}

export function addressesOf(port: { readonly [name: string]: unknown }): string[] {
  return fixedIpsOf(port).flatMap((f) => (f.ip_address === undefined ? [] : [f.ip_address]));
}
