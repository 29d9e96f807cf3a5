/**
 * What Nova needs of Neutron: to find networks and ports, bind a port to a server, make and remove ports of its own.
 * `LooseNetworks` stands in where a cloud has no Neutron: it knows only the ports Nova had it make.
 */

import { uuid } from "../ids.ts";
import type { TokenRecord } from "../tokens.ts";

/** A port as Nova shows it. */
export interface Nic {
  readonly portId: string;
  readonly networkId: string;
  readonly networkName: string;
  readonly mac: string;
  readonly status: string;
  readonly fixedIps: readonly { readonly subnet_id: string; readonly ip_address: string }[];
  /** Addresses of floating IPs that lead here. */
  readonly floating: readonly string[];
  /** Names of its security groups. */
  readonly securityGroups: readonly string[];
}

export interface PortRequest {
  readonly networkId: string;
  readonly projectId: string;
  readonly serverId: string;
  readonly zone: string;
  readonly host: string;
  readonly fixedIp: string | undefined;
  /** Names or ids; empty for the project's default group. */
  readonly securityGroups: readonly string[];
}

export interface NovaNetworks {
  nic(portId: string): Nic | undefined;
  /** A port this token may use, and whose it is (empty: nobody's). */
  port(token: TokenRecord, portId: string): { readonly deviceId: string; readonly hasFixedIp: boolean } | undefined;
  hasNetwork(token: TokenRecord, networkId: string): boolean;
  /** Networks a server gets when none is asked for: the project's own. */
  ownNetworks(token: TokenRecord): string[];
  hasSecurityGroup(token: TokenRecord, nameOrId: string): boolean;
  bind(portId: string, serverId: string, zone: string, host: string): void;
  unbind(portId: string): void;
  /** Makes a port bound to a server; undefined when Neutron would not (no free address, a quota). */
  create(request: PortRequest): string | undefined;
  remove(portId: string): void;
}

export class LooseNetworks implements NovaNetworks {
  readonly #ports = new Map<string, Nic>();
  #last = 1;

  nic(portId: string): Nic | undefined {
    return this.#ports.get(portId);
  }

  port(): undefined {
    return undefined;
  }

  hasNetwork(): boolean {
    return true;
  }

  ownNetworks(): string[] {
    return [];
  }

  hasSecurityGroup(): boolean {
    return true;
  }

  bind(): void {}

  unbind(): void {}

  create(request: PortRequest): string {
    const portId = uuid();
    const number = this.#last++;
    const address = request.fixedIp ?? `10.0.${Math.floor(number / 250)}.${(number % 250) + 2}`;
    this.#ports.set(portId, {
      portId,
      networkId: request.networkId,
      networkName: request.networkId,
      mac: `fa:16:3e:00:${[number >> 8, number & 255].map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`,
      status: "ACTIVE",
      fixedIps: [{ subnet_id: request.networkId, ip_address: address }],
      floating: [],
      securityGroups: request.securityGroups.length > 0 ? request.securityGroups : ["default"],
    });
    return portId;
  }

  remove(portId: string): void {
    this.#ports.delete(portId);
  }
}
