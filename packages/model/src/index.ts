export { BLOCK_BYTES_MAX, DISK_BLOCK_BYTES, IDS_PER_REQUEST_MAX, MESSAGE_BYTES, SEAL_OVERHEAD_BYTES_MAX } from "./block-size.ts";
export {
  BLOCK_ID_BYTES,
  type BlockId,
  type RepositoryId,
  type ResourceKey,
  resourceKeyText,
  type SessionId,
  type TaskId,
} from "./ids.ts";
export type { BackupPolicy, PolicyBackup, PolicyRun } from "./policy.ts";
export { type RetainedPoint, type RetentionPolicy, retained } from "./retention.ts";
export { addStats, EMPTY_STATS, type StreamRoot, type StreamStats } from "./root.ts";
export { checkSelection, matchesGlob, maySelect, type Selectable, selects } from "./selection.ts";
export {
  type ConsistencyClass,
  type ConsistencyWindow,
  type Failure,
  isRestorePoint,
  lockReason,
  type PruneReport,
  type RepairReport,
  type ResourceResult,
  type ResourceState,
  type SessionKind,
  type SessionLock,
  type SessionOrigin,
  type SessionPhase,
  type SessionRecord,
  type SessionSource,
  type SessionState,
  sessionOutcome,
  type VerifyLevel,
  type WindowLimit,
} from "./session.ts";
export type {
  CheckResult,
  CloudTarget,
  DiscoveredResource,
  DiscoverResult,
  FreezeResult,
  FrozenResource,
  PlannedResource,
  PlanReference,
  PlanResult,
  ProjectFilter,
  ProjectsResult,
  RestoreMaps,
  RestoreOptions,
  SavedPlan,
  Selection,
  SweepResult,
  Task,
  TaskKind,
  TaskResults,
} from "./task.ts";
export { withoutOrder } from "./task.ts";
