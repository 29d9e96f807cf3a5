/**
 * Cinder v3 of the fake cloud: routing, microversions and the small read-only resources (types, zones, limits,
 * quotas, services). Microversions 3.0 to 3.71 with their header rules, after Cinder 26 (2025.1) over Ceph RBD.
 */

import { VolumeActions } from "./cinder-actions.ts";
import { type CinderCall, cinderFault, fail, forbid } from "./cinder-call.ts";
import { GroupRoutes } from "./cinder-groups.ts";
import { KeepingRoutes } from "./cinder-keeping.ts";
import { SnapshotRoutes } from "./cinder-snapshots.ts";
import { TypeRoutes } from "./cinder-types.ts";
import { type CinderState, checkMetadata, VolumeRoutes } from "./cinder-volumes.ts";
import { type Call, json, Refusal, type Reply, type ServiceHandler } from "./http.ts";
import type { Identities } from "./tokens.ts";
import type { Snapshot, Volume } from "./volumes.ts";
import { page } from "./webob.ts";

const COLLECTIONS = [
  "volumes",
  "snapshots",
  "types",
  "limits",
  "os-quota-sets",
  "os-availability-zone",
  "extensions",
  "backups",
  "attachments",
  "messages",
  "groups",
  "group_snapshots",
  "group_types",
  "os-services",
  "scheduler-stats",
  "volume-transfers",
  "os-volume-transfer",
  "qos-specs",
  "resource_filters",
];
/** Collections a later microversion brought. */
const SINCE: Readonly<Record<string, number>> = {
  attachments: 3027,
  messages: 3003,
  groups: 3013,
  group_snapshots: 3014,
  group_types: 3011,
  "volume-transfers": 3055,
  resource_filters: 3033,
};

export class Cinder implements ServiceHandler {
  readonly #ids: Identities;
  readonly #state: CinderState;
  readonly #volumes: VolumeRoutes;
  readonly #snapshots: SnapshotRoutes;
  readonly #actions: VolumeActions;
  readonly #types: TypeRoutes;
  readonly #keeping: KeepingRoutes;
  readonly #groups: GroupRoutes;
  readonly #keystoneUrl: () => string;
  readonly #maxMinor: number;

  constructor(state: CinderState, ids: Identities, keystoneUrl: () => string, maxMinor: number) {
    this.#ids = ids;
    this.#state = state;
    this.#keystoneUrl = keystoneUrl;
    this.#maxMinor = maxMinor;
    this.#volumes = new VolumeRoutes(state);
    this.#snapshots = new SnapshotRoutes(state, this.#volumes);
    this.#types = new TypeRoutes(state);
    this.#groups = new GroupRoutes(state);
    this.#keeping = new KeepingRoutes(state, this.#volumes);
    this.#actions = new VolumeActions(state, this.#volumes);
  }

  unauthorized(): Reply {
    const error = { code: 401, title: "Unauthorized", message: "The request you have made requires authentication." };
    return json(401, { error }, { "www-authenticate": `Keystone uri="${this.#keystoneUrl()}"` });
  }

