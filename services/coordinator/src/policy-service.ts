/** PolicyService: policies as people make and change them. Decides nothing; what is sent becomes the model's values here. */

import { type Policies, type PolicyView, PROJECTS_AT_ONCE } from "@permafrost/control";
import type { BackupPolicy, PolicyBackup, RetentionPolicy } from "@permafrost/model";
import type { control } from "@permafrost/rpc";
import { allProjectsOf, invalid, tenantOf } from "./requests.ts";

const RULES = ["last", "hourly", "daily", "weekly", "monthly", "yearly"] as const;

export function policyService(policies: Policies): control.PolicyServiceImplementation {
  return {
    async putPolicy({ repository, policy }) {
      if (policy === undefined) throw invalid("policy", "Say which policy");
      const { name, schedule, timeZone, paused, prune, pruneGraceMs } = policy;
      const keep = keepOf(policy.keep);
      const view = await policies.put(repository, {
        ...{ name, schedule, timeZone: timeZone === "" ? "UTC" : timeZone, isPaused: paused, backup: backupOf(policy) },
        ...(keep === undefined ? {} : { keep }),
        ...(prune ? { pruneGraceMs: Number(pruneGraceMs) } : {}),
      });
      return { policy: wirePolicy(view) };
    },

    async pausePolicy({ repository, name, paused }) {
      return { policy: wirePolicy(await policies.pause(repository, name, paused)) };
    },

    async listPolicies({ repository }) {
      return { policies: (await policies.list(repository)).map(wirePolicy) };
    },

    async deletePolicy({ repository, name }) {
      return { policy: wirePolicy(await policies.delete(repository, name)) };
    },
  };
}

function backupOf({ backup }: control.Policy): PolicyBackup {
  if (backup?.$case === "tenant") return tenantOf(backup.value);
  if (backup?.$case === "allProjects") return allProjectsOf(backup.value);
  throw invalid("policy.backup", "Say what to back up: tenant or all_projects");
}

/** Undefined: nothing is ever forgotten. */
function keepOf(sent: control.Retention | undefined): RetentionPolicy | undefined {
  const rules = RULES.flatMap((rule) => ((sent?.[rule] ?? 0) > 0 ? [[rule, sent?.[rule]] as const] : []));
  return rules.length === 0 ? undefined : (Object.fromEntries(rules) as RetentionPolicy);
}

export function wirePolicy({ policy, repository, nextDueAt }: PolicyView): control.Policy {
  const { name, schedule, timeZone, keep, pruneGraceMs, isPaused, last } = policy;
  const counts = Object.fromEntries(RULES.map((rule) => [rule, keep?.[rule] ?? 0])) as Record<(typeof RULES)[number], number>;
  return {
    ...{ name, schedule, timeZone, repository, paused: isPaused, backup: wireBackup(policy) },
    keep: keep === undefined ? undefined : counts,
    prune: pruneGraceMs !== undefined,
    pruneGraceMs: BigInt(pruneGraceMs ?? 0),
    nextDueAt: nextDueAt === undefined ? undefined : new Date(nextDueAt),
    lastDueAt: last === undefined ? undefined : new Date(last.dueAt),
    lastSessionId: last?.sessionId ?? "",
  };
}

function wireBackup({ backup }: BackupPolicy): control.Policy["backup"] {
  const { target, selection, projects, atOnce = PROJECTS_AT_ONCE, maxWindow } = backup;
  const window = { maxWindowMs: BigInt(maxWindow?.ms ?? 0), failBeyondWindow: maxWindow?.action === "fail" };
  const sent = { include: [...selection.include], exclude: [...selection.exclude] };
  const { cloud, project = "", temporaryProject = "" } = target;
  if (projects === undefined) return { $case: "tenant", value: { cloud, project, selection: sent, temporaryProject, ...window } };
  const { domain = "", tags, include, exclude } = projects;
  const names = { tags: [...tags], include: [...include], exclude: [...exclude] };
  const value = { cloud, domain, ...names, selection: sent, atOnce, temporaryProject, ...window };
  return { $case: "allProjects", value };
}
