/**
 * What the full tenant has, and what of it a restore may leave undone and the suite does not compare, because nobody can restore it, or not
 * who restores it there. The one place where that is said; every run prints it, with the rows it left out.
 */

import type { Scenario } from "./allowed-differences.ts";

export interface LeftOut {
  readonly type: RegExp;
  /** Of the row's name; default: all of the type. */
  readonly label?: RegExp;
  readonly only?: readonly Scenario[];
  readonly why: string;
}

export const LEFT_OUT: readonly LeftOut[] = [
  {
    type: /^keystone\.(application-credential|ec2-credential|trust)$/,
    why: "nobody can make it for somebody else",
  },
  {
    type: /^keystone\./,
    why: "a member makes no users, groups and role assignments; the second project has its own",
    only: ["second"],
  },
  { type: /\.quota$/, why: "quotas are an administrator's", only: ["second"] },
  {
    type: /^neutron\.(qos-policy|metering-label|metering-label-rule|log)$/,
    why: "Neutron lets only an administrator make it",
    only: ["second"],
  },
  { type: /^designate\./, why: "a DNS zone is one project's in a cloud, and it is still the first's", only: ["second"] },
  { type: /^barbican\.order$/, why: "the record of a request: its secret is restored" },
  { type: /^barbican\.secret$/, label: /^(|permafrost-key-.*)$/, why: "the key of an encrypted volume: its volume has it" },
  { type: /^nova\.keypair$/, why: "a keypair belongs to a user, not to the project" },
  // The inventory says `snapshot`, a session `volume-snapshot`.
  {
    type: /^cinder\.((volume-)?snapshot|group-snapshot)$/,
    why: "Cinder takes one of what a volume holds now, not of what it held then",
  },
];

export function leftOutOf(
  type: string,
  label: string,
  scenario: Scenario,
  list: readonly LeftOut[] = LEFT_OUT,
): string | undefined {
  return list.find(
    (one) => one.type.test(type) && one.label?.test(label) !== false && (one.only === undefined || one.only.includes(scenario)),
  )?.why;
}

/** Types of the inventory of which the seeded project has at least one. */
const SEEDED = [
  "barbican.container",
  "barbican.secret",
  "cinder.group",
  "cinder.snapshot",
  "cinder.volume",
  "cinder.volume-encryption",
  "designate.recordset",
  "designate.zone",
  "glance.image",
  "glance.image-member",
  "keystone.application-credential",
  "keystone.ec2-credential",
  "keystone.group",
  "keystone.role-assignment",
  "keystone.trust",
  "keystone.user",
  "neutron.address-group",
  "neutron.address-scope",
  "neutron.floating-ip",
  "neutron.ike-policy",
  "neutron.ipsec-policy",
  "neutron.ipsec-site-connection",
  "neutron.metering-label",
  "neutron.network",
  "neutron.port",
  "neutron.port-forwarding",
  "neutron.qos-policy",
  "neutron.rbac-policy",
  "neutron.router",
  "neutron.security-group",
  "neutron.subnet",
  "neutron.subnet-pool",
  "neutron.trunk",
  "neutron.vpn-endpoint-group",
  "neutron.vpn-service",
  "nova.keypair",
  "nova.server",
  "nova.server-group",
  "nova.volume-attachment",
  "octavia.health-monitor",
  "octavia.l7-policy",
  "octavia.l7-rule",
  "octavia.listener",
  "octavia.load-balancer",
  "octavia.member",
  "octavia.pool",
  "swift.container",
  "swift.object",
] as const;

export function missingTypes(resources: Readonly<Record<string, readonly unknown[]>>): string[] {
  return SEEDED.filter((type) => (resources[type] ?? []).length === 0);
}