  async handle(call: Call): Promise<Reply> {
    const parts = call.path
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent);
    if (parts.length === 0) return this.#versions(call);
    const token = this.#ids.check(call.header("x-auth-token"));
    if (token === undefined) return this.unauthorized();
    call.identify(token);
    if (parts[0] !== "v3") return page(404, "The resource could not be found.");
    if (parts.length === 1) return { ...this.#versions(call), status: 200 };
    const asked = this.#microversion(call);
    if (typeof asked !== "number") return asked;
    const stamp = { "openstack-api-version": `volume 3.${asked - 3000}`, vary: "OpenStack-API-Version" };
    const named = !COLLECTIONS.includes(parts[1] ?? "");
    const projectId = token.project?.id ?? "";
    const rest = parts.slice(named ? 2 : 1);
    if (named && !/^[0-9a-f]{32}$/.test(parts[1] ?? "")) return page(404, "The resource could not be found.");
    if (!COLLECTIONS.includes(rest[0] ?? "")) return page(404, "The resource could not be found.");
    const stamped = (reply: Reply): Reply => ({ ...reply, headers: { ...reply.headers, ...stamp } });
    if (named && parts[1] !== projectId) return stamped(cinderFault(400, "Malformed request url"));
    const admin = token.roles.has("admin");
    const view = { version: asked, admin, origin: call.origin, prefix: named ? `/${projectId}` : "" };
    try {
      return stamped(await this.#route({ call, token, projectId, admin, view, parts: rest }));
    } catch (error) {
      if (error instanceof Refusal) return stamped(error.reply);
      throw error;
    }
  }

  #route(context: CinderCall): Promise<Reply> | Reply {
    const { call, token, parts, view } = context;
    const [top = "", id, sub, key] = parts;
    if ((SINCE[top] ?? 0) > view.version) fail(404, "The resource could not be found.");
    if (top === "volumes") return this.#volume(context, id, sub, key);
    if (top === "snapshots") return this.#snapshot(context, id, sub, key);
    if (top === "types") return this.#types.types(context);
    if (top === "qos-specs") return this.#types.qosSpecs(context);
    if (top === "groups") return this.#groups.groups(context);
    if (top === "group_snapshots") return this.#keeping.groupSnapshots(context);
    if (top === "group_types") return this.#groups.types(context);
    if (top === "backups") return this.#keeping.backups(context);
    if (top === "os-volume-transfer" || top === "volume-transfers") return this.#keeping.transfers(context);
    if (top === "limits") return json(200, { limits: { rate: [], absolute: this.#limits(context.projectId) } });
    if (top === "os-quota-sets") return this.#quotas(context, id ?? "");
    if (top === "os-availability-zone") {
      return json(200, {
        availabilityZoneInfo: this.#state.volumes.zones.map((zoneName) => ({ zoneName, zoneState: { available: true } })),
      });
    }
    if (top === "scheduler-stats" && !token.roles.has("admin")) forbid("scheduler_extension:scheduler_stats:get_pools");
    if (top === "os-services" && !token.roles.has("admin")) forbid("volume_extension:services:index");
    if (call.method !== "GET") fail(404, "The resource could not be found.");
    const plural =
      {
        "os-services": "services",
        "scheduler-stats": "pools",
      }[top] ?? top;
    return json(200, { [plural]: [] });
  }

  #volume(context: CinderCall, id: string | undefined, sub: string | undefined, key: string | undefined): Promise<Reply> | Reply {
    const { method } = context.call;
    if (id === undefined) return method === "POST" ? this.#volumes.create(context) : this.#volumes.list(context, false);
    if (id === "detail") return this.#volumes.list(context, true);
    if (sub === "action") return this.#actions.run(context, id);
    if (sub === "metadata") return this.#metadata(context, this.#volumes.find(context, id), "Volume", key);
    if (method === "GET") return this.#volumes.show(context, id);
    if (method === "PUT") return this.#volumes.update(context, id);
    return method === "DELETE" ? this.#volumes.remove(context, id) : fail(404, "The resource could not be found.");
  }

  #snapshot(
    context: CinderCall,
    id: string | undefined,
    sub: string | undefined,
    key: string | undefined,
  ): Promise<Reply> | Reply {
    const { method } = context.call;
    if (id === undefined) return method === "POST" ? this.#snapshots.create(context) : this.#snapshots.list(context, false);
    if (id === "detail") return this.#snapshots.list(context, true);
    if (sub === "metadata") return this.#metadata(context, this.#snapshots.find(context, id), "Snapshot", key);
    if (sub === "action") return this.#snapshots.act(context, id);
    if (method === "GET") return this.#snapshots.show(context, id);
    if (method === "PUT") return this.#snapshots.update(context, id);
    return method === "DELETE" ? this.#snapshots.remove(context, id) : fail(404, "The resource could not be found.");
  }

  async #metadata(context: CinderCall, owner: Volume | Snapshot, kind: string, key: string | undefined): Promise<Reply> {
    const { method, call } = { method: context.call.method, call: context.call };
    const sent =
      method === "GET" || method === "DELETE" ? {} : ((await call.json()) as { metadata?: unknown; meta?: unknown } | undefined);
    if (key === undefined) {
      if (method === "POST") owner.metadata = { ...owner.metadata, ...checkMetadata(sent?.metadata) };
      if (method === "PUT") owner.metadata = checkMetadata(sent?.metadata);
      return json(200, { metadata: owner.metadata });
    }
    if (method === "PUT") {
      Object.assign(owner.metadata, checkMetadata(sent?.meta));
      return json(200, { meta: { [key]: owner.metadata[key] } });
    }
    if (owner.metadata[key] === undefined) fail(404, `${kind} ${owner.id} has no metadata with key ${key}.`);
    if (method === "GET") return json(200, { meta: { [key]: owner.metadata[key] } });
    delete owner.metadata[key];
    return { status: 200, headers: { "content-type": "text/html; charset=UTF-8", "content-length": "0" } };
  }

