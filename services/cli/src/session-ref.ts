/** Sessions by id, by unambiguous prefix (the coordinator resolves it) or as `latest`. */

import { CodedError } from "@permafrost/std";
import type { Cluster, Session } from "./api.ts";

export interface LatestOf {
  /** Name or id; empty: any. */
  readonly repository: string;
  /** Default: any. */
  readonly input?: "tenant" | "stream" | "fs";
  /** Of the stream or tree; default: any. */
  readonly name?: string;
}

/** For `latest` the id of the newest restore point of that kind; every other reference goes to the coordinator as it is. */
export async function resolveSession(cluster: Cluster, reference: string, of: LatestOf): Promise<string> {
  if (reference !== "latest") return reference;
  for await (const session of eachSession(cluster, of.repository)) {
    if (session.kind !== "backup" || (session.state !== "succeeded" && session.state !== "partial")) continue;
    if (of.input !== undefined && session.input !== of.input) continue;
    if (of.name === undefined || session.sourceName === of.name) return session.id;
  }
  const what = [of.input, of.name === undefined ? undefined : JSON.stringify(of.name)]
    .filter((part) => part !== undefined)
    .join(" ");
  const where = of.repository === "" ? "" : ` in repository ${of.repository}`;
  throw new CodedError("SESSION_UNKNOWN", `There is no restore point${what === "" ? "" : ` of ${what}`}${where}`, {
    hint: "`permafrost sessions` lists all sessions, failed ones too.",
  });
}

/**
 * For `latest` the id of the newest restore that has ended: a `plan`, an applied `restore`, or `either`. Every other reference goes
 * to the coordinator as it is.
 */
export async function resolveRestore(
  cluster: Cluster,
  reference: string,
  repository: string,
  what: "plan" | "restore" | "either" = "either",
): Promise<string> {
  if (reference !== "latest") return reference;
  for await (const session of eachSession(cluster, repository)) {
    if (session.kind !== "restore" || session.state === "running") continue;
    // What failed or was cancelled as it was planned left no plan.
    if (session.dryRun && session.state !== "succeeded" && session.state !== "partial") continue;
    if (what === "either" || session.dryRun === (what === "plan")) return session.id;
  }
  const where = repository === "" ? "" : ` in repository ${repository}`;
  throw new CodedError("SESSION_UNKNOWN", `There is no ${what === "either" ? "plan or restore" : what}${where}`, {
    hint: "`permafrost restore plan` makes a plan, `permafrost sessions` lists all sessions.",
  });
}

/** Sessions, newest first, page by page. */
export async function* eachSession(cluster: Cluster, repository: string): AsyncGenerator<Session> {
  let pageToken = "";
  do {
    const page = await cluster.sessions.listSessions({ repository, pageSize: 100, pageToken });
    yield* page.sessions;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}

/** A backup that can be restored from. */
export function isRestorePoint({ kind, state }: Pick<Session, "kind" | "state">): boolean {
  return kind === "backup" && (state === "succeeded" || state === "partial");
}
