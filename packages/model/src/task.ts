/**
 * Tasks: what the coordinator publishes and a worker claims. A task travels as JSON over the bus, so it holds
 * names and references, never a secret and never data. Running one twice is harmless.
 */

import type { RepositoryId, ResourceKey, SessionId, TaskId } from "./ids.ts";
import type { StreamRoot, StreamStats } from "./root.ts";
import type { ConsistencyWindow, Failure, ResourceResult, VerifyLevel } from "./session.ts";

/** A cloud by its name in clouds.yaml (`envvars` for OS_*), and optionally another project than the one named there. */
export interface CloudTarget {
  readonly cloud: string;
  /** Name or id; default: the project of the credentials. */
  readonly project?: string;
  /** If the credentials are an administrator's in their own project, it gives itself its roles on this one for the time of the session. */
  readonly grant?: boolean;
  /** Name or id of the project whose quota a backup's temporary objects use; the credentials must be an administrator's there. Default: the project itself. */
  readonly temporaryProject?: string;
}

/** Which projects of a cloud; all lists empty: every enabled one. */
export interface ProjectFilter {
  /** Name or id. */
  readonly domain?: string;
  /** It must have all of them. */
  readonly tags: readonly string[];
  /** Ids, or globs of names. Exclude wins. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Which resources; an empty list means all. `type`, `type/id` or `type/name`, `name=GLOB` and `tag=GLOB`. */
export interface Selection {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/**
 * Name or id in the source to name or id in the target, by kind; `*` maps what has no entry. A kind is a resource type (such as
 * `neutron.network`, for what the project uses but does not own) or one of `volume-type`, `group-type`, `zone`, `policy` (of Swift), `project`, `user`, `role`.
 */
export type RestoreMaps = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface RestoreOptions {
  readonly target: CloudTarget;
  readonly maps: RestoreMaps;
  /**
   * What to do when the target has a resource of that name: make another beside it, use what is there, make one under another name, leave it
   * out, or fail it. `create` uses a resource without data that is still there under its own id.
   */
  readonly onConflict: "create" | "reuse" | "rename" | "skip" | "fail";
  /** Put before every restored name. */
  readonly namePrefix?: string;
  /** Whether restored servers run. `as-backed-up` (the default): those that ran do. */
  readonly powerOn?: "as-backed-up" | "never";
}

/** Something of the source that a resource uses and the restore does not make: found in the target, or missing there. */
export interface PlanReference {
  /** The kind it is mapped by; see RestoreMaps. */
  readonly kind: string;
  readonly id: string;
  readonly name: string;
  readonly targetId?: string;
  readonly targetName?: string;
  readonly how: "mapped" | "same-id" | "same-name" | "missing";
}

interface TaskBase {
  readonly id: TaskId;
  readonly sessionId: SessionId;
  readonly repositoryId: RepositoryId;
}

/** A resource found in the source cloud, its metadata already stored. */
export interface DiscoveredResource extends ResourceKey {
  readonly name: string;
  readonly tags?: readonly string[];
  readonly document: StreamRoot;
  /** Expected bytes of data, for progress and order; 0 when the resource is metadata only. */
  readonly logicalBytes: number;
  /** Whether it has a point in time to request in the freeze phase. */
  readonly freezes: boolean;
  /** Whether it has data to capture in the stream phase. */
  readonly captures: boolean;
  readonly warnings: readonly string[];
}

/** The requested point in time of a resource; `detail` is the resource type's own (such as the id of a volume snapshot). */
export interface FrozenResource extends ResourceKey {
  readonly detail: Readonly<Record<string, string>>;
  readonly requestedAt: string;
  readonly acknowledgedAt: string;
  readonly createdAt: string;
  readonly failure?: Failure;
}

export type Task =
  | (TaskBase & { readonly kind: "discover"; readonly source: CloudTarget; readonly selection: Selection })
  /** Lists the projects of a session group. */
  | (TaskBase & { readonly kind: "projects"; readonly source: CloudTarget; readonly filter: ProjectFilter })
  | (TaskBase & { readonly kind: "freeze"; readonly source: CloudTarget; readonly resources: readonly DiscoveredResource[] })
  | (TaskBase & {
      readonly kind: "capture";
      readonly source: CloudTarget;
      readonly resource: DiscoveredResource;
      readonly frozen?: FrozenResource;
      /** The same resource in the parent session. */
      readonly parent?: ResourceResult;
    })
  /** Removes every temporary object of the session from the cloud, by the ledger. */
  | (TaskBase & { readonly kind: "sweep"; readonly source: CloudTarget })
  | (TaskBase & {
      readonly kind: "plan";
      readonly options: RestoreOptions;
      readonly resources: readonly ResourceResult[];
      /** What else the restore point has: joins the plan when something in it cannot be restored without. */
      readonly others: readonly ResourceResult[];
    })
  | (TaskBase & {
      readonly kind: "apply";
      /** `finish` comes after `create`, when what it needs is there too. */
      readonly step: "create" | "finish";
      readonly journalId: SessionId;
      readonly options: RestoreOptions;
      readonly resource: ResourceResult;
      /** `type/source id` to target id of what is restored already. */
      readonly targets: Readonly<Record<string, string>>;
    })
  | (TaskBase & {
      readonly kind: "verify";
      readonly options: RestoreOptions;
      readonly resource: ResourceResult;
      readonly level: VerifyLevel;
      readonly targets: Readonly<Record<string, string>>;
    })
  /** Removes what a restore made, of one resource. */
  | (TaskBase & {
      readonly kind: "undo";
      readonly target: CloudTarget;
      readonly journalId: SessionId;
      readonly resource: ResourceResult;
    })
  /** Waits for a client's bytes; claimed by the worker that the client connects to, never from the queue. */
  | (TaskBase & {
      readonly kind: "upload";
      readonly input: "stream" | "fs";
      readonly name: string;
      readonly parent?: ResourceResult;
    })
  | (TaskBase & { readonly kind: "check"; readonly resource: ResourceResult; readonly readData: boolean });

export type TaskKind = Task["kind"];

export interface DiscoverResult {
  readonly projectId: string;
  readonly projectName: string;
  readonly resources: readonly DiscoveredResource[];
  /** Stats of the documents. */
  readonly stats: StreamStats;
  readonly warnings: readonly string[];
  /** Types whose resources could not be listed, such as for want of a role: the session is `partial`. */
  readonly unlisted: readonly { readonly type: string; readonly failure: Failure }[];
}

export interface ProjectsResult {
  readonly projects: readonly { readonly id: string; readonly name: string; readonly domainName: string }[];
}

export interface FreezeResult {
  readonly frozen: readonly FrozenResource[];
  readonly window?: ConsistencyWindow;
}

/** One resource of a plan, with `action` and `actionReason` set. */
export interface PlannedResource extends ResourceResult {
  /** `type/source id` of what must be made before; with `#finished` behind it, made and finished. What is not in the plan is there. */
  readonly dependsOn: readonly string[];
  /** The same, of what must be there before the resource's `finish` step; absent if it has none. */
  readonly finishAfter?: readonly string[];
  /** `type/source id` of what the `finish` step waits for until it is made or will not be: its failure is not the resource's. */
  readonly finishWaitsFor?: readonly string[];
  /** It is made before all others and finished after all others, whether those succeed or not: a limit that is raised first and lowered last. */
  readonly around?: true;
}

/** A planned resource without what only the order of the steps needs. */
export function withoutOrder(planned: PlannedResource): ResourceResult {
  const { dependsOn: _, finishAfter: _after, finishWaitsFor: _for, around: _around, ...resource } = planned;
  return resource;
}

/** Everything a restore will do. Applied exactly as it is. */
export interface PlanResult {
  readonly projectId: string;
  readonly projectName: string;
  readonly resources: readonly PlannedResource[];
  /** What the resources use and the restore does not make. */
  readonly references: readonly PlanReference[];
  /** Reasons why applying is likely to fail as a whole, such as a quota. */
  readonly problems: readonly Failure[];
}

/** A plan as it is kept: what it is applied with, verified against and taken back by. */
export interface SavedPlan {
  readonly version: 1;
  /** The restore point. */
  readonly pointId: SessionId;
  /** Whose journal says what was made: that of the session that planned, so that applying the plan again goes on where it stopped. */
  readonly journalId: SessionId;
  readonly options: RestoreOptions;
  readonly plan: PlanResult;
}

export interface SweepResult {
  readonly removed: number;
  /** What could not be removed, and why; it stays in the ledger. */
  readonly left: readonly Failure[];
}

export interface CheckResult {
  readonly blocks: number;
  readonly bytes: number;
  readonly damaged: readonly Failure[];
}

export interface TaskResults {
  readonly discover: DiscoverResult;
  readonly projects: ProjectsResult;
  readonly freeze: FreezeResult;
  readonly capture: ResourceResult;
  readonly sweep: SweepResult;
  readonly plan: PlanResult;
  readonly apply: ResourceResult;
  readonly verify: ResourceResult;
  readonly undo: ResourceResult;
  readonly upload: ResourceResult;
  readonly check: CheckResult;
}
