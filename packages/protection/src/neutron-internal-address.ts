/** The address behind a floating IP, a forwarding or a proxy: the captured one, where the port in the target has it, else the port's own. */

import type { ApiObject } from "@permafrost/openstack";
import { addressesOf } from "./neutron-ownership.ts";

/** Undefined if the port has no address of that family. */
export function internalAddress(port: ApiObject, captured: string): string | undefined {
  const addresses = addressesOf(port);
  if (addresses.includes(captured)) return captured;
  return addresses.find((a) => a.includes(":") === captured.includes(":"));
}

/** Set if it is another than the captured one, or one of several that could be meant. */
export function addressWarning(what: string, captured: string, chosen: string | undefined): string[] {
  if (chosen === captured) return [];
  return chosen === undefined
    ? [`${what} is left out: the port has no address in place of ${captured}`]
    : [`${what} leads to ${chosen} instead of ${captured}: that is the address of the port now`];
}
