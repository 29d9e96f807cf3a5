/** Names as Neutron's DNS integration takes them, and the assignments it shows of a port. */

import { type Fields, maxText, pythonText, type Validator } from "./attributes.ts";

export const DNS_DOMAIN = "openstacklocal.";

export const dnsDomain: Validator = (value) => {
  if (value === "" || value === null) return undefined;
  const problem = maxText(255)(value) ?? labels(String(value));
  return problem ?? (String(value).endsWith(".") ? undefined : `'${value}' is not a FQDN`);
};

export const dnsName: Validator = (value) =>
  value === "" || value === null ? undefined : (maxText(255)(value) ?? labels(String(value)));

function labels(name: string): string | undefined {
  const parts = name.replace(/\.$/, "").split(".");
  const wrong = parts.some((part) => !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(part));
  if (wrong)
    return `'${pythonText(name)}' not a valid PQDN or FQDN. Reason: Name '${name}' must be 1-63 characters long, each of which can only be alphanumeric or a hyphen`;
  return undefined;
}

export function dnsAssignment(name: unknown, fixedIps: readonly { readonly ip_address: string }[]): Fields[] {
  return fixedIps.map(({ ip_address }) => {
    const hostname = typeof name === "string" && name !== "" ? name : `host-${ip_address.replace(/[.:]+/g, "-")}`;
    return { ip_address, hostname, fqdn: `${hostname}.${DNS_DOMAIN}` };
  });
}
