/** Neutron's validators and converters by what they take (neutron-lib `api/validators`, `api/converters`), with its messages. */

import { canonicalAddress, formatNetwork, parseAddress, parseNetwork } from "./addresses.ts";
import { type Fields, maxText, pythonText, type Validator } from "./attributes.ts";
import { invalidInput } from "./error.ts";

export { maxText };

const UUID_LIKE = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

export const orNone =
  (validator: Validator): Validator =>
  (value) =>
    value === null || value === undefined ? undefined : validator(value);

export const uuid: Validator = (value) =>
  typeof value === "string" && UUID_LIKE.test(value) ? undefined : `'${pythonText(value)}' is not a valid UUID`;

export const oneOf =
  (...values: unknown[]): Validator =>
  (value) =>
    values.includes(value) ? undefined : `${pythonText(value)} is not in valid_values`;

export const within =
  (low: number, high: number): Validator =>
  (value) => {
    const number = Number(value);
    if (value === null || !Number.isInteger(number)) return `'${pythonText(value)}' is not an integer`;
    if (number < low) return `'${number}' is too small - must be at least '${low}'`;
    return number > high ? `'${number}' is too large - must be no larger than '${high}'` : undefined;
  };

export const nonNegative: Validator = (value) => {
  const number = Number(value);
  if (value === null || !Number.isInteger(number)) return `'${pythonText(value)}' is not an integer`;
  return number < 0 ? `'${number}' should be non-negative` : undefined;
};

export const listOf =
  (item: Validator): Validator =>
  (value) => {
    if (!Array.isArray(value)) return `'${pythonText(value)}' is not a list`;
    const keys = value.map((each) => JSON.stringify(each));
    const twice = value.filter((_, i) => keys.indexOf(keys[i] ?? "") !== i);
    if (twice.length > 0) return `Duplicate items in the list: '${twice.map(pythonText).join(", ")}'`;
    return value.map(item).find((problem) => problem !== undefined);
  };

export const address: Validator = (value) => {
  const parsed = parseAddress(value);
  return parsed === undefined ? `'${pythonText(value)}' is not a valid IP address` : undefined;
};

/** A network in canonical form for IPv4, any form for IPv6. */
export const subnet: Validator = (value) => {
  const parsed = parseNetwork(value);
  const isSame = parsed?.version === 6 || (parsed !== undefined && hostOf(value) === hostOf(String(value)));
  return parsed === undefined || !isSame ? `'${pythonText(value)}' is not a valid IP subnet` : undefined;
};

function hostOf(value: unknown): string {
  return String(value).split("/")[0] ?? "";
}

export const mac: Validator = (value) =>
  typeof value === "string" && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value) && value !== "00:00:00:00:00:00"
    ? undefined
    : `'${pythonText(value)}' is not a valid MAC address`;

export const routes: Validator = (value) => {
  if (!Array.isArray(value)) return `Invalid data format for hostroute: '${pythonText(value)}'`;
  const seen = new Set<string>();
  for (const route of value as Fields[]) {
    if (typeof route !== "object" || route === null || Object.keys(route).sort().join() !== "destination,nexthop")
      return "Validation of dictionary's keys failed. Expected keys: {'destination', 'nexthop'}";
    const network = parseNetwork(route.destination);
    if (network === undefined || parseAddress(hostOf(route.destination))?.value !== network.first)
      return `'${pythonText(route.destination)}' is not a valid CIDR`;
    const problem = address(route.nexthop);
    if (problem !== undefined) return problem;
    const key = JSON.stringify(route);
    if (seen.has(key)) return `Duplicate hostroute '${pythonText(route)}'`;
    seen.add(key);
  }
  return undefined;
};

export const pools: Validator = (value) => {
  if (!Array.isArray(value)) return `Invalid data format for IP pool: '${pythonText(value)}'`;
  for (const pool of value as Fields[]) {
    if (typeof pool !== "object" || pool === null || Object.keys(pool).sort().join() !== "end,start")
      return `Validation of dictionary's keys failed. Expected keys: {'start', 'end'} Provided keys: ${pythonText(Object.keys(pool ?? {}))}`;
    const problem = address(pool.start) ?? address(pool.end);
    if (problem !== undefined) return problem;
  }
  return undefined;
};

export const nameservers: Validator = (value) => {
  if (!Array.isArray(value)) return `Invalid data format for nameserver: '${pythonText(value)}'`;
  const seen = new Set<unknown>();
  for (const host of value) {
    const problem = address(host);
    if (problem !== undefined) return `'${pythonText(host)}' is not a valid nameserver. ${problem}`;
    if (seen.has(host)) return `Duplicate nameserver '${pythonText(host)}'`;
    seen.add(host);
  }
  return undefined;
};

export const fixedIps: Validator = (value) => {
  if (!Array.isArray(value)) return `Invalid data format for fixed IP: '${pythonText(value)}'`;
  const seen = new Set<unknown>();
  for (const ip of value as Fields[]) {
    if (typeof ip !== "object" || ip === null) return `Invalid data format for fixed IP: '${pythonText(ip)}'`;
    if ("ip_address" in ip) {
      if (seen.has(ip.ip_address)) return `Duplicate IP address '${pythonText(ip.ip_address)}'`;
      const problem = address(ip.ip_address);
      if (problem !== undefined) return problem;
      seen.add(ip.ip_address);
    }
    const problem = "subnet_id" in ip ? uuid(ip.subnet_id) : undefined;
    if (problem !== undefined) return problem;
  }
  return undefined;
};

export function toBoolean(value: unknown): unknown {
  if (typeof value === "boolean") return value;
  if (value === 1 || value === 0) return value === 1;
  if (typeof value === "string" && /^(true|1)$/i.test(value)) return true;
  if (typeof value === "string" && /^(false|0)$/i.test(value)) return false;
  return invalidInput(`'${pythonText(value)}' cannot be converted to boolean`);
}

export const toBooleanOrNone = (value: unknown): unknown => (value === null ? null : toBoolean(value));

export function toInteger(value: unknown): unknown {
  const number = typeof value === "string" && /^\s*-?\d+\s*$/.test(value) ? Number(value) : value;
  if (typeof number === "boolean") return number ? 1 : 0;
  if (typeof number === "number" && Number.isFinite(number)) return Math.trunc(number);
  return invalidInput(`'${pythonText(value)}' is not an integer`);
}

export const toIntegerOrNone = (value: unknown): unknown => (value === null ? null : toInteger(value));
export const toList = (value: unknown): unknown => value ?? [];
export const toLowerCase = (value: unknown): unknown => (typeof value === "string" ? value.toLowerCase() : value);
export const toCanonicalAddress = (value: unknown): unknown => (typeof value === "string" ? canonicalAddress(value) : value);

export function toCanonicalNetwork(value: unknown): unknown {
  if (value === null) return null;
  const address = parseAddress(value);
  if (address !== undefined) return `${value}/${address.version === 4 ? 32 : 128}`;
  const network = parseNetwork(value);
  if (network === undefined) return invalidInput(`${pythonText(value)} is not in a CIDR format`);
  return network.version === 6 ? formatNetwork(network) : value;
}

export function toCanonicalPools(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return (value as Fields[]).map((pool) =>
    pool !== null && typeof pool === "object"
      ? Object.fromEntries(Object.entries(pool).map(([key, text]) => [key, toCanonicalAddress(text)]))
      : pool,
  );
}
