/** Port forwardings of a floating IP: each looked for before it is made, so this may run again. */

import { type ApiObject, type Cloud, PORT_FORWARDINGS, PORTS } from "@permafrost/openstack";
import { canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import { ifThere } from "./if-there.ts";
import { addressWarning, internalAddress } from "./neutron-internal-address.ts";

const FIELDS = ["protocol", "internal_port_id", "internal_ip_address", "description"] as const;
const SIDES = ["internal_port", "external_port"] as const;

export async function forwardingsOf(cloud: Cloud, floatingIpId: string): Promise<ApiObject[]> {
  if (!(await cloud.networkExtensions()).has(PORT_FORWARDINGS.extension ?? "")) return [];
  return await Array.fromAsync(cloud.collection(PORT_FORWARDINGS, floatingIpId).list());
}

/** `wanted` has the target's ids. Returns warnings. */
export async function addForwardings(cloud: Cloud, floatingIpId: string, wanted: readonly JsonObject[]): Promise<string[]> {
  if (wanted.length === 0) return [];
  const extensions = await cloud.networkExtensions();
  if (!extensions.has(PORT_FORWARDINGS.extension ?? "")) return [];
  const { bodies, warnings } = await bodiesOf(cloud, wanted);
  const have = new Set((await forwardingsOf(cloud, floatingIpId)).map(textOf));
  for (const body of bodies) {
    if (have.has(textOf(body))) continue;
    const { description, ...rest } = body;
    const describes = extensions.has("floating-ip-port-forwarding-description") && description !== undefined;
    await cloud.collection(PORT_FORWARDINGS, floatingIpId).create(describes ? body : rest);
  }
  return warnings;
}

/** All, or those that `kept` does not have. */
export async function removeForwardings(cloud: Cloud, floatingIpId: string, kept: readonly JsonObject[] = []): Promise<void> {
  const keep = new Set(kept.map((k) => String(k.id)));
  for (const { id } of await forwardingsOf(cloud, floatingIpId))
    if (!keep.has(String(id))) await cloud.collection(PORT_FORWARDINGS, floatingIpId).delete(String(id));
}

export async function forwardingDifferences(
  cloud: Cloud,
  floatingIpId: string,
  wanted: readonly JsonObject[],
): Promise<string[]> {
  const { bodies } = await bodiesOf(cloud, wanted);
  const [want, have] = [bodies.map(textOf), (await forwardingsOf(cloud, floatingIpId)).map(textOf)];
  return [
    ...want.filter((w) => !have.includes(w)).map((w) => `port_forwardings: expected ${w}, found none`),
    ...have.filter((h) => !want.includes(h)).map((h) => `port_forwardings: expected none, found ${h}`),
  ];
}

async function bodiesOf(cloud: Cloud, wanted: readonly JsonObject[]): Promise<{ bodies: JsonObject[]; warnings: string[] }> {
  const [bodies, warnings]: [JsonObject[], string[]] = [[], []];
  for (const one of wanted) {
    const port = await ifThere(cloud.collection(PORTS).get(String(one.internal_port_id)));
    const captured = String(one.internal_ip_address);
    const address = port === undefined ? undefined : internalAddress(port, captured);
    warnings.push(
      ...addressWarning(`the forwarding of ${String(one.protocol)} ${rangeOf(one, "external_port")}`, captured, address),
    );
    if (address !== undefined) bodies.push({ ...bare(one), internal_ip_address: address });
  }
  return { bodies, warnings };
}

/** A range of one port is that port: older servers know no ranges. */
function bare(forwarding: JsonObject): JsonObject {
  const result: Record<string, Json> = {};
  for (const field of FIELDS) {
    const value = forwarding[field];
    if (value !== undefined && value !== null && value !== "") result[field] = value;
  }
  for (const side of SIDES) {
    const range = rangeOf(forwarding, side);
    if (/^\d+$/.test(range)) result[side] = Number(range);
    else result[`${side}_range`] = range;
  }
  return result;
}

/** As `80` or `80:90`. */
function rangeOf(forwarding: JsonObject, side: (typeof SIDES)[number]): string {
  const [first = "", last = first] = String(forwarding[`${side}_range`] ?? forwarding[side]).split(":");
  return first === last ? first : `${first}:${last}`;
}

function textOf(forwarding: JsonObject): string {
  return canonicalJson(bare(forwarding));
}
