/**
 * Acts on policies: starts what is due, and when that has ended forgets what the policy does not keep.
 *
 * An occurrence is acted upon once, whoever leads: its session names policy and time, and whoever finds such a session starts no other. What was
 * missed while nobody led is made up for once, by the latest occurrence. One that comes while the one before still runs is left out. Only what
 * the policy itself made is forgotten, and nothing that is locked.
 */

import { type BackupPolicy, isRestorePoint, lockReason, type PolicyRun, retained, type SessionRecord } from "@permafrost/model";
import type { Repository } from "@permafrost/repository";
import { type Clock, CodedError, isoTime } from "@permafrost/std";
import { PolicyStore, type StoredPolicy } from "./policy-store.ts";
import { lastDue } from "./schedule.ts";
import { type GroupSpec, PROJECTS_AT_ONCE, type PruneSpec, type TenantBackupSpec, UNUSED_PERCENT_MAX } from "./session-spec.ts";
import { SessionStore } from "./session-store.ts";

const POLL_MS = 15_000;
const FORGOTTEN_AT_ONCE = 100;

type Input<S> = Omit<S, "sessionId" | "repositoryId" | "startedAt">;

/** What it needs of the coordinator that leads. */
export interface SchedulerParts {
  readonly holder: string;
  readonly clock: Clock;
  /** Those whose key is here. */
  readonly repositories: () => Promise<Repository[]>;
  readonly start: (
    repositoryId: string,
    input: Input<TenantBackupSpec> | Input<GroupSpec> | Input<PruneSpec>,
  ) => Promise<SessionRecord>;
  readonly forget: (sessions: readonly string[]) => Promise<unknown>;
  readonly onEvent: (message: string, sessionId?: string, code?: string) => void;
}

/** Until the signal aborts. Never rejects: what fails is told and tried again. */
export async function runPolicies(parts: SchedulerParts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await actOnPolicies(parts).catch((error: unknown) => tell(parts, "Policies cannot be read", error));
    await parts.clock.sleep(POLL_MS, signal).catch(() => undefined);
  }
}

/** Looks at all policies once. */
export async function actOnPolicies(parts: SchedulerParts): Promise<void> {
  for (const repository of await parts.repositories()) {
    const store = new PolicyStore(repository, parts.holder);
    for (const stored of await store.list()) {
      await act(parts, repository, store, stored).catch((error: unknown) =>
        tell(parts, `Policy ${stored.policy.name} of ${repository.name}`, error),
      );
    }
  }
}

function tell({ onEvent }: SchedulerParts, what: string, error: unknown): void {
  const { code, message } = CodedError.from(error);
  onEvent(`${what}: ${message}`, undefined, code);
}

async function act(parts: SchedulerParts, repository: Repository, store: PolicyStore, stored: StoredPolicy): Promise<void> {
  const { policy } = stored;
  const now = parts.clock.now();
  const isTidy = policy.last?.isTidied !== false;
  const after = Math.max(Date.parse(policy.since), Date.parse(policy.last?.dueAt ?? "") || 0);
  const due = policy.isPaused ? undefined : lastDue(policy, after, now);
  if (isTidy && due === undefined) return;
  const records = await new SessionStore(repository, parts.holder).list();
  const mine = records.filter((record) => record.policy?.name === policy.name);
  let before = stored;
  if (!isTidy && (await isTidied(parts, repository, policy, mine)))
    before = await store.put({ ...policy, last: { ...(policy.last as PolicyRun), isTidied: true } }, before);
  if (due === undefined) return;
  const last = await occur(parts, repository, policy, mine, isoTime(due));
  await store.put({ ...before.policy, last }, before);
}

/** The session of this occurrence: the one that is there, or a new one, or none while another still runs. */
async function occur(
  parts: SchedulerParts,
  repository: Repository,
  { name, backup, keep }: BackupPolicy,
  mine: readonly SessionRecord[],
  dueAt: string,
): Promise<PolicyRun> {
  const own = mine.filter(({ groupId }) => groupId === undefined);
  const known = own.find(({ policy }) => policy?.dueAt === dueAt);
  const isTidied = keep === undefined;
  if (known !== undefined) return { dueAt, sessionId: known.id, isTidied };
  const running = own.find(({ state }) => state === "running");
  if (running !== undefined) {
    parts.onEvent(`Policy ${name} is due, and its last session still runs: left out`, running.id);
    return { dueAt, isTidied: true };
  }
  const { projects, atOnce = PROJECTS_AT_ONCE, ...asked } = backup;
  const common = { input: "tenant" as const, ...asked, policy: { name, dueAt } };
  const { id } = await parts.start(
    repository.id,
    projects === undefined ? { kind: "backup", ...common } : { kind: "group", ...common, projects, atOnce },
  );
  parts.onEvent(`Policy ${name} starts a session`, id);
  return { dueAt, sessionId: id, isTidied };
}

/** Forgets what the policy does not keep, once its last session has ended. */
async function isTidied(
  parts: SchedulerParts,
  repository: Repository,
  policy: BackupPolicy,
  mine: readonly SessionRecord[],
): Promise<boolean> {
  const { keep, last, timeZone, name, pruneGraceMs } = policy;
  if (mine.find(({ id }) => id === last?.sessionId)?.state === "running") return false;
  const gone = keep === undefined ? [] : unkept(mine, keep, timeZone, parts.clock.now());
  for (let at = 0; at < gone.length; at += FORGOTTEN_AT_ONCE) await parts.forget(gone.slice(at, at + FORGOTTEN_AT_ONCE));
  if (gone.length > 0) parts.onEvent(`Policy ${name} forgets ${gone.length} restore points`);
  if (gone.length > 0 && pruneGraceMs !== undefined) {
    const prune = { kind: "prune" as const, graceMs: pruneGraceMs, unusedPercentMax: UNUSED_PERCENT_MAX, dryRun: false };
    await parts.start(repository.id, prune).catch((error: unknown) => {
      // Another prune does this one's work.
      if (!CodedError.is(error, "PRUNE_RUNNING")) throw error;
    });
  }
  return true;
}

/** Ids of the policy's restore points that no rule keeps and no lock; each project by itself. */
function unkept(
  mine: readonly SessionRecord[],
  keep: NonNullable<BackupPolicy["keep"]>,
  timeZone: string,
  nowMs: number,
): string[] {
  const points = mine.filter(isRestorePoint);
  const bySource = Map.groupBy(points, ({ source }) => `${source.cloud ?? ""}\n${source.projectId ?? source.projectName ?? ""}`);
  return [...bySource.values()].flatMap((group) => {
    const times = group.map(({ id, startedAt, state }) => ({ id, startedAt, isComplete: state === "succeeded" }));
    const reasons = retained(times, keep, timeZone);
    return group.filter((record) => !reasons.has(record.id) && lockReason(record, nowMs) === undefined).map(({ id }) => id);
  });
}
