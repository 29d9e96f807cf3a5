export { Coordinator, type CoordinatorOptions } from "./coordinator.ts";
export { isLocked, Repositories } from "./repositories.ts";
export { endedRestore, idlePlan, type PlannedRestore, restorePlan } from "./restore-sessions.ts";
export { newSessionId, type SessionSpec } from "./session-spec.ts";
export { resolveSession, SessionStore } from "./session-store.ts";
export { type ResourceView, SessionView } from "./session-view.ts";
export { ATTEMPTS_MAX, type TaskContext, TaskHost, type TaskHostOptions } from "./task-claim.ts";
export { fromFailure, toFailure } from "./task-entry.ts";
export { WorkerTable } from "./worker-table.ts";
