/**
 * A whole fake OpenStack cloud in this process: Keystone, Glance, Cinder, Swift, Nova, Neutron, Barbican and Designate on
 * ports of 127.0.0.1, one state, one journal, scripted faults. It is shaped after a real 2025.1 cloud; `contract.ts` runs
 * the same checks on both.
 *
 * Promises: no state outside the object, nothing random but ids, every request in the journal, `close` leaves nothing.
 */

import { type Clock, systemClock, systemRandom } from "@permafrost/std";
import { Barbican } from "./barbican/barbican.ts";
import { KeyStore } from "./barbican/key-store.ts";
import { catalogOf } from "./catalog.ts";
import { Cinder } from "./cinder.ts";
import { Designate } from "./designate/designate.ts";
import { Zones } from "./designate/zones.ts";
import { Faults } from "./faults.ts";
import { FIREWALL_KINDS } from "./fwaas/groups.ts";
import { Glance } from "./glance.ts";
import { type FakeServer, listen, type ServiceHandler } from "./http.ts";
import { Images } from "./images.ts";
import { Journal, SERVICE_NAMES, type ServiceName } from "./journal.ts";
import { Keystone } from "./keystone.ts";
import { KINDS } from "./neutron/kinds.ts";
import { Networking, type NetworkingOptions } from "./neutron/networking.ts";
import { Neutron } from "./neutron/neutron.ts";
import { seedPublicNetwork } from "./neutron/seed-networks.ts";
import { Compute } from "./nova/compute.ts";
import { NeutronPorts } from "./nova/neutron-ports.ts";
import { Nova } from "./nova/nova.ts";
import { ComputeSeed } from "./nova/seed.ts";
import { Balancers } from "./octavia/balancers.ts";
import { NeutronNetwork } from "./octavia/neutron-network.ts";
import { Octavia } from "./octavia/octavia.ts";
import { Inspect, Seed } from "./seed.ts";
import { Swift } from "./swift.ts";
import { SwiftStore } from "./swift-store.ts";
import { Identities } from "./tokens.ts";
import { type Pace, Transitions } from "./transitions.ts";
import { Volumes } from "./volumes.ts";
import { VPN_KINDS } from "./vpnaas/vpn.ts";

export interface FakeCloudOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0 for each: any free port. */
  readonly ports?: Partial<Record<ServiceName, number>>;
  readonly region?: string;
  readonly clock?: Clock;
  /** Default one hour. Change later with `cloud.identities.tokenTtlMs`. */
  readonly tokenTtlMs?: number;
  /** How long transitional states last; default one poll and no time. */
  readonly pace?: Partial<Pace>;
  /** Bytes that a "GiB" of a volume has; default 2^30. Small ones make small tests. */
  readonly bytesPerGib?: number;
  /** Whether Glance honours Range; default true. */
  readonly honourRange?: boolean;
  /** Images get no checksum and no hash; default false. */
  readonly nullChecksums?: boolean;
  /** Default 71: microversions up to 3.71. */
  readonly maxMinor?: number;
  /** Glance's page, default 25, and Cinder's largest page, default 1000. */
  readonly imagePageSize?: number;
  readonly volumePageSize?: number;
  /** Nova's largest page, default 1000, and its newest microversion, default 100: up to 2.100. */
  readonly serverPageSize?: number;
  readonly novaMaxMinor?: number;
  readonly enableForceUpload?: boolean;
  /** See CinderState; default `flatten`, as RBD in 2025.1. */
  readonly snapshotWithClones?: "flatten" | "refuse";
  readonly network?: NetworkingOptions;
  /** Default `admin`. */
  readonly adminPassword?: string;
}

/** Who a clouds.yaml entry logs in as. */
export interface CloudEntry {
  readonly cloudName: string;
  readonly userName: string;
  readonly password: string;
  readonly projectName: string;
}

export interface FakeCloud {
  readonly urls: Readonly<Record<ServiceName, string>>;
  /** `http://127.0.0.1:port/v3`. */
  readonly authUrl: string;
  readonly region: string;
  readonly journal: Journal;
  readonly faults: Faults;
  readonly seed: Seed;
  readonly read: Inspect;
  readonly identities: Identities;
  readonly transitions: Transitions;
  readonly images: Images;
  readonly volumes: Volumes;
  readonly swift: SwiftStore;
  readonly keys: KeyStore;
  readonly zones: Zones;
  readonly balancers: Balancers;
  readonly compute: Compute;
  readonly network: Networking;
  /** Services that new tokens' catalogues leave out: clouds that do not run them. */
  readonly lacking: Set<ServiceName>;
  /** The admin's entry and any others, as clouds.yaml text. */
  cloudsYaml(...entries: CloudEntry[]): string;
  /** An entry for the seeded admin. */
  adminEntry(cloudName?: string): CloudEntry;
  close(): Promise<void>;
}

