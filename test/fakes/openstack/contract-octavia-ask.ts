/** What the Octavia checks share: URLs, making a load balancer and waiting for it, being refused. */

import type { Answer, AskOptions, Check, World } from "./contract.ts";
import { networkWithSubnet } from "./contract-neutron-ask.ts";

const POLLS_MAX = 120;

export const lbUrl = (world: World, path: string) =>
  `${world.urls["load-balancer"].replace(/\/(v2(\.0)?)?\/?$/, "")}/v2/lbaas${path}`;

type Fields = Record<string, unknown>;

export function octaviaCheck(name: string, run: (world: World) => Promise<void>): Check {
  return {
    name: `octavia: ${name}`,
    run: async (world) =>
      world.urls["load-balancer"] === "" ? world.skip("the cloud has no service load-balancer") : await run(world),
  };
}

/** The envelope of one in a collection. */
function memberOf(collection: string): string {
  const last = collection.split("/").at(-1) ?? "";
  return last.replace(/ies$/, "y").replace(/s$/, "");
}

export interface Balancer extends Fields {
  readonly id: string;
  /** Of its VIP. */
  readonly subnet: string;
}

/** A load balancer on a network of its own, as the server answers at once; gone with all that is on it when the check has ended. */
export async function makeBalancer(world: World, n: number, fields: Fields = {}): Promise<Balancer> {
  const { subnet } = await networkWithSubnet(world, n);
  const loadbalancer = { name: "fake-lb", vip_subnet_id: subnet, provider: "amphora", ...fields };
  const made = await world.expect(201, "POST", lbUrl(world, "/loadbalancers"), { json: { loadbalancer } });
  const object = (made.json?.loadbalancer ?? {}) as Fields & { id: string };
  world.later(async () => await removeBalancer(world, object.id));
  return { ...object, subnet };
}

export async function removeBalancer(world: World, id: string): Promise<void> {
  await settle(world, id);
  await world.ask("DELETE", lbUrl(world, `/loadbalancers/${id}?cascade=true`));
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    const { status } = await world.ask("GET", lbUrl(world, `/loadbalancers/${id}`));
    if (status === 404) return;
    await world.pause();
  }
  world.problems.push(`load balancer ${id} does not go`);
}

/** Waits until the tree takes changes again; its provisioning status. */
export async function settle(world: World, id: string): Promise<string> {
  let status = "";
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    const { json } = await world.ask("GET", lbUrl(world, `/loadbalancers/${id}`));
    status = String(json?.loadbalancer?.provisioning_status);
    if (!status.startsWith("PENDING")) return status;
    await world.pause();
  }
  return status;
}

/** Makes something on a load balancer and waits until it takes changes again. */
export async function makeOn(world: World, lbId: string, collection: string, fields: Fields): Promise<Fields & { id: string }> {
  const json = { [memberOf(collection)]: fields };
  const made = await world.expect(201, "POST", lbUrl(world, `/${collection}`), { json });
  await settle(world, lbId);
  return made.json?.[memberOf(collection)] ?? {};
}

export async function changeOn(world: World, lbId: string, path: string, fields: Fields): Promise<Fields> {
  const json = { [memberOf(path.split("/").slice(0, -1).join("/"))]: fields };
  await world.expect(200, "PUT", lbUrl(world, `/${path}`), { json });
  await settle(world, lbId);
  return await shown(world, path);
}

export async function shown(world: World, path: string): Promise<Fields> {
  const { json } = await world.expect(200, "GET", lbUrl(world, `/${path}`));
  return json?.[memberOf(path.split("/").slice(0, -1).join("/"))] ?? {};
}

export async function dropOn(world: World, lbId: string, path: string): Promise<void> {
  await world.expect(204, "DELETE", lbUrl(world, `/${path}`));
  await settle(world, lbId);
}

/** Expects a fault of this status whose text has the part. */
export async function faulted(
  world: World,
  wanted: readonly [status: number, part: string],
  method: string,
  path: string,
  json?: unknown,
  as: AskOptions["as"] = "member",
): Promise<Answer> {
  const [status, part] = wanted;
  const answer = await world.expect(status, method, lbUrl(world, `/${path}`), { as, ...(json === undefined ? {} : { json }) });
  world.contains(`${method} ${path} ${JSON.stringify(json ?? "").slice(0, 200)}`, String(answer.json?.faultstring), part);
  return answer;
}
