/** The fake Neutron as Octavia asks it, as an administrator: subnets, ports, and a port of its own for a VIP. */

import { fixedIpsOf } from "../neutron/ipam.ts";
import type { Networking, Row } from "../neutron/networking.ts";
import { addPort, removePort } from "../neutron/ports.ts";
import type { VipNetwork, VipPort, VipSubnet } from "./vip.ts";

export class NeutronNetwork implements VipNetwork {
  readonly #net: Networking;

  constructor(net: Networking) {
    this.#net = net;
  }

  async subnet(id: string): Promise<VipSubnet | undefined> {
    const row = this.#net.find("subnet", id);
    return row === undefined ? undefined : subnetOf(row);
  }

  async subnetsOf(networkId: string): Promise<readonly VipSubnet[] | undefined> {
    if (this.#net.find("network", networkId) === undefined) return undefined;
    return this.#net
      .all("subnet")
      .filter(({ fields }) => fields.network_id === networkId)
      .map(subnetOf);
  }

  async port(id: string): Promise<VipPort | undefined> {
    const row = this.#net.find("port", id);
    return row === undefined ? undefined : portOf(row);
  }

  async createPort(fields: Parameters<VipNetwork["createPort"]>[0]): Promise<VipPort> {
    const fixedIps = fields.fixedIps.map(({ subnetId, address }) => ({
      subnet_id: subnetId,
      ...(address === undefined ? {} : { ip_address: address }),
    }));
    const { name, projectId, networkId, deviceId } = fields;
    return portOf(addPort(this.#net, { name, projectId, networkId, deviceId, owner: "Octavia", fixedIps: fixedIps as never }));
  }

  async deletePort(id: string): Promise<void> {
    const row = this.#net.find("port", id);
    if (row !== undefined) removePort(this.#net, row);
  }
}

function subnetOf({ id, fields }: Row): VipSubnet {
  return { id, networkId: String(fields.network_id) };
}

function portOf(row: Row): VipPort {
  const { network_id, device_id } = row.fields;
  return {
    id: row.id,
    networkId: String(network_id),
    deviceId: String(device_id ?? ""),
    fixedIps: fixedIpsOf(row).map(({ subnet_id, ip_address }) => ({ subnetId: subnet_id, address: ip_address })),
  };
}
