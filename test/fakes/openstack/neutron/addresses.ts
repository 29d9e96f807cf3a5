/** IP addresses and networks as numbers: parsing as strictly as Neutron's validators, canonical text, ranges, EUI-64. Pure. */

import { isIPv4, isIPv6 } from "node:net";

export type Version = 4 | 6;

export interface Address {
  readonly version: Version;
  readonly value: bigint;
}

export interface Network {
  readonly version: Version;
  readonly first: bigint;
  readonly last: bigint;
  readonly length: number;
}

const bitsOf = (version: Version) => (version === 4 ? 32 : 128);

export function parseAddress(text: unknown): Address | undefined {
  if (typeof text !== "string") return undefined;
  if (isIPv4(text)) return { version: 4, value: text.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n) };
  if (!isIPv6(text) || text.includes("%")) return undefined;
  // The platform's URL parser writes every form of an IPv6 address in one way, without dotted parts.
  const plain = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [head = "", tail] = plain.split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const [before, after] = [groups(head), tail === undefined ? [] : groups(tail)];
  const middle = Array.from({ length: tail === undefined ? 0 : 8 - before.length - after.length }, () => "0");
  return { version: 6, value: [...before, ...middle, ...after].reduce((sum, g) => sum * 65_536n + BigInt(`0x${g}`), 0n) };
}

export function formatAddress({ version, value }: Address): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 65_535n).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

export function canonicalAddress(text: string): string {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
}

/** Host bits are cut off. A text without a length is no network. */
export function parseNetwork(text: unknown): Network | undefined {
  if (typeof text !== "string") return undefined;
  const [, host, length] = /^([^/\s]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseAddress(host);
  if (address === undefined || Number(length) > bitsOf(address.version)) return undefined;
  return networkOf(address, Number(length));
}

export function networkOf({ version, value }: Address, length: number): Network {
  const size = 1n << BigInt(bitsOf(version) - length);
  const first = value - (value % size);
  return { version, first, last: first + size - 1n, length };
}

export function formatNetwork({ version, first, length }: Network): string {
  return `${formatAddress({ version, value: first })}/${length}`;
}

export function contains(network: Network, address: Address): boolean {
  return network.version === address.version && address.value >= network.first && address.value <= network.last;
}

export function overlaps(a: Network, b: Network): boolean {
  return a.version === b.version && a.first <= b.last && b.first <= a.last;
}

/** The address that a host with this MAC gives itself in a /64. */
export function eui64(network: Network, mac: string): string {
  const octets = mac.split(":").map((octet) => BigInt(`0x${octet}`));
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = octets;
  const host = [a ^ 2n, b, c, 0xffn, 0xfen, d, e, f].reduce((sum, octet) => sum * 256n + octet, 0n);
  return formatAddress({ version: 6, value: network.first + host });
}

export interface Pool {
  readonly start: string;
  readonly end: string;
}

/** Every host address of a subnet but its gateway, as Neutron's `generate_pools`. */
export function poolsWithout(network: Network, gateway: string | null): Pool[] {
  const { version, length } = network;
  const small = version === 4 ? length >= 31 : length >= 127;
  const first = small ? network.first : network.first + 1n;
  const last = version === 4 && !small ? network.last - 1n : network.last;
  const hole = gateway === null ? undefined : parseAddress(gateway)?.value;
  const pools: [bigint, bigint][] = hole === undefined || hole < first || hole > last ? [[first, last]] : [];
  if (pools.length === 0 && hole !== undefined) {
    if (hole > first) pools.push([first, hole - 1n]);
    if (hole < last) pools.push([hole + 1n, last]);
  }
  const text = (value: bigint) => formatAddress({ version, value });
  return pools.map(([start, end]) => ({ start: text(start), end: text(end) }));
}
