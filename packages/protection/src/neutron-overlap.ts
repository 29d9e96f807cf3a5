/** Ranges of addresses, IPv4 and IPv6. Pure. */

import { BlockList, isIPv6 } from "node:net";

type Family = "ipv4" | "ipv6";

/** Whether the address is in the CIDR. */
export function contains(cidr: string, address: string): boolean {
  const [base = "", bits = ""] = cidr.split("/");
  if (familyOf(base) !== familyOf(address)) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(bits), familyOf(base));
  return list.check(address, familyOf(address));
}

/** Whether two CIDRs have an address in common: one of them then begins inside the other. */
export function overlap(a: string, b: string): boolean {
  return contains(a, b.split("/")[0] ?? "") || contains(b, a.split("/")[0] ?? "");
}

function familyOf(address: string): Family {
  return isIPv6(address) ? "ipv6" : "ipv4";
}
