/** Designate's state: zones with their record sets, the SOA and NS of the apex among them, and the JSON that the API shows. */

import type { Clock } from "@permafrost/std";
import { uuid } from "../ids.ts";

export type Fields = Record<string, unknown>;

export interface RecordSet {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  records: string[];
  ttl: number | null;
  description: string | null;
  status: "ACTIVE" | "PENDING" | "ERROR";
  action: "CREATE" | "UPDATE" | "DELETE" | "NONE";
  version: number;
  readonly createdMs: number;
  updatedMs: number | undefined;
}

export interface Zone {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly type: "PRIMARY" | "SECONDARY";
  email: string;
  ttl: number;
  description: string | null;
  readonly attributes: Record<string, string>;
  masters: string[];
  status: "ACTIVE" | "PENDING" | "ERROR";
  action: "CREATE" | "UPDATE" | "DELETE" | "NONE";
  serial: number;
  version: number;
  readonly createdMs: number;
  updatedMs: number | undefined;
  readonly recordSets: Map<string, RecordSet>;
}

const NAME_SERVER = "ns1.fake.example.";
const POOL_ID = "794ccc2c-d751-44fe-b57f-8894c9f5c842";
export const MANAGED_EMAIL = "hostmaster@fake.example";
export const QUOTAS: Readonly<Record<string, number>> = {
  zones: 50,
  zone_recordsets: 500,
  zone_records: 500,
  recordset_records: 20,
  api_export_size: 1000,
};

const timeText = (ms: number | undefined) => (ms === undefined ? null : `${new Date(ms).toISOString().slice(0, 19)}.000000`);

export type ZoneFields = Pick<Zone, "projectId" | "name"> & Partial<Omit<Zone, "id" | "recordSets" | "createdMs">>;

export class Zones {
  readonly all = new Map<string, Zone>();
  readonly quotas = new Map<string, Record<string, number>>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An active zone with its SOA and, if it is primary, its NS. */
  add(fields: ZoneFields): Zone {
    const now = this.#clock.now();
    const zone: Zone = {
      type: "PRIMARY",
      email: MANAGED_EMAIL,
      ttl: 3600,
      description: null,
      attributes: {},
      masters: [],
      status: "ACTIVE",
      action: "NONE",
      serial: Math.floor(now / 1000),
      version: 1,
      updatedMs: undefined,
      ...fields,
      id: uuid(),
      createdMs: now,
      recordSets: new Map(),
    };
    this.all.set(zone.id, zone);
    const email = zone.email.replace("@", ".");
    this.addRecordSet(zone, {
      name: zone.name,
      type: "SOA",
      records: [`${NAME_SERVER} ${email}. ${zone.serial} 3525 600 86400 3600`],
    });
    if (zone.type === "PRIMARY") this.addRecordSet(zone, { name: zone.name, type: "NS", records: [NAME_SERVER] });
    return zone;
  }

  addRecordSet(
    zone: Zone,
    fields: Pick<RecordSet, "name" | "type" | "records"> & Partial<Pick<RecordSet, "ttl" | "description" | "status" | "action">>,
  ): RecordSet {
    const set: RecordSet = {
      ttl: null,
      description: null,
      status: "ACTIVE",
      action: "NONE",
      version: 1,
      updatedMs: undefined,
      ...fields,
      id: uuid(),
      createdMs: this.#clock.now(),
    };
    zone.recordSets.set(set.id, set);
    return set;
  }

  touch(row: Zone | RecordSet): void {
    row.version++;
    row.updatedMs = this.#clock.now();
    if ("serial" in row) row.serial = Math.max(row.serial + 1, Math.floor(this.#clock.now() / 1000));
  }

  of(projectId: string): Zone[] {
    return [...this.all.values()].filter((zone) => zone.projectId === projectId);
  }

  /** The innermost zone, other than `zone` itself, in which the name lies. */
  parentOf(name: string, zone?: Zone): Zone | undefined {
    const around = [...this.all.values()].filter((each) => each !== zone && name.endsWith(`.${each.name}`));
    return around.sort((a, b) => b.name.length - a.name.length)[0];
  }

  below(zone: Pick<Zone, "name">): Zone[] {
    return [...this.all.values()].filter((each) => each.name.endsWith(`.${zone.name}`));
  }

  limit(projectId: string, name: string): number {
    return this.quotas.get(projectId)?.[name] ?? QUOTAS[name] ?? -1;
  }

  view(zone: Zone, origin: string): Fields {
    return {
      id: zone.id,
      pool_id: POOL_ID,
      project_id: zone.projectId,
      name: zone.name,
      email: zone.email,
      description: zone.description,
      ttl: zone.ttl,
      serial: zone.serial,
      shared: false,
      status: zone.status,
      action: zone.action,
      version: zone.version,
      attributes: zone.attributes,
      type: zone.type,
      masters: zone.masters,
      created_at: timeText(zone.createdMs),
      updated_at: timeText(zone.updatedMs),
      transferred_at: null,
      links: { self: `${origin}/v2/zones/${zone.id}` },
    };
  }

  setView(zone: Zone, set: RecordSet, origin: string): Fields {
    return {
      id: set.id,
      zone_id: zone.id,
      project_id: zone.projectId,
      name: set.name,
      zone_name: zone.name,
      type: set.type,
      records: [...set.records].sort(),
      description: set.description,
      ttl: set.ttl,
      status: set.status,
      action: set.action,
      version: set.version,
      created_at: timeText(set.createdMs),
      updated_at: timeText(set.updatedMs),
      links: { self: `${origin}/v2/zones/${zone.id}/recordsets/${set.id}` },
    };
  }
}
