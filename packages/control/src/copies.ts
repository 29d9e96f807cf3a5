/** Which restore points another site has, which of them are copied here, and the start of a copy: each is copied once. */

import { isRestorePoint, type SessionRecord } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import type { Coordinator } from "./coordinator.ts";
import { resolveSession, SessionStore } from "./session-store.ts";

/** A repository here, and the one of another site that it has copies of; names or ids. */
export interface CopyRoute {
  readonly repository: string;
  readonly site: string;
  readonly sourceRepository: string;
}

export interface CopyOrigin {
  readonly record: SessionRecord;
  /** The restore point here that has all of it. */
  readonly copy?: SessionRecord;
}

/** The restore points of the other site's repository, newest first. Throws what `Sites` throws, and COPY_OF_ITSELF. */
export async function copyOrigins(coordinator: Coordinator, route: CopyRoute): Promise<CopyOrigin[]> {
  const there = await coordinator.sites.header(route.site, route.sourceRepository);
  const header = await coordinator.repositories.header(route.repository);
  if (there.repositoryId === header.repositoryId)
    throw new CodedError("COPY_OF_ITSELF", `Site ${route.site} has the same repository: a copy goes into another one`, {
      facts: { site: route.site, repository: header.name },
    });
  const source = await coordinator.sites.repository(route.site, there.repositoryId);
  const copies = (await coordinator.list(header.repositoryId)).filter(isRestorePoint);
  const points = (await new SessionStore(source).list()).filter(isRestorePoint);
  return points.map((record) => {
    const copy = copies.find(
      ({ origin }) => origin?.isWhole && origin.repositoryId === there.repositoryId && origin.sessionId === record.id,
    );
    return copy === undefined ? { record } : { record, copy };
  });
}

/** Starts copying one restore point: id, unambiguous prefix or `latest` there. Throws COPY_EXISTS and COPY_RUNNING besides. */
export async function startCopy(coordinator: Coordinator, route: CopyRoute, session: string): Promise<SessionRecord> {
  const origins = await copyOrigins(coordinator, route);
  const { id } = resolveSession(
    origins.map(({ record }) => record),
    session,
  );
  const { record, copy } = origins.find((origin) => origin.record.id === id) as CopyOrigin;
  if (copy !== undefined)
    throw new CodedError("COPY_EXISTS", `Session ${copy.id} is a copy of ${id} already`, {
      facts: { session: id, copy: copy.id },
    });
  const there = await coordinator.sites.header(route.site, route.sourceRepository);
  const running = (await coordinator.list(route.repository)).find(
    ({ origin, state }) => state === "running" && origin?.sessionId === id && origin.repositoryId === there.repositoryId,
  );
  if (running !== undefined)
    throw new CodedError("COPY_RUNNING", `Session ${running.id} is copying ${id}`, {
      facts: { session: id, copy: running.id },
      hint: "Wait for it, or cancel it.",
      retry: "later",
    });
  return await coordinator.start(route.repository, {
    kind: "backup",
    input: "copy",
    source: record.source,
    origin: {
      site: route.site,
      repositoryId: there.repositoryId,
      repositoryName: there.name,
      sessionId: id,
      startedAt: record.startedAt,
    },
  });
}