  #limits(projectId: string): Record<string, number | undefined> {
    const quota = this.#state.volumes.quota(projectId);
    const used = this.#state.volumes.usage(projectId);
    return {
      maxTotalVolumes: quota.volumes,
      maxTotalSnapshots: quota.snapshots,
      maxTotalVolumeGigabytes: quota.gigabytes,
      maxTotalBackups: quota.backups,
      maxTotalBackupGigabytes: quota.backup_gigabytes,
      totalVolumesUsed: used.volumes,
      totalGigabytesUsed: used.gigabytes,
      totalSnapshotsUsed: used.snapshots,
      totalBackupsUsed: 0,
      totalBackupGigabytesUsed: 0,
    };
  }

  async #quotas(context: CinderCall, projectId: string): Promise<Reply> {
    const quota = this.#state.volumes.quota(projectId);
    if (context.call.method === "PUT") {
      if (!context.admin) forbid("volume_extension:quotas:update");
      const sent = (await context.call.json()) as { quota_set?: Record<string, unknown> } | undefined;
      for (const [name, value] of Object.entries(sent?.quota_set ?? {})) if (name in quota) quota[name] = Number(value);
      return json(200, { quota_set: quota });
    }
    if (projectId !== context.projectId && !context.admin) forbid("volume_extension:quotas:show");
    if (context.call.query.get("usage")?.toLowerCase() !== "true") return json(200, { quota_set: { ...quota, id: projectId } });
    const used = this.#state.volumes.usage(projectId);
    const rows = Object.entries(quota).map(([name, limit]) => [name, { limit, in_use: used[name] ?? 0, reserved: 0 }]);
    return json(200, { quota_set: { ...Object.fromEntries(rows), id: projectId } });
  }

  #microversion(call: Call): number | Reply {
    const header = call.header("openstack-api-version") ?? "";
    const asked = header
      .split(",")
      .map((each) => each.trim().split(/\s+/))
      .find(([service]) => service === "volume")?.[1];
    if (asked === undefined) return 3000;
    if (asked === "latest") return 3000 + this.#maxMinor;
    const match = /^([1-9]\d*)\.([1-9]\d*|0)$/.exec(asked);
    if (match === null)
      return cinderFault(400, `API Version String ${asked} is of invalid format. Must be of format MajorNum.MinorNum.`);
    const [major, minor] = [Number(match[1]), Number(match[2])];
    if (major === 3 && minor <= this.#maxMinor) return 3000 + minor;
    const echo: Record<string, string> =
      major === 3 ? { "openstack-api-version": `volume ${asked}`, vary: "OpenStack-API-Version" } : {};
    return cinderFault(
      406,
      `Version ${asked} is not supported by the API. Minimum is 3.0 and maximum is 3.${this.#maxMinor}.`,
      echo,
    );
  }

  #versions(call: Call): Reply {
    const version = {
      id: "v3.0",
      status: "CURRENT",
      version: `3.${this.#maxMinor}`,
      min_version: "3.0",
      updated: "2023-08-31T00:00:00Z",
      links: [
        { rel: "describedby", type: "text/html", href: "https://docs.openstack.org/" },
        { rel: "self", href: `${call.origin}/v3/` },
      ],
      "media-types": [{ base: "application/json", type: "application/vnd.openstack.volume+json;version=3" }],
    };
    return json(300, { versions: [version] }, { "openstack-api-version": "volume 3.0", vary: "OpenStack-API-Version" });
  }
}
