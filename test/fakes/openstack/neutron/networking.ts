/**
 * The state of the fake Neutron: rows of every kind, what is switched off, quotas; and what other fake services (Nova, Octavia, VPN) and
 * tests do with it directly. Nothing here asks who may: that is `neutron.ts`. What it refuses it refuses as the server would.
 */

import type { Clock } from "@permafrost/std";
import { uuid } from "../ids.ts";
import type { Fields } from "./attributes.ts";
import type { Kind } from "./kind.ts";
import { POLICIES } from "./policies.ts";
import { Policy } from "./policy.ts";

/** `fields` are the attributes in the API's names, without the id, the owner and the standard attributes. */
export interface Row {
  readonly id: string;
  /** The name of its kind, such as `network`. */
  readonly kind: string;
  readonly sequence: number;
  readonly createdMs: number;
  updatedMs: number;
  revision: number;
  projectId: string;
  tags: string[];
  /** Of a kind below another. */
  readonly parentId?: string;
  readonly fields: Fields;
}

export interface NetworkingOptions {
  /** The MTU that a tunnel network gets, and the most that one may ask for. Default 1442 and 1500. */
  readonly mtu?: number;
  readonly mtuMax?: number;
  /** Whether a subnet with DHCP gets a DHCP port, as with the DHCP agent; default true. OVN has none. */
  readonly dhcpPorts?: boolean;
  /** FWaaS v2 and its driver; default none. `agents`: the L2 and L3 agents, for ports of routers and servers. `ovn`: for those of routers. */
  readonly firewall?: "agents" | "ovn";
}

const FIREWALL_QUOTAS = { firewall_group: 10, firewall_policy: 10, firewall_rule: 100 };

const QUOTA_DEFAULTS: Readonly<Record<string, number>> = {
  network: 200,
  subnet: 200,
  subnetpool: -1,
  port: 1000,
  router: 50,
  floatingip: 100,
  security_group: 100,
  security_group_rule: 1000,
  rbac_policy: 10,
  trunk: -1,
};

export class Networking {
  readonly rows = new Map<string, Row>();
  readonly kinds = new Map<string, Kind>();
  readonly policy = new Policy(POLICIES);
  /** Aliases of extensions that this cloud does not have. */
  readonly withoutExtensions = new Set(["filter-validation", "vpn-agent-scheduler"]);
  /** By project id, then resource. */
  readonly quotas = new Map<string, Map<string, number>>();
  readonly physicalNetworks = new Map<string, readonly [number, number] | "flat">([
    ["public", "flat"],
    ["physnet1", [100, 299]],
  ]);
  readonly zones: string[] = ["nova"];
  readonly mtu: number;
  readonly mtuMax: number;
  readonly dhcpPorts: boolean;
  /** The driver; a test may change it. */
  firewall: "agents" | "ovn" | undefined;
  /** What a project has without a quota of its own. */
  readonly quotaDefaults: Readonly<Record<string, number>>;
  readonly #clock: Clock;
  #sequence = 0;
  #mac = 0;

  constructor(clock: Clock, options: NetworkingOptions = {}) {
    this.#clock = clock;
    this.mtu = options.mtu ?? 1442;
    this.mtuMax = options.mtuMax ?? 1500;
    this.dhcpPorts = options.dhcpPorts ?? true;
    this.firewall = options.firewall;
    this.quotaDefaults = this.firewall === undefined ? QUOTA_DEFAULTS : { ...QUOTA_DEFAULTS, ...FIREWALL_QUOTAS };
    if (this.firewall === undefined)
      for (const alias of ["fwaas_v2", "standard-attr-fwaas-v2"]) this.withoutExtensions.add(alias);
  }

  /** Makes a further collection known, such as a VPN plugin's. */
  register(...kinds: readonly Kind[]): void {
    for (const kind of kinds) this.kinds.set(kind.name, kind);
  }

  kind(name: string): Kind {
    const kind = this.kinds.get(name);
    if (kind === undefined) throw new RangeError(`no kind ${name}`);
    return kind;
  }

  hasExtension(alias: string | undefined): boolean {
    return alias === undefined || !this.withoutExtensions.has(alias);
  }

  add(kind: string, projectId: string, fields: Fields, more: { id?: string; parentId?: string; tags?: string[] } = {}): Row {
    const now = this.#clock.now();
    const row: Row = {
      id: more.id ?? uuid(),
      kind,
      sequence: ++this.#sequence,
      createdMs: now,
      updatedMs: now,
      revision: 1,
      projectId,
      tags: more.tags ?? [],
      ...(more.parentId === undefined ? {} : { parentId: more.parentId }),
      fields,
    };
    this.rows.set(row.id, row);
    return row;
  }

  touch(row: Row): void {
    row.updatedMs = this.#clock.now();
    row.revision++;
  }

  remove(row: Row): void {
    this.rows.delete(row.id);
  }

  /** All of a kind, oldest first. */
  all(kind: string): Row[] {
    return [...this.rows.values()].filter((row) => row.kind === kind);
  }

  /** The row, if it is of that kind. */
  find(kind: string, id: unknown): Row | undefined {
    const row = this.rows.get(String(id));
    return row?.kind === kind ? row : undefined;
  }

  /** The row; else the server's "could not be found". */
  need(kind: string, id: unknown): Row {
    return this.find(kind, id) ?? this.kind(kind).missing(String(id));
  }

  limit(projectId: string, resource: string): number {
    return this.quotas.get(projectId)?.get(resource) ?? this.quotaDefaults[resource] ?? -1;
  }

  setQuota(projectId: string, limits: Readonly<Record<string, number>>): void {
    const own = this.quotas.get(projectId) ?? new Map<string, number>();
    for (const [resource, limit] of Object.entries(limits)) own.set(resource, limit);
    this.quotas.set(projectId, own);
  }

  /** A MAC address that nobody has. */
  newMac(): string {
    this.#mac++;
    const tail = [16, 8, 0].map((shift) => ((this.#mac >> shift) & 255).toString(16).padStart(2, "0"));
    return `fa:16:3e:${tail.join(":")}`;
  }

  time(ms: number): string {
    return `${new Date(ms).toISOString().slice(0, 19)}Z`;
  }
}
