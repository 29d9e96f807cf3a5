/** What the provider `ovn` refuses (ovn-octavia-provider 8, `driver.py`): it balances packets and knows nothing of what is in them. */

import type { BalancerKind } from "./balancers.ts";
import { type Fields, refuse } from "./wsme.ts";

const PROTOCOLS = ["TCP", "UDP", "SCTP"];
const MONITORS = ["UDP-CONNECT", "TCP"];

/** Throws for a new part, or one that is to be changed, with these fields. */
export function refuseForOvn(kind: BalancerKind, fields: Fields): void {
  if (kind === "l7policy" || kind === "rule")
    refuse(
      501,
      `Provider 'ovn' does not support a requested action: This provider does not support creating ${kind === "rule" ? "l7rules" : "l7policies"}.`,
    );
  const { protocol, lb_algorithm: algorithm, session_persistence: session, allowed_cidrs: cidrs, type } = fields;
  if (protocol !== undefined && !PROTOCOLS.includes(String(protocol)))
    option(`OVN provider does not support ${protocol} protocol`);
  if (algorithm != null && algorithm !== "SOURCE_IP_PORT") option(`OVN provider does not support ${algorithm} algorithm`);
  const persistence = (session as Fields | null | undefined)?.type;
  if (persistence !== undefined && persistence !== "SOURCE_IP")
    option(`OVN provider does not support ${persistence} session persistence. Only SOURCE_IP type is supported.`);
  if (((cidrs ?? []) as unknown[]).length > 0) option("OVN provider does not support allowed_cidrs option");
  if (kind === "member" && (fields.monitor_address != null || fields.monitor_port != null))
    option("OVN Load Balancer does not support different member monitor address or port.");
  if (kind === "healthmonitor" && type !== undefined && !MONITORS.includes(String(type)))
    option(`OVN provider does not support ${type} health monitor type. Supported types: ${MONITORS.join(", ")}`);
}

function option(why: string): never {
  refuse(501, `Provider 'ovn' does not support a requested option: ${why}`);
}
