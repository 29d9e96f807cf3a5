/**
 * The tree below a load balancer: listeners with their policies and rules, pools with their members and health monitors, each part as the
 * API gives it, inside the part that it belongs to. Pools are named where they are referred to, and in a tree that goes to a target each has
 * a name of its own.
 */

import {
  type Cloud,
  HEALTH_MONITORS,
  L7_POLICIES,
  L7_RULES,
  LISTENERS,
  POOL_MEMBERS,
  POOLS,
  parseKeyManagerHref,
} from "@permafrost/openstack";
import { canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import { sayable } from "./octavia-fields.ts";

export interface Tree {
  readonly pools: readonly JsonObject[];
  readonly listeners: readonly JsonObject[];
}

/** As it is in the cloud. Policies in the order of their positions. */
export async function readTree(cloud: Cloud, loadBalancerId: string): Promise<Tree> {
  const query = { loadbalancer_id: loadBalancerId };
  const pools: JsonObject[] = [];
  for await (const pool of cloud.collection(POOLS).list(query)) {
    const id = String(pool.id);
    const members = await Array.fromAsync(cloud.collection(POOL_MEMBERS, id).list());
    const monitor = pool.healthmonitor_id;
    const healthmonitor = typeof monitor === "string" ? await cloud.collection(HEALTH_MONITORS).get(monitor) : null;
    pools.push({ ...pool, members, healthmonitor });
  }
  const listeners: JsonObject[] = [];
  for await (const listener of cloud.collection(LISTENERS).list(query)) {
    const policies: JsonObject[] = [];
    for await (const policy of cloud.collection(L7_POLICIES).list({ listener_id: String(listener.id) })) {
      const rules = await Array.fromAsync(cloud.collection(L7_RULES, String(policy.id)).list());
      policies.push({ ...policy, rules });
    }
    policies.sort((a, b) => Number(a.position) - Number(b.position));
    listeners.push({ ...listener, l7policies: policies });
  }
  return { pools, listeners };
}

export function treeOf(object: JsonObject): Tree {
  return { pools: partsOf(object, "pools"), listeners: partsOf(object, "listeners") };
}

export function partsOf(object: JsonObject, name: string): JsonObject[] {
  return Array.isArray(object[name]) ? (object[name] as JsonObject[]) : [];
}

/** Names by which the pools can be told apart while the tree is made, by source id: their own where that is unique. */
export function poolNames(tree: Tree): Map<string, string> {
  const own = tree.pools.map((pool) => String(pool.name ?? ""));
  return new Map(
    tree.pools.map((pool, at) => {
      const name = own[at] ?? "";
      const unique = name !== "" && own.filter((other) => other === name).length === 1;
      return [String(pool.id), unique ? name : `permafrost-${String(pool.id)}`];
    }),
  );
}

/** The tree as one request for a whole load balancer takes it. */
export function graphOf(tree: Tree): JsonObject {
  const names = poolNames(tree);
  const reference = (id: Json | undefined) => ({ name: names.get(String(id)) ?? "" });
  const pools = tree.pools.map((pool) => ({
    ...sayable("pool", pool),
    name: names.get(String(pool.id)) ?? "",
    members: partsOf(pool, "members").map((member) => sayable("member", member)),
    ...(isObject(pool.healthmonitor) ? { healthmonitor: sayable("healthmonitor", pool.healthmonitor) } : {}),
  }));
  const listeners = tree.listeners.map((listener) => ({
    ...sayable("listener", listener),
    ...(typeof listener.default_pool_id === "string" ? { default_pool: reference(listener.default_pool_id) } : {}),
    l7policies: partsOf(listener, "l7policies").map((policy) => ({
      ...sayable("l7policy", policy),
      ...(typeof policy.redirect_pool_id === "string" ? { redirect_pool: reference(policy.redirect_pool_id) } : {}),
      rules: partsOf(policy, "rules").map((rule) => sayable("rule", rule)),
    })),
  }));
  return { pools, listeners };
}

/** Each part as one line that equal parts share, for comparison. Pools are named, not numbered. */
export function linesOf(tree: Tree): string[] {
  const nameOf = (id: Json | undefined) => {
    const pool = tree.pools.find((p) => p.id === id);
    return pool === undefined ? null : (pool.name ?? "");
  };
  return [
    ...tree.pools.flatMap((pool) => [
      `pool ${String(pool.name)}: ${canonicalJson(sayable("pool", pool))}`,
      ...partsOf(pool, "members").map((m) => `member of pool ${String(pool.name)}: ${canonicalJson(sayable("member", m))}`),
      ...(isObject(pool.healthmonitor)
        ? [`health monitor of pool ${String(pool.name)}: ${canonicalJson(sayable("healthmonitor", pool.healthmonitor))}`]
        : []),
    ]),
    ...tree.listeners.flatMap((listener) => {
      const at = `${String(listener.protocol)}:${String(listener.protocol_port)}`;
      const said = { ...sayable("listener", listener), default_pool: nameOf(listener.default_pool_id) };
      return [
        `listener ${at}: ${canonicalJson(said)}`,
        ...partsOf(listener, "l7policies").flatMap((policy, index) => [
          `policy ${index + 1} of listener ${at}: ${canonicalJson({ ...sayable("l7policy", policy), position: index + 1, redirect_pool: nameOf(policy.redirect_pool_id) })}`,
          ...partsOf(policy, "rules").map(
            (rule) => `rule of policy ${index + 1} of listener ${at}: ${canonicalJson(sayable("rule", rule))}`,
          ),
        ]),
      ];
    }),
  ].sort();
}

/** Every Barbican URL in the tree, as `{ ref, secret_id }` or `{ ref, container_id }`. */
export function keysIn(tree: Tree): JsonObject[] {
  const keys = new Map<string, JsonObject>();
  replaceRefs(tree as unknown as Json, (ref) => {
    const named = parseKeyManagerHref(ref);
    if (named !== undefined)
      keys.set(ref, named.kind === "secrets" ? { ref, secret_id: named.id } : { ref, container_id: named.id });
    return ref;
  });
  return [...keys.values()];
}

/** The value with every string below an attribute `…_ref` or `…_refs` replaced. */
export function replaceRefs(value: Json, replace: (ref: string) => string, isRef = false): Json {
  if (typeof value === "string") return isRef ? replace(value) : value;
  if (Array.isArray(value)) return value.map((item: Json) => replaceRefs(item, replace, isRef));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, replaceRefs(inner, replace, /_refs?$/.test(name))]),
  );
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
