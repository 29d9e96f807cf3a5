/**
 * The port of a VIP that Octavia leaves behind: it makes the port before it looks at the tree below, and does not take it back when it, or the
 * provider, refuses that. Such a port keeps the address that the load balancer is to have, and nobody would remove it.
 *
 * Removed is only a port of the project on the VIP's subnet with the asked address, named after a load balancer that is not there and does
 * not come for a while: another worker's request may be under way.
 */

import { type ApiObject, type Cloud, LOAD_BALANCERS, PORTS } from "@permafrost/openstack";
import { type Clock, CodedError, type JsonObject } from "@permafrost/std";
import { ifThere } from "./if-there.ts";

const NAMED_AFTER = /^(?:octavia-lb|ovn-lb-vip)-([0-9a-f]{8}-[0-9a-f-]{27})$/;
const POLLS_MAX = 30;
const DELAY_MS = 1_000;

interface Place {
  readonly cloud: Cloud;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** `asked`: the body of the refused request. */
export async function removeLeftPort(place: Place, asked: JsonObject): Promise<void> {
  const { cloud } = place;
  const { vip_address: address, vip_subnet_id: subnet, vip_network_id: network } = asked;
  if (typeof address !== "string" || asked.vip_port_id !== undefined) return;
  const query = { project_id: cloud.projectId, fixed_ips: `ip_address=${address}` };
  for (const port of await Array.fromAsync(cloud.collection(PORTS).list(query))) {
    const [, lbId] = NAMED_AFTER.exec(String(port.name)) ?? [];
    if (lbId === undefined || !(network === port.network_id || has(port, address, subnet))) continue;
    if (await isAbsent(place, lbId)) await cloud.collection(PORTS).delete(String(port.id));
  }
}

function has({ fixed_ips }: ApiObject, address: string, subnet: unknown): boolean {
  const ips = (Array.isArray(fixed_ips) ? fixed_ips : []) as readonly JsonObject[];
  return ips.some((ip) => ip.ip_address === address && ip.subnet_id === subnet);
}

async function isAbsent({ cloud, clock, signal }: Place, id: string): Promise<boolean> {
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    try {
      if ((await ifThere(cloud.collection(LOAD_BALANCERS).get(id))) !== undefined) return false;
    } catch (error) {
      // It is there, and somebody else's.
      if (CodedError.is(error, "FORBIDDEN")) return false;
      throw error;
    }
    await clock.sleep(DELAY_MS, signal);
  }
  return true;
}
