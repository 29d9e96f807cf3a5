/**
 * Making below a load balancer what is missing of its tree, one request at a time: for a provider that takes no whole tree, and after a
 * death. A load balancer takes a change only while it is ACTIVE, so every request is followed by a wait.
 *
 * It looks before it makes: pools are known by the name that only one has (and by the journal once they lost it), listeners by protocol and
 * port, members by address and port, policies by their place, rules by what they say. A pool gets its own name back last.
 */

import {
  type Collection,
  type CollectionSpec,
  HEALTH_MONITORS,
  L7_POLICIES,
  L7_RULES,
  LISTENERS,
  POOL_MEMBERS,
  POOLS,
} from "@permafrost/openstack";
import { canonicalJson, type JsonObject } from "@permafrost/std";
import { sayable } from "./octavia-fields.ts";
import { isObject, partsOf, poolNames, readTree, type Tree } from "./octavia-tree.ts";
import type { Context } from "./resource-type.ts";

const POOL = "octavia.pool";

/** `settled` waits until the load balancer takes the next change. */
export async function growTree(
  context: Context,
  loadBalancerId: string,
  wanted: Tree,
  settled: () => Promise<void>,
): Promise<void> {
  const { cloud, journal } = context;
  const have = await readTree(cloud, loadBalancerId);
  const names = poolNames(wanted);
  const make = async (collection: Collection, body: JsonObject): Promise<JsonObject> => {
    const made = await collection.create(body);
    await settled();
    return made;
  };
  const at = (spec: CollectionSpec, parent?: string) => cloud.collection(spec, parent);

  const pools = new Map<string, string>();
  for (const pool of wanted.pools) {
    const [source, name] = [String(pool.id), names.get(String(pool.id)) ?? ""];
    const noted = await journal.find(POOL, source);
    const known = have.pools.find((p) => p.id === noted) ?? have.pools.find((p) => p.name === name);
    const there = known ?? (await make(at(POOLS), { ...sayable("pool", pool), name, loadbalancer_id: loadBalancerId }));
    const id = String(there.id);
    pools.set(source, id);
    await journal.note(POOL, source, id);
    const members = new Set((known === undefined ? [] : partsOf(known, "members")).map(memberKey));
    for (const member of partsOf(pool, "members"))
      if (!members.has(memberKey(member))) await make(at(POOL_MEMBERS, id), sayable("member", member));
    if (isObject(pool.healthmonitor) && !isObject(known?.healthmonitor))
      await make(at(HEALTH_MONITORS), { ...sayable("healthmonitor", pool.healthmonitor), pool_id: id });
  }

  for (const listener of wanted.listeners) {
    const known = have.listeners.find((l) => listenerKey(l) === listenerKey(listener));
    const pool = pools.get(String(listener.default_pool_id));
    const body = { ...sayable("listener", listener), loadbalancer_id: loadBalancerId };
    const there = known ?? (await make(at(LISTENERS), pool === undefined ? body : { ...body, default_pool_id: pool }));
    const policies = known === undefined ? [] : partsOf(known, "l7policies");
    // Made in their order, so those that are there are the first ones.
    for (const [index, policy] of partsOf(listener, "l7policies").entries()) {
      const redirect = pools.get(String(policy.redirect_pool_id));
      const said = { ...sayable("l7policy", policy), position: index + 1, listener_id: String(there.id) };
      const same = policies[index];
      const made = same ?? (await make(at(L7_POLICIES), redirect === undefined ? said : { ...said, redirect_pool_id: redirect }));
      const rules = (same === undefined ? [] : partsOf(same, "rules")).map(ruleKey);
      for (const rule of partsOf(policy, "rules")) {
        const found = rules.indexOf(ruleKey(rule));
        if (found >= 0) rules.splice(found, 1);
        else await make(at(L7_RULES, String(made.id)), sayable("rule", rule));
      }
    }
  }

  for (const pool of wanted.pools) {
    const id = pools.get(String(pool.id)) ?? "";
    const now = have.pools.find((p) => p.id === id)?.name ?? names.get(String(pool.id));
    if (now === (pool.name ?? "")) continue;
    await at(POOLS).update(id, { name: pool.name ?? "" });
    await settled();
  }
}

function memberKey({ address, protocol_port }: JsonObject): string {
  return `${String(address)} ${String(protocol_port)}`;
}

function listenerKey({ protocol, protocol_port }: JsonObject): string {
  return `${String(protocol)} ${String(protocol_port)}`;
}

function ruleKey(rule: JsonObject): string {
  return canonicalJson(sayable("rule", rule));
}
