/** Sessions that run by their record but have no row: the bus was wiped. They end as failed, and what they left in a cloud is swept. */

import type { SessionId, SessionRecord } from "@permafrost/model";
import type { Repository } from "@permafrost/repository";
import { type Clock, isoTime } from "@permafrost/std";
import { SessionStore } from "./session-store.ts";
import type { TaskBoard } from "./task-board.ts";
import { SWEEP_TASK_ID, toFailure } from "./task-entry.ts";

export interface LostSessionParts {
  readonly repositories: readonly Repository[];
  readonly holder: string;
  readonly board: TaskBoard;
  readonly clock: Clock;
  readonly hasRow: (id: SessionId) => Promise<boolean>;
  readonly onEvent: (message: string, id: SessionId, code: string) => void;
}

export async function endLostSessions(parts: LostSessionParts): Promise<void> {
  for (const repository of parts.repositories) {
    const store = new SessionStore(repository, parts.holder);
    for (const record of await store.list()) {
      if (record.state !== "running" || (await parts.hasRow(record.id))) continue;
      sweep(parts, repository, record);
      const failure = {
        code: "SESSION_LOST",
        message: "The session was interrupted and its progress was lost with the bus",
        hint:
          record.kind === "restore" && record.plan !== undefined
            ? "Apply its plan again with `permafrost restore apply`; what it made already is not made twice."
            : "Start it again; blocks stored already are not sent twice.",
      };
      await store.save({ ...record, state: "failed", phase: "ended", endedAt: isoTime(parts.clock.now()), failure });
      parts.onEvent("Session ended: it was lost with the bus", record.id, failure.code);
    }
  }
}

/** Not waited for: it needs a worker, and sessions should not wait for one to come. */
function sweep({ board, holder, onEvent }: LostSessionParts, repository: Repository, record: SessionRecord): void {
  const { id, source } = record;
  // A copy made nothing in a cloud, and its source's is not this site's.
  if (record.origin !== undefined) return;
  if (record.kind === "check" || source.input !== "tenant" || source.cloud === undefined) return;
  const project = source.projectId ?? source.projectName;
  const { cloud, temporaryProject } = source;
  const target = {
    cloud,
    ...(project === undefined ? {} : { project }),
    ...(temporaryProject === undefined ? {} : { temporaryProject }),
  };
  const scope = { repositoryId: repository.id, sessionId: id, taskId: holder, fence: 0n };
  const task = { id: SWEEP_TASK_ID, sessionId: id, repositoryId: repository.id, kind: "sweep" as const, source: target };
  void board
    .run<"sweep">(repository, () => repository.writer(scope), [task], { signal: new AbortController().signal })
    .then(() => board.clear(id))
    .catch((error: unknown) => onEvent(`Sweep failed: ${toFailure(error).message}`, id, toFailure(error).code));
}
