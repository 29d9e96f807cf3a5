/**
 * A session: one run of a backup or a restore over a project. Its record is stored, sealed, on the storage
 * nodes; a backup session whose record says `succeeded` or `partial` is a restore point. All values are JSON-safe.
 */

import type { SessionId } from "./ids.ts";
import type { StreamRoot, StreamStats } from "./root.ts";

export type SessionKind = "backup" | "group" | "restore" | "verify" | "undo" | "check" | "prune" | "repair";
export type SessionPhase =
  | "prepare"
  | "freeze"
  | "stream"
  | "commit"
  | "clean"
  | "plan"
  | "apply"
  | "verify"
  | "check"
  | "undo"
  | "mark"
  | "sweep"
  | "condemn"
  | "repair"
  | "ended";
export type SessionState = "running" | "succeeded" | "partial" | "failed" | "cancelled";

/** How well the bytes of a resource agree in time. `immutable`: the service never changes them. `fuzzy`: read while in use. */
export type ConsistencyClass = "immutable" | "quiesced" | "group" | "crash" | "fuzzy";

/** An error as it is stored and sent: what a CodedError says, without a stack. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
}

/** `metadata`: fields compared. `hash`: and the service's own hash. `data`: and every byte read back. */
export type VerifyLevel = "metadata" | "hash" | "data";

export type ResourceState = "pending" | "running" | "succeeded" | "failed" | "skipped";

/** One resource in one session: what was captured, or what restoring it came to. */
export interface ResourceResult {
  readonly type: string;
  /** Id in the source cloud. */
  readonly id: string;
  readonly name: string;
  readonly state: ResourceState;
  /** The resource's metadata as captured. */
  readonly document?: StreamRoot;
  /** Named byte streams: `data` for a disk or image, `listing` for a tree of objects or files. */
  readonly streams: Readonly<Record<string, StreamRoot>>;
  readonly stats: StreamStats;
  readonly consistency?: ConsistencyClass;
  /** How the source's own hash was used: `verified` while reading, `skipped` because it proved nothing changed, `none` if the source has none. */
  readonly sourceHash?: "verified" | "skipped" | "none";
  readonly failure?: Failure;
  /** As the cloud has them; for selections. */
  readonly tags?: readonly string[];
  /** Said to the user though the resource succeeded. */
  readonly warnings: readonly string[];
  /** Restore only: id in the target cloud. */
  readonly targetId?: string;
  /** Restore only: the first password of a user that was made. A secret: shown to whoever started the restore and to nobody else. */
  readonly oneTimePassword?: string;
  /** Restore only: the name in the target, if the plan chose another. */
  readonly targetName?: string;
  /** Restore only: `type/source id` of what must be made before; with `#finished` behind it, made and finished. */
  readonly dependsOn?: readonly string[];
  /** Restore only: what the plan says is done, and why. */
  readonly action?: "create" | "reuse" | "update" | "skip" | "conflict";
  readonly actionReason?: string;
  /** Restore only: the highest level of verification that this resource passed. */
  readonly verified?: VerifyLevel;
  /** Restore only: each difference found, as `<what>: <expected>, found <found>`. */
  readonly mismatches?: readonly string[];
  readonly startedAt?: string;
  readonly endedAt?: string;
}

/** When the points in time of a project's volumes were taken. ISO times of the cloud are kept as it gave them. */
export interface ConsistencyWindow {
  readonly requestedFirstAt: string;
  readonly requestedLastAt: string;
  /** From the first request to the last acknowledgement. */
  readonly windowMs: number;
  readonly resources: readonly {
    readonly type: string;
    readonly id: string;
    readonly requestedAt: string;
    readonly acknowledgedAt: string;
    readonly createdAt: string;
  }[];
}

/** What a backup does when its volumes were frozen further apart than asked for. */
export interface WindowLimit {
  readonly ms: number;
  readonly action: "warn" | "fail";
}

/** What a prune found and did. Blocks and bytes of every copy, of sealed bodies. */
export interface PruneReport {
  /** Of all storage nodes. */
  readonly storedBlocks: number;
  readonly storedBytes: number;
  /** Of these what no session leads to. */
  readonly unusedBlocks: number;
  readonly unusedBytes: number;
  /** Condemned by this prune: to be deleted by a later one. */
  readonly condemnedBlocks: number;
  readonly condemnedBytes: number;
  /** Condemned before, and deleted by this one. */
  readonly deletedBlocks: number;
  readonly deletedBytes: number;
  /** What the disks of the nodes got back. */
  readonly freedBytes: number;
  /** Condemned and in use after all. */
  readonly sparedBlocks: number;
  /** Before which nothing of what is condemned now is deleted. */
  readonly deletedAfter?: string;
}