/** Starts the services; resolves when all listen. */
export async function startFakeCloud(options: FakeCloudOptions = {}): Promise<FakeCloud> {
  const clock = options.clock ?? systemClock;
  const host = options.host ?? "127.0.0.1";
  const region = options.region ?? "RegionOne";
  const identities = new Identities(clock, systemRandom, options.tokenTtlMs ?? 3_600_000);
  const transitions = new Transitions(clock, { polls: options.pace?.polls ?? 1, ms: options.pace?.ms ?? 0 });
  const images = new Images(clock);
  images.nullChecksums = options.nullChecksums ?? false;
  const keys = new KeyStore(clock);
  const volumes = new Volumes(clock, options.bytesPerGib ?? 2 ** 30, keys);
  const swift = new SwiftStore(clock);
  const zones = new Zones(clock);
  const balancers = new Balancers(clock);
  const compute = new Compute(clock);
  const network = new Networking(clock, options.network);
  network.register(...KINDS, ...VPN_KINDS, ...FIREWALL_KINDS);
  const faults = new Faults();
  const journal = new Journal(({ kind, id }) => {
    if (kind === "server") {
      const server = compute.servers.get(id);
      return server !== undefined && (server.taskState !== "deleting" || transitions.isFrozenForEver(id));
    }
    const found = kind === "volume" ? volumes.volumes.get(id) : kind === "snapshot" ? volumes.snapshots.get(id) : undefined;
    return found !== undefined && (found.status !== "deleting" || transitions.isFrozenForEver(id));
  });

  const servers = new Map<ServiceName, FakeServer>();
  const urlOf = (service: ServiceName) => servers.get(service)?.url ?? "";
  const endpointIds = new Map<string, string>();
  const lacking = new Set<ServiceName>();
  const catalog = (projectId: string | undefined) => catalogOf(urlOf, region, projectId, endpointIds, lacking);
  const keystoneUrl = () => urlOf("identity");
  const state = {
    volumes,
    images,
    transitions,
    pageSize: options.volumePageSize ?? 1000,
    snapshotWithClones: options.snapshotWithClones ?? ("flatten" as const),
    enableForceUpload: options.enableForceUpload ?? false,
  };
  const novaState = {
    compute,
    cinder: state,
    images,
    identities,
    transitions,
    networks: new NeutronPorts(network),
    pageSize: options.serverPageSize ?? 1000,
  };
  const handlers: Record<ServiceName, ServiceHandler> = {
    identity: new Keystone(identities, catalog),
    image: new Glance(images, identities, transitions, {
      honourRange: options.honourRange ?? true,
      pageSize: options.imagePageSize ?? 25,
      keystoneUrl,
      dropKey: (id) => volumes.dropKey(id),
    }),
    volume: new Cinder(state, identities, keystoneUrl, options.maxMinor ?? 71),
    object: new Swift(swift, identities),
    compute: new Nova(novaState, keystoneUrl, options.novaMaxMinor ?? 100),
    "key-manager": new Barbican(keys, identities, keystoneUrl),
    "load-balancer": new Octavia(balancers, keys, identities, transitions, () => new NeutronNetwork(network)),
    dns: new Designate(zones, identities, transitions, keystoneUrl),
    network: new Neutron(network, identities),
  };
  for (const service of SERVICE_NAMES) {
    const context = {
      service,
      handler: handlers[service],
      journal,
      faults,
      clock,
      expireToken: (id: string) => identities.expire(id),
      freeze: (id: string, polls: number) => transitions.freeze(id, polls),
    };
    servers.set(service, await listen(context, host, options.ports?.[service] ?? 0));
  }

  const seed = new Seed(identities, images, volumes, swift, new ComputeSeed(novaState));
  const adminPassword = options.adminPassword ?? "admin";
  const admin = seed.tenant("admin", {
    userName: "admin",
    password: adminPassword,
    roles: ["admin", "ResellerAdmin", "swiftoperator"],
  });
  identities.grant("system", admin.user.id, "admin");
  seedPublicNetwork(network, admin.project.id);
  const authUrl = `${urlOf("identity")}/v3`;
  const adminEntry = (cloudName = "fake-admin"): CloudEntry => ({
    cloudName,
    userName: "admin",
    password: adminPassword,
    projectName: "admin",
  });
  return {
    urls: Object.fromEntries(SERVICE_NAMES.map((each) => [each, urlOf(each)])) as Record<ServiceName, string>,
    authUrl,
    region,
    journal,
    faults,
    seed,
    read: new Inspect(identities, images, volumes, swift, compute),
    identities,
    transitions,
    images,
    volumes,
    swift,
    keys,
    zones,
    balancers,
    compute,
    network,
    lacking,
    adminEntry,
    cloudsYaml: (...entries) => `clouds:\n${[adminEntry(), ...entries].map((entry) => yamlOf(entry, authUrl, region)).join("")}`,
    close: async () => {
      await Promise.all([...servers.values()].map((server) => server.close()));
    },
  };
}

function yamlOf(entry: CloudEntry, authUrl: string, region: string): string {
  const lines = [
    `  ${entry.cloudName}:`,
    `    region_name: ${region}`,
    "    interface: public",
    "    identity_api_version: 3",
    "    auth:",
    `      auth_url: ${authUrl}`,
    `      username: ${JSON.stringify(entry.userName)}`,
    `      password: ${JSON.stringify(entry.password)}`,
    `      project_name: ${JSON.stringify(entry.projectName)}`,
    "      user_domain_name: Default",
    "      project_domain_name: Default",
  ];
  return `${lines.join("\n")}\n`;
}
