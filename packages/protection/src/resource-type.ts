/**
 * The contract of a resource type: discover, capture, restore, verify. A new resource type is one file that exports one of these, and
 * its name in `resource-types.ts`.
 *
 * Every method may be run again after the death of a worker at any point of it, also beside a zombie of itself.
 */

import type {
  ConsistencyClass,
  DiscoveredResource,
  FrozenResource,
  ResourceKey,
  ResourceResult,
  RestoreOptions,
  StreamRoot,
  StreamStats,
  VerifyLevel,
} from "@permafrost/model";
import type { Cloud } from "@permafrost/openstack";
import type { Reader, Writer } from "@permafrost/repository";
import type { Clock, JsonObject } from "@permafrost/std";
import type { Ledger } from "./ledger.ts";
import type { RestoreJournal } from "./restore-journal.ts";

export interface Context {
  readonly cloud: Cloud;
  readonly reader: Reader;
  readonly writer: Writer;
  readonly ledger: Ledger;
  readonly journal: RestoreJournal;
  readonly clock: Clock;
  readonly sessionId: string;
  readonly signal: AbortSignal;
  /** Adds to the bytes done of this task. */
  readonly progress: (bytes: number) => void;
}

/** A resource as found, its metadata in `document`. */
export interface Found {
  readonly id: string;
  readonly name: string;
  readonly document: JsonObject;
  readonly logicalBytes: number;
  readonly captures: boolean;
  readonly freezes: boolean;
  readonly warnings?: readonly string[];
}

export interface CaptureInput<D> {
  readonly resource: DiscoveredResource;
  readonly document: D;
  readonly frozen?: FrozenResource;
  readonly parent?: ResourceResult;
}

export interface Captured {
  readonly streams: Readonly<Record<string, StreamRoot>>;
  readonly stats: StreamStats;
  readonly consistency: ConsistencyClass;
  readonly sourceHash: "verified" | "skipped" | "none";
  readonly warnings?: readonly string[];
  /** The document with what only the capture could learn, in place of the discovered one. */
  readonly document?: StreamRoot;
}

export interface PlanInput<D> {
  readonly resource: ResourceResult;
  readonly document: D;
  readonly options: RestoreOptions;
}

export interface Planned {
  readonly action: "create" | "reuse" | "skip" | "conflict";
  readonly reason: string;
  /** `type/source id` of what must be restored before; what is not part of the restore counts as there. */
  readonly dependsOn: readonly string[];
  readonly targetId?: string;
  readonly warnings?: readonly string[];
}

export interface RestoreInput<D> extends PlanInput<D> {
  /** `type/source id` → target id. */
  readonly targets: Readonly<Record<string, string>>;
}

export interface Restored {
  readonly targetId: string;
  readonly stats: StreamStats;
  readonly warnings?: readonly string[];
}

export interface VerifyInput<D> extends RestoreInput<D> {
  readonly targetId: string;
  readonly level: VerifyLevel;
}

export interface Verified {
  /** The level that was really reached: a service without a hash of its own cannot prove `hash`. */
  readonly level: VerifyLevel;
  /** Each difference, as `<what>: expected …, found …`. */
  readonly mismatches: readonly string[];
}

/** `D` is the resource's document; its shape is the type's own and carries a version. */
export interface ResourceType<D> {
  /** `<service>.<resource>`, such as `glance.image`. */
  readonly type: string;
  /** The project's resources of this type. Those made by Permafrost for its own work are not among them. */
  discover(context: Context): AsyncIterable<Found>;
  /** Requests points in time, of all resources as nearly at once as the service allows. One entry per resource, also for one that failed. */
  freeze?(context: Context, resources: readonly DiscoveredResource[]): Promise<FrozenResource[]>;
  capture?(context: Context, input: CaptureInput<D>): Promise<Captured>;
  plan(context: Context, input: PlanInput<D>): Promise<Planned>;
  restore(context: Context, input: RestoreInput<D>): Promise<Restored>;
  verify(context: Context, input: VerifyInput<D>): Promise<Verified>;
  /** Streams whose bytes name further streams (a listing): `check` follows them. */
  readonly listings?: readonly string[];
}

export function keyOf(type: string, id: string): ResourceKey {
  return { type, id };
}
