/** What a task is given to run with: the claim's repository, writer and signal, and a way into clouds. */

import type { CloudTarget, SessionId } from "@permafrost/model";
import type { Cloud } from "@permafrost/openstack";
import type { Repository, Writer } from "@permafrost/repository";
import { type Clock, CodedError } from "@permafrost/std";
import { Ledger } from "./ledger.ts";
import { grantAccess, grantKind } from "./project-access.ts";
import { finderOf } from "./reference-kinds.ts";
import type { Context } from "./resource-type.ts";
import { resourceTypes } from "./resource-types.ts";
import { RestoreJournal } from "./restore-journal.ts";
import { inBoth, temporaryKinds } from "./temporaries.ts";

export interface TaskEnvironment {
  readonly repository: Repository;
  readonly writer: Writer;
  readonly scope: { readonly repositoryId: string; readonly sessionId: string; readonly taskId: string; readonly fence: bigint };
  readonly signal: AbortSignal;
  readonly progress: (bytes: number) => void;
  readonly clock: Clock;
  /** Kept open between tasks by the worker. Throws CLOUD_UNKNOWN, AUTH_FAILED, PROJECT_UNKNOWN. */
  readonly openCloud: (target: CloudTarget) => Promise<Cloud>;
}

/** The context of a resource type's methods in one cloud. `journalId`: the session whose journal a restore goes on with; default: its own. */
export async function contextOf(
  environment: TaskEnvironment,
  target: CloudTarget,
  journalId: SessionId = environment.scope.sessionId,
): Promise<Context> {
  const { repository, scope, clock, writer, signal, progress } = environment;
  const records = repository.records(scope);
  const journal = new RestoreJournal(records, journalId);
  const home = () => environment.openCloud({ cloud: target.cloud });
  const access = { kinds: [grantKind(home)], records, sessionId: scope.sessionId, clock, signal };
  const admin = target.grant === true && target.project !== undefined ? await home().catch(noProject) : undefined;
  const grants = admin === undefined ? new Set<string>() : await grantAccess(admin, target, new Ledger(access));
  const cloud = await environment.openCloud(target);
  const temporaryCloud = await openTemporaryCloud(environment, target, cloud);
  const kindsIn = (cloud: Cloud) => [
    ...temporaryKinds(cloud, clock, signal),
    ...resourceTypes.flatMap((type) => type.temporaries?.({ cloud, clock, signal }) ?? []),
  ];
  const made = temporaryCloud === cloud ? kindsIn(cloud) : inBoth(kindsIn(cloud), kindsIn(temporaryCloud));
  const kinds = [...access.kinds, ...made];
  const ledger = new Ledger({ records, sessionId: scope.sessionId, kinds, clock, signal });
  const names = new Map<string, Promise<string>>();
  const nameOf = (kind: string, id: string): Promise<string> => {
    const key = `${kind}/${id}`;
    const known = names.get(key) ?? lookUp(cloud, kind, id);
    names.set(key, known);
    return known;
  };
  return {
    cloud,
    temporaryCloud,
    reader: repository.reader(),
    writer,
    ledger,
    journal,
    clock,
    sessionId: scope.sessionId,
    signal,
    progress,
    nameOf,
    grants,
  };
}

/** Credentials that clouds.yaml gives no project of their own are nobody's administrator. */
function noProject(error: unknown): undefined {
  if (CodedError.is(error, "PROJECT_UNKNOWN")) return undefined;
  throw error;
}

/**
 * The project that pays for the temporaries. Only an administrator sees another project's volumes and servers from there, and the role
 * must be there before: one that a session gave itself would be taken away from under another.
 */
async function openTemporaryCloud(environment: TaskEnvironment, target: CloudTarget, cloud: Cloud): Promise<Cloud> {
  const project = target.temporaryProject;
  if (project === undefined || project === cloud.projectId || project === cloud.projectName) return cloud;
  const opened = await environment.openCloud({ cloud: target.cloud, project }).catch(noProject);
  if (opened?.projectId === cloud.projectId) return cloud;
  if (opened?.roles.has("admin") === true && cloud.roles.has("admin")) return opened;
  throw new CodedError("TEMPORARY_PROJECT_REFUSED", `Temporary objects cannot be made in project ${project}`, {
    facts: { project, cloud: target.cloud },
    hint: "Only an administrator can make them in another project: give its user the role admin there, or leave --temporary-project out.",
  });
}

async function lookUp(cloud: Cloud, kind: string, id: string): Promise<string> {
  const found = await finderOf(kind)?.(cloud, id);
  return found?.find((f) => f.id === id)?.name ?? "";
}
