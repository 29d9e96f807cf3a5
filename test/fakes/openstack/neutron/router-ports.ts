/** The ports of a router: its interfaces by their device, its gateways by what it notes of them. */

import type { Networking, Row } from "./networking.ts";

export const INTERFACE_OWNER = "network:router_interface";

export function interfacesOf(net: Networking, routerId: string): Row[] {
  return net.all("port").filter((port) => port.fields.device_id === routerId && port.fields.device_owner === INTERFACE_OWNER);
}

export function gatewaysOf(net: Networking, router: Row): Row[] {
  return (router.fields.gateways as string[]).flatMap((id) => net.find("port", id) ?? []);
}
