/** Networks that lead out of the cloud, and the addresses on them: a router's gateway and a floating IP must be on one. */

import { type Cloud, FLOATING_IPS, NETWORKS, SUBNETS } from "@permafrost/openstack";
import { ifThere } from "./if-there.ts";
import { contains } from "./neutron-overlap.ts";
import { portsWithAddress } from "./neutron-ownership.ts";

/** Why the target's network cannot stand for the source's external one, or undefined if it can. */
export async function externalProblem(cloud: Cloud, targetId: string, sourceId: string): Promise<string | undefined> {
  const network = await ifThere(cloud.collection(NETWORKS).get(targetId));
  if (network === undefined || network["router:external"] !== false) return undefined;
  return `network ${String(network.name) || targetId} of the target is not external: map it with --map neutron.network:${sourceId}=NEW`;
}

/** By Neutron's default policy; a cloud that says otherwise refuses, and the restore goes without. */
export function mayChooseFloatingAddress(cloud: Cloud): boolean {
  return cloud.roles.has("admin") || cloud.roles.has("manager");
}

/** The subnets of a network that the project owns: a restore makes them before it takes addresses from it. Others' are just there. */
export async function ownSubnets(cloud: Cloud, networkId: string): Promise<string[]> {
  const network = await ifThere(cloud.collection(NETWORKS).get(networkId));
  if (network?.project_id !== cloud.projectId) return [];
  return Array.isArray(network.subnets) ? network.subnets.map(String) : [];
}

/** Why the address cannot be had on the network, as far as the credentials see; undefined if nothing speaks against it. */
export async function whyUnavailable(cloud: Cloud, networkId: string, address: string): Promise<string | undefined> {
  const subnets = await Array.fromAsync(cloud.collection(SUBNETS).list({ network_id: networkId }));
  if (subnets.length > 0 && !subnets.some((s) => contains(String(s.cidr), address)))
    return `it is in no subnet of the target's network ${networkId}`;
  const [taken] = await Array.fromAsync(cloud.collection(FLOATING_IPS).list({ floating_ip_address: address }));
  if (taken !== undefined) return `floating IP ${String(taken.id)} of project ${String(taken.project_id)} has it`;
  const [holder] = await portsWithAddress(cloud, networkId, address);
  return holder === undefined ? undefined : `port ${String(holder.id)} has it`;
}
