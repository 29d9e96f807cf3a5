/**
 * Where a load balancer's address comes from: a port of the network service, given or made. Octavia asks the network
 * service as an administrator; the rules are those of its `_validate_vip_request_object`.
 */

import { type Fields, refuse } from "./wsme.ts";

export interface VipSubnet {
  readonly id: string;
  readonly networkId: string;
}

export interface VipPort {
  readonly id: string;
  readonly networkId: string;
  readonly deviceId: string;
  readonly fixedIps: readonly { readonly subnetId: string; readonly address: string }[];
}

/** What Octavia needs of the network service. All resolve undefined for what is not there. */
export interface VipNetwork {
  subnet(id: string): Promise<VipSubnet | undefined>;
  subnetsOf(networkId: string): Promise<readonly VipSubnet[] | undefined>;
  port(id: string): Promise<VipPort | undefined>;
  /** A port with `device_owner` Octavia; throws a `Refusal` as the network service would refuse it. */
  createPort(fields: {
    name: string;
    projectId: string;
    networkId: string;
    deviceId: string;
    fixedIps: readonly { subnetId: string; address?: string }[];
  }): Promise<VipPort>;
  deletePort(id: string): Promise<void>;
}

export interface Vip {
  readonly subnetId: string;
  readonly networkId: string;
  readonly additional: readonly { readonly subnetId: string; readonly address?: string }[];
  readonly address: string | undefined;
  /** The port that was given. */
  readonly port: VipPort | undefined;
}

const invalid = (detail: string): never => refuse(400, `Validation failure: ${detail}`);

/** What a POST asks of the network, checked; makes nothing. */
export async function checkVip(network: VipNetwork, asked: Fields): Promise<Vip> {
  const { vip_port_id: portId, vip_network_id: networkId, vip_subnet_id: subnetId, vip_address: address } = asked;
  if (!portId && !networkId && !subnetId) invalid("VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.");
  const found = portId
    ? await ofPort(network, asked)
    : networkId
      ? await ofNetwork(network, asked)
      : await ofSubnet(network, String(subnetId), address as string | undefined);
  const used = new Set([found.subnetId]);
  const additional: { subnetId: string; address?: string }[] = [];
  for (const each of (asked.additional_vips ?? []) as { subnet_id: string; ip_address?: string }[]) {
    if (used.has(each.subnet_id)) invalid("Duplicate VIP subnet(s) specified. Only one IP can be bound per subnet.");
    used.add(each.subnet_id);
    const subnet = await needSubnet(network, each.subnet_id);
    if (subnet.networkId !== found.networkId) invalid("All VIP subnets must belong to the same network.");
    additional.push({ subnetId: each.subnet_id, ...(each.ip_address == null ? {} : { address: each.ip_address }) });
  }
  return { ...found, additional };
}

async function needSubnet(network: VipNetwork, id: string): Promise<VipSubnet> {
  return (await network.subnet(id)) ?? refuse(400, `Subnet ${id} not found.`);
}

async function ofSubnet(network: VipNetwork, id: string, address: string | undefined): Promise<Omit<Vip, "additional">> {
  const subnet = await needSubnet(network, id);
  return { subnetId: id, networkId: subnet.networkId, address: address ?? undefined, port: undefined };
}

async function ofNetwork(network: VipNetwork, asked: Fields): Promise<Omit<Vip, "additional">> {
  const networkId = String(asked.vip_network_id);
  const subnets = (await network.subnetsOf(networkId)) ?? refuse(400, `Network ${networkId} not found.`);
  const wanted = asked.vip_subnet_id as string | undefined;
  if (wanted && !subnets.some((each) => each.id === wanted)) invalid("Supplied VIP subnet does not belong to the VIP network.");
  const subnetId = wanted ?? subnets[0]?.id ?? invalid("Supplied network does not contain a subnet.");
  return { subnetId, networkId, address: (asked.vip_address as string | null) ?? undefined, port: undefined };
}

async function ofPort(network: VipNetwork, asked: Fields): Promise<Omit<Vip, "additional">> {
  const portId = String(asked.vip_port_id);
  const port = (await network.port(portId)) ?? refuse(400, `Port ${portId} not found.`);
  if (port.deviceId !== "") invalid(`Port ${portId} is already used by device ${port.deviceId}.`);
  const { vip_subnet_id: subnetId, vip_address: address } = asked;
  const ip = port.fixedIps.find((each) =>
    subnetId ? each.subnetId === subnetId : address ? each.address === address : port.fixedIps.length === 1,
  );
  if (ip === undefined) {
    if (subnetId) invalid("No VIP address found on the specified VIP port within the specified subnet.");
    if (address) invalid("Specified VIP address not found on the specified VIP port.");
    return invalid("VIP port's subnet could not be determined. Please specify either a VIP subnet or address.");
  }
  return { subnetId: ip.subnetId, networkId: port.networkId, address: ip.address, port };
}
