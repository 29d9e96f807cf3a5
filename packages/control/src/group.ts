/**
 * A session group: all projects of a cloud that an administrator selects, one backup session each, a bounded number at once. The group's
 * record has one resource per project and ends when all its sessions have; its outcome is the sum of theirs.
 *
 * Run again after a crash it finds its sessions by their records and starts only what is missing.
 */

import { EMPTY_STATS, type ProjectsResult, type ResourceResult, type SessionId, type SessionRecord } from "@permafrost/model";
import { CodedError, mapPool } from "@permafrost/std";
import { cancelledOrThrow, endSession, enterPhase, patiently, type RunContext } from "./run-context.ts";
import type { GroupSpec, TenantBackupSpec } from "./session-spec.ts";
import { fromFailure, toFailure } from "./task-entry.ts";

/** What a group needs of the coordinator that runs it. */
export interface GroupSessions {
  start(input: Omit<TenantBackupSpec, "sessionId" | "repositoryId" | "startedAt">): Promise<SessionRecord>;
  /** Sessions of the group that have a record, newest first. */
  of(groupId: SessionId): Promise<SessionRecord[]>;
  /** As it is now, live if it runs here. */
  get(sessionId: SessionId): Promise<SessionRecord | undefined>;
  cancel(sessionId: SessionId): Promise<void>;
}

const POLL_MS = 1_000;
const TYPE = "keystone.project";
type Project = ProjectsResult["projects"][number];

export async function runGroup(context: RunContext, spec: GroupSpec, sessions: GroupSessions): Promise<void> {
  try {
    await enterPhase(context, "prepare");
    const task = {
      id: "projects-1",
      sessionId: spec.sessionId,
      repositoryId: spec.repositoryId,
      kind: "projects" as const,
      source: spec.target,
      filter: spec.projects,
    };
    const [found] = await context.board.run<"projects">(context.repository, context.newWriter, [task], {
      signal: context.signal,
    });
    if (found === undefined || !found.ok)
      throw fromFailure(found?.failure ?? { code: "TASK_LOST", message: "The list of projects has no outcome" });
    const { projects } = found.result;
    for (const project of projects) context.view.setResource(pending(project));
    await enterPhase(context, "stream");
    const known = new Map(
      (await patiently(context, () => sessions.of(spec.sessionId))).map((r) => [r.source.projectId ?? r.source.projectName, r]),
    );
    await mapPool(projects, spec.atOnce, async (project) => {
      await runProject(context, spec, sessions, project, known.get(project.id));
    });
    const states = context.view.resources().map((r) => r.state);
    const failed = states.filter((s) => s === "failed").length;
    await endSession(context, failed === 0 ? "succeeded" : failed === states.length ? "failed" : "partial");
  } catch (error) {
    const cancelled = cancelledOrThrow(context, error);
    for (const child of await sessions.of(spec.sessionId)) if (child.state === "running") await sessions.cancel(child.id);
    await context.board.cancelAll(spec.sessionId, context.stopped);
    await endSession(context, cancelled ? "cancelled" : "failed", { failure: toFailure(error) });
  }
}

async function runProject(
  context: RunContext,
  spec: GroupSpec,
  sessions: GroupSessions,
  project: Project,
  known: SessionRecord | undefined,
): Promise<void> {
  const key = { type: TYPE, id: project.id };
  context.signal.throwIfAborted();
  try {
    const child =
      known ??
      (await sessions.start({
        kind: "backup",
        input: "tenant",
        target: { ...spec.target, project: project.id, grant: true },
        selection: spec.selection,
        ...(spec.maxWindow === undefined ? {} : { maxWindow: spec.maxWindow }),
        groupId: spec.sessionId,
        ...(spec.policy === undefined ? {} : { policy: spec.policy }),
      }));
    context.view.patchResource(key, { state: "running", targetId: child.id });
    for (;;) {
      const now = await patiently(context, () => sessions.get(child.id));
      if (now === undefined) throw new CodedError("SESSION_LOST", `Session ${child.id} of ${project.name} has no record`);
      if (now.state !== "running") return context.view.patchResource(key, resultOf(now));
      await context.clock.sleep(POLL_MS, context.signal);
    }
  } catch (error) {
    context.signal.throwIfAborted();
    context.view.patchResource(key, { state: "failed", failure: toFailure(error) });
  }
}

/** I12: a project of which something is missing has not succeeded. */
function resultOf(session: SessionRecord): Partial<ResourceResult> {
  const { id, state, stats, counts } = session;
  const done = { stats, warnings: session.warnings, targetId: id };
  if (state === "succeeded") return { ...done, state: "succeeded" };
  const failure = session.failure ?? {
    code: state === "partial" ? "PARTIAL" : "SESSION_FAILED",
    message: `${counts.failed} of ${counts.resources} resources failed`,
    hint: `\`permafrost session show ${id}\` says which and why.`,
  };
  return { ...done, state: "failed", failure };
}

function pending(project: Project): ResourceResult {
  return {
    type: TYPE,
    id: project.id,
    name: project.domainName === "Default" ? project.name : `${project.name} (${project.domainName})`,
    state: "pending",
    streams: {},
    stats: EMPTY_STATS,
    warnings: [],
  };
}
