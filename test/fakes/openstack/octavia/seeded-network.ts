/**
 * Subnets and ports for Octavia alone, seeded by a test: what a load balancer's VIP needs of a network service, without
 * one. `Octavia.network` takes any other `VipNetwork`, such as the fake Neutron's.
 */

import { uuid } from "../ids.ts";
import type { VipNetwork, VipPort, VipSubnet } from "./vip.ts";
import { refuse } from "./wsme.ts";

export interface SeededPort extends VipPort {
  readonly name: string;
  readonly projectId: string;
  readonly deviceOwner: string;
}

export class SeededNetwork implements VipNetwork {
  readonly subnets = new Map<string, VipSubnet & { readonly prefix: string }>();
  readonly ports = new Map<string, SeededPort>();
  #next = 10;

  /** A subnet of a new network; `prefix` is what its addresses start with, such as `10.0.0.`. */
  addSubnet(prefix = "10.0.0.", networkId = uuid()): VipSubnet {
    const subnet = { id: uuid(), networkId, prefix };
    this.subnets.set(subnet.id, subnet);
    return subnet;
  }

  async subnet(id: string): Promise<VipSubnet | undefined> {
    return this.subnets.get(id);
  }

  async subnetsOf(networkId: string): Promise<readonly VipSubnet[] | undefined> {
    const found = [...this.subnets.values()].filter((each) => each.networkId === networkId);
    return found.length === 0 ? undefined : found;
  }

  async port(id: string): Promise<VipPort | undefined> {
    return this.ports.get(id);
  }

  async createPort(fields: Parameters<VipNetwork["createPort"]>[0]): Promise<VipPort> {
    const taken = [...this.ports.values()].flatMap((port) => port.fixedIps.map((ip) => `${ip.subnetId} ${ip.address}`));
    const fixedIps = fields.fixedIps.map(({ subnetId, address }) => {
      if (address !== undefined && taken.includes(`${subnetId} ${address}`))
        refuse(409, `IP address ${address} already allocated in subnet ${subnetId}`);
      return { subnetId, address: address ?? `${this.subnets.get(subnetId)?.prefix}${this.#next++}` };
    });
    const port: SeededPort = { ...fields, id: uuid(), fixedIps, deviceOwner: "Octavia" };
    this.ports.set(port.id, port);
    return port;
  }

  async deletePort(id: string): Promise<void> {
    this.ports.delete(id);
  }
}
