/** The fake Neutron as the fake Nova uses it: its service account may do everything, and asks first what the user may. */

import { guardPort } from "../fwaas/groups.ts";
import { Refusal } from "../http.ts";
import type { Fields } from "../neutron/attributes.ts";
import type { FixedIp } from "../neutron/ipam.ts";
import type { Networking, Row } from "../neutron/networking.ts";
import { addPort, removePort } from "../neutron/ports.ts";
import { isShared } from "../neutron/rbac.ts";
import type { TokenRecord } from "../tokens.ts";
import type { Nic, NovaNetworks, PortRequest } from "./ports.ts";

const FREE: Fields = { device_id: "", device_owner: "", "binding:host_id": "", "binding:profile": {}, status: "DOWN" };

export class NeutronPorts implements NovaNetworks {
  readonly #net: Networking;

  constructor(net: Networking) {
    this.#net = net;
  }

  nic(portId: string): Nic | undefined {
    const port = this.#net.find("port", portId);
    if (port === undefined) return undefined;
    const network = this.#net.find("network", port.fields.network_id);
    const groups = (port.fields.security_groups ?? []) as string[];
    return {
      portId,
      networkId: String(port.fields.network_id),
      networkName: String(network?.fields.name ?? ""),
      mac: String(port.fields.mac_address),
      status: String(port.fields.status),
      fixedIps: (port.fields.fixed_ips as FixedIp[]).map(({ subnet_id, ip_address }) => ({ subnet_id, ip_address })),
      floating: this.#net
        .all("floatingip")
        .filter(({ fields }) => fields.port_id === portId)
        .map(({ fields }) => String(fields.floating_ip_address)),
      securityGroups: groups.map((id) => String(this.#net.find("security_group", id)?.fields.name ?? id)),
    };
  }

  port(token: TokenRecord, portId: string): { deviceId: string; hasFixedIp: boolean } | undefined {
    const port = this.#net.find("port", portId);
    const network = this.#net.find("network", port?.fields.network_id);
    const mine = (row: Row | undefined) => row !== undefined && row.projectId === token.project?.id;
    if (port === undefined || !(token.roles.has("admin") || mine(port) || mine(network))) return undefined;
    return { deviceId: String(port.fields.device_id ?? ""), hasFixedIp: (port.fields.fixed_ips as unknown[]).length > 0 };
  }

  network(token: TokenRecord, networkId: string): "usable" | "external" | undefined {
    const network = this.#net.find("network", networkId);
    if (network === undefined) return undefined;
    const project = token.project?.id ?? "";
    if (token.roles.has("admin") || network.projectId === project || isShared(this.#net, networkId, project)) return "usable";
    return network.fields["router:external"] === true ? "external" : undefined;
  }

  availableNetworks(token: TokenRecord): string[] {
    const project = token.project?.id ?? "";
    return this.#net
      .all("network")
      .filter((network) => network.projectId === project || isShared(this.#net, network.id, project))
      .map((network) => network.id);
  }

  hasSecurityGroup(token: TokenRecord, nameOrId: string): boolean {
    return nameOrId === "default" || this.#group(token.project?.id ?? "", nameOrId) !== undefined;
  }

  bind(portId: string, serverId: string, zone: string, host: string): void {
    const port = this.#net.find("port", portId);
    if (port === undefined) return;
    const owner = { device_id: serverId, device_owner: `compute:${zone}`, "binding:host_id": host, status: "ACTIVE" };
    Object.assign(port.fields, owner);
    this.#net.touch(port);
    guardPort(this.#net, port);
  }

  unbind(portId: string): void {
    const port = this.#net.find("port", portId);
    if (port === undefined) return;
    Object.assign(port.fields, FREE);
    this.#net.touch(port);
  }

  create(request: PortRequest): string | undefined {
    const groups = request.securityGroups
      .map((name) => this.#group(request.projectId, name)?.id)
      .filter((id) => id !== undefined);
    try {
      const port = addPort(this.#net, {
        networkId: request.networkId,
        projectId: request.projectId,
        owner: `compute:${request.zone}`,
        deviceId: request.serverId,
        host: request.host,
        ...(request.fixedIp === undefined ? {} : { fixedIps: [{ ip_address: request.fixedIp }] }),
        ...(groups.length === 0 ? {} : { securityGroups: groups }),
      });
      if ((port.fields.fixed_ips as unknown[]).length > 0) {
        guardPort(this.#net, port);
        return port.id;
      }
      removePort(this.#net, port);
      return undefined;
    } catch (error) {
      if (error instanceof Refusal) return undefined;
      throw error;
    }
  }

  remove(portId: string): void {
    const port = this.#net.find("port", portId);
    if (port !== undefined) removePort(this.#net, port);
  }

  #group(projectId: string, nameOrId: string): Row | undefined {
    const mine = this.#net.all("security_group").filter((group) => group.projectId === projectId);
    return mine.find((group) => group.id === nameOrId || group.fields.name === nameOrId);
  }
}
