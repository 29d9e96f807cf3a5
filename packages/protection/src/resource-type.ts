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
  PlannedResource,
  PlanReference,
  ResourceKey,
  ResourceResult,
  RestoreOptions,
  StreamRoot,
  StreamStats,
  VerifyLevel,
} from "@permafrost/model";
import type { Cloud, ServiceType } from "@permafrost/openstack";
import type { Reader, Writer } from "@permafrost/repository";
import type { Clock, JsonObject } from "@permafrost/std";
import type { Ledger, TemporaryKind } from "./ledger.ts";
import type { RestoreJournal } from "./restore-journal.ts";

export interface Context {
  readonly cloud: Cloud;
  /** Where a backup makes its temporary objects: `cloud`, or another project of the administrator, whose quota they use then. */
  readonly temporaryCloud: Cloud;
  readonly reader: Reader;
  readonly writer: Writer;
  readonly ledger: Ledger;
  readonly journal: RestoreJournal;
  readonly clock: Clock;
  readonly sessionId: string;
  readonly signal: AbortSignal;
  /** Adds to the bytes done of this task. */
  readonly progress: (bytes: number) => void;
  /** Ids of roles that the credentials have on the project for this session only. */
  readonly grants: ReadonlySet<string>;
  /** The name of what a resource refers to, or "" if it cannot be seen. Asked once per thing and task. */
  readonly nameOf: (kind: string, id: string) => Promise<string>;
}

/** A resource as found, its metadata in `document`. */
export interface Found {
  readonly id: string;
  readonly name: string;
  /** For selections. */
  readonly tags?: readonly string[];
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

/** What a type's `freeze` may know of the others. */
export interface FreezeScope {
  /** Every resource that is to be frozen, of all types. */
  readonly resources: readonly DiscoveredResource[];
  /** What types before it have frozen already: Nova freezes a server's volumes with it. By `type/id`. */
  readonly frozen: ReadonlyMap<string, FrozenResource>;
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

/** What planning one resource may know of the whole plan. */
export interface PlanScope {
  /** Whether the restore makes or finds this resource itself, by `type/source id`. */
  readonly includes: (key: string) => boolean;
  /** What is planned for a resource of the restore already: types are planned in their order, so what comes later is not known. */
  readonly planned: (key: string) => PlannedResource | undefined;
  /** Finds in the target what is not part of the restore: mapped by the user, under the same id, or by a name that only one has. Noted in the plan. */
  readonly resolve: (reference: { readonly kind: string; readonly id: string; readonly name: string }) => Promise<PlanReference>;
}

export interface Planned {
  readonly action: "create" | "reuse" | "update" | "skip" | "conflict";
  readonly reason: string;
  /** `type/source id` of what must be made before, `type/source id#finished` of what must be finished, too; what is not part of the restore counts as there. */
  readonly dependsOn: readonly string[];
  /** The same for the `finish` step; absent if there is nothing to finish. */
  readonly finishAfter?: readonly string[];
  /** `type/source id` of those whose `finish` step waits until this is made: a subnet's DHCP server must not take a port's address. */
  readonly holdsFinishOf?: readonly string[];
  /** It is made before all others and finished after all others. */
  readonly around?: true;
  readonly targetId?: string;
  /** Another name than the captured one; see `restoredName`. */
  readonly targetName?: string;
  readonly warnings?: readonly string[];
}

export interface RestoreInput<D> extends PlanInput<D> {
  /** `type/source id` → target id, also of what the plan found in the target (`kind/source id`). */
  readonly targets: Readonly<Record<string, string>>;
}

export interface Restored {
  readonly targetId: string;
  readonly stats: StreamStats;
  readonly warnings?: readonly string[];
  /** Of a user that was made: for whoever started the restore, once. */
  readonly oneTimePassword?: string;
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

export interface FinishInput<D> extends RestoreInput<D> {
  readonly targetId: string;
}

export interface UndoInput<D> {
  readonly resource: ResourceResult;
  readonly document: D;
  readonly targetId: string;
  /** Set if the restore did not make the object but changed it: what it was before. */
  readonly before?: JsonObject;
}

export interface TemporaryContext {
  readonly cloud: Cloud;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What an object takes of its project's quota, in the service's own words. */
export interface QuotaUse {
  readonly service: ServiceType;
  readonly limit: string;
  readonly amount: number;
  /** The limit is of each object, not of all together. */
  readonly each?: true;
}

/** What a reader of the coverage table is told; written beside the code that does it. */
export interface Coverage {
  /** In the service's words: `attributes` that are captured. `*` is the whole object as the API gives it. */
  readonly captured: readonly string[];
  /** Of these, what a restore sets. */
  readonly restored: readonly string[];
  /** The least role for capturing and for restoring, such as `reader`, `member`, `admin`. */
  readonly roles: { readonly capture: string; readonly restore: string };
  /** What is reported instead of restored, and why. */
  readonly reported: Readonly<Record<string, string>>;
}

/** `D` is the resource's document; its shape is the type's own and carries a version. */
export interface ResourceType<D> {
  /** `<service>.<resource>`, such as `glance.image`. */
  readonly type: string;
  /** The project's resources of this type. Those made by Permafrost for its own work are not among them. */
  discover(context: Context): AsyncIterable<Found>;
  /**
   * Requests points in time, of all resources as nearly at once as the service allows. One entry per resource, also for one that failed,
   * and one for each resource of another type that was frozen with it.
   */
  freeze?(context: Context, resources: readonly DiscoveredResource[], scope: FreezeScope): Promise<FrozenResource[]>;
  capture?(context: Context, input: CaptureInput<D>): Promise<Captured>;
  /** `type/source id` of what it cannot be restored without, if the project owns it: a restore of this alone restores those, too. */
  needs?(document: D): readonly string[];
  /** What making it takes of the target's quota; default: nothing that is limited. */
  quota?(document: D): readonly QuotaUse[];
  plan(context: Context, input: PlanInput<D>, scope: PlanScope): Promise<Planned>;
  /** Makes it, or for `reuse` and `update` finds it. What it makes is in the ledger until it is in the journal. */
  restore(context: Context, input: RestoreInput<D>): Promise<Restored>;
  /** The rest, when what `finishAfter` names is there. Returns warnings. */
  finish?(context: Context, input: FinishInput<D>): Promise<readonly string[]>;
  verify(context: Context, input: VerifyInput<D>): Promise<Verified>;
  /** Takes back what a restore made: removes the object and waits until it is gone. One that is gone is no error. */
  undo(context: Context, input: UndoInput<D>): Promise<void>;
  /** Its `freeze` freezes resources of other types, too, and goes before theirs. */
  readonly freezesOthers?: boolean;
  /** Kinds of object that this type has in the ledger while it makes them. */
  temporaries?(context: TemporaryContext): readonly TemporaryKind[];
  /** Things of this type that are used but not owned, looked up in the target by name or id. Default: none can be referred to. */
  find?(cloud: Cloud, nameOrId: string): Promise<readonly { readonly id: string; readonly name: string }[]>;
  /** For `docs/coverage.md`. */
  readonly coverage: Coverage;
}

export function keyOf(type: string, id: string): ResourceKey {
  return { type, id };
}
