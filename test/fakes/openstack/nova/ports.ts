/** What Nova needs of Neutron: to find networks and ports, bind a port to a server, make and remove ports of its own. */

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
  /** Whether this token may use a network; an external one it can see, and its servers may not be on it. */
  network(token: TokenRecord, networkId: string): "usable" | "external" | undefined;
  /** Networks a server may get when none is asked for: the project's own and those shared with it. */
  availableNetworks(token: TokenRecord): string[];
  hasSecurityGroup(token: TokenRecord, nameOrId: string): boolean;
  bind(portId: string, serverId: string, zone: string, host: string): void;
  unbind(portId: string): void;
  /** Makes a port bound to a server; undefined when Neutron would not (no free address, a quota). */
  create(request: PortRequest): string | undefined;
  remove(portId: string): void;
}
