/** Octavia's status tree of a load balancer: listeners, their pools, members and monitors, and the states of each. */

import type { BalancerRow, Balancers } from "./balancers.ts";
import type { Fields } from "./wsme.ts";

export function statusTree(state: Balancers, lb: BalancerRow): Fields {
  const shown = (row: BalancerRow): Fields => ({
    id: row.id,
    name: row.fields.name ?? "",
    operating_status: row.operating,
    provisioning_status: row.provisioning,
  });
  const pool = (row: BalancerRow): Fields => {
    const monitor = state.all("healthmonitor", row.id)[0];
    return {
      ...shown(row),
      ...(monitor === undefined ? {} : { health_monitor: { ...shown(monitor), type: monitor.fields.type } }),
      members: state
        .all("member", row.id)
        .map((each) => ({ ...shown(each), address: each.fields.address, protocol_port: each.fields.protocol_port })),
    };
  };
  const pools = (listener: BalancerRow) =>
    state.under(lb.id, "pool").filter((row) => state.listenersOf(row.id).includes(listener));
  const listeners = state.under(lb.id, "listener").map((row) => ({ ...shown(row), pools: pools(row).map(pool) }));
  return { loadbalancer: { ...shown(lb), listeners } };
}
