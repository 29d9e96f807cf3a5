/** Networks that lead out of the cloud: a router's gateway and a floating IP must be on one. */

import { type Cloud, NETWORKS } from "@permafrost/openstack";
import { ifThere } from "./if-there.ts";

/** Why the target's network cannot stand for the source's external one, or undefined if it can. */
export async function externalProblem(cloud: Cloud, targetId: string, sourceId: string): Promise<string | undefined> {
  const network = await ifThere(cloud.collection(NETWORKS).get(targetId));
  if (network === undefined || network["router:external"] !== false) return undefined;
  return `network ${String(network.name) || targetId} of the target is not external: map it with --map neutron.network:${sourceId}=NEW`;
}