/** What a repair found and did. */
export interface RepairReport {
  /** Blocks looked at, each once. */
  readonly blocks: number;
  /** Copies made on storage nodes that lacked one or had a damaged one, and the bytes of their sealed bodies. */
  readonly copies: number;
  readonly copiedBytes: number;
  /** Copies of records. */
  readonly recordCopies: number;
  /** Blocks that no storage node has whole. */
  readonly lostBlocks: number;
  /** Blocks that a storage node which is to keep them did not take. */
  readonly shortBlocks: number;
}

/** Why a restore point may not be forgotten. */
export interface SessionLock {
  /** ISO time; it can be made later, never earlier. */
  readonly until?: string;
  /** A legal hold: until somebody takes it off. */
  readonly isHeld?: boolean;
}

/** A restore point in a repository of another cluster. */
export interface SessionOrigin {
  /** The other cluster, as this one's configuration names it. */
  readonly site: string;
  readonly repositoryId: string;
  readonly repositoryName: string;
  readonly sessionId: SessionId;
  readonly startedAt: string;
  /** All that it has was copied. Absent: something was lost there, and can be copied again when it is mended. */
  readonly isWhole?: boolean;
}

export interface SessionRecord {
  readonly version: 1;
  readonly id: SessionId;
  readonly kind: SessionKind;
  readonly state: SessionState;
  readonly phase: SessionPhase;
  readonly repositoryId: string;
  /** What was backed up: the name of the cloud in clouds.yaml and the project, or the input's name. */
  readonly source: SessionSource;
  readonly startedAt: string;
  readonly endedAt?: string;
  /** The restore point that this backup compared with, or that this restore reads. */
  readonly parentId?: SessionId;
  /** The ResourceResult list as a stored stream of JSON lines; set when the session ends. */
  readonly results?: StreamRoot;
  readonly counts: { readonly resources: number; readonly succeeded: number; readonly failed: number; readonly skipped: number };
  readonly stats: StreamStats;
  readonly consistencyWindow?: ConsistencyWindow;
  readonly failure?: Failure;
  /** Said to the user though the session succeeded, such as a temporary object that could not be removed. */
  readonly warnings: readonly string[];
  /** Restore: only planned, nothing was changed. */
  readonly dryRun?: boolean;
  /** Restore: its SavedPlan as a stored document. */
  readonly plan?: StreamRoot;
  /** Restore: the session whose plan it applies. Verify and undo: the restore that they look at or take back. */
  readonly appliesId?: SessionId;
  /** Backup: the session group it is part of. */
  readonly groupId?: SessionId;
  /** What it was asked to do, as a stored document. */
  readonly spec?: StreamRoot;
  readonly prune?: PruneReport;
  readonly repair?: RepairReport;
  readonly lock?: SessionLock;
  /** Backup: the restore point of another site that it is a copy of. */
  readonly origin?: SessionOrigin;
  /** Backup and group: the policy that started it, and when that was due. */
  readonly policy?: { readonly name: string; readonly dueAt: string };
}

export interface SessionSource {
  readonly input: "tenant" | "stream" | "fs";
  readonly cloud?: string;
  readonly projectId?: string;
  readonly projectName?: string;
  /** As asked for: where its temporary objects are. */
  readonly temporaryProject?: string;
  readonly name?: string;
}

/** A backup session one can restore from. */
export function isRestorePoint(record: Pick<SessionRecord, "kind" | "state" | "results">): boolean {
  return record.kind === "backup" && (record.state === "succeeded" || record.state === "partial") && record.results !== undefined;
}

/** Why it may not be forgotten now; undefined: it may. */
export function lockReason({ lock }: Pick<SessionRecord, "lock">, nowMs: number): string | undefined {
  if (lock?.isHeld) return "held";
  return lock?.until !== undefined && Date.parse(lock.until) > nowMs ? `locked until ${lock.until}` : undefined;
}

/** The state a session ends in, from its resources (invariant I12). */
export function sessionOutcome(states: readonly ResourceState[]): "succeeded" | "partial" | "failed" {
  const failed = states.filter((s) => s === "failed" || s === "pending" || s === "running").length;
  if (failed === 0) return "succeeded";
  return failed === states.length ? "failed" : "partial";
}
