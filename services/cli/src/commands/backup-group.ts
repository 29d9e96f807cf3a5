/**
 * `permafrost backup --all-projects`: one session group, and in it a backup of each project that an administrator selects. One summary per
 * project at the end: a project of which something is missing is named with the reason.
 */

import { CodedError, mapPool } from "@permafrost/std";
import type { Command } from "commander";
import type { Cluster, Resource, StartBackupRequest } from "../api.ts";
import type { ExitCode } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { type Followed, followSession, getSession } from "../follow.ts";
import { collect, wholeNumber } from "../options.ts";
import { endWithSession, printSessionId, saySessionProblems, summaryLine } from "../outcome.ts";
import { listValue, printable } from "../output/render.ts";
import { failureText, GROUP_COLUMNS, type GroupProject, SESSION_COLUMNS } from "../output/rows.ts";
import type { Run } from "../run-context.ts";
import { commonOf, type SourceFlags } from "./backup-source.ts";

export interface GroupFlags extends SourceFlags {
  readonly allProjects?: boolean;
  readonly domain?: string;
  readonly tag?: readonly string[];
  readonly projectName?: readonly string[];
  readonly excludeProject?: readonly string[];
  readonly atOnce?: number;
  readonly detach?: boolean;
}

const GROUP_OPTIONS = ["domain", "tag", "projectName", "excludeProject", "atOnce"] as const;
const SESSIONS_READ_AT_ONCE = 8;

export function withGroup(backup: Command): void {
  backup
    .optionsGroup("All projects:")
    .option(
      "--all-projects",
      "as an administrator, every enabled project of the cloud that these options select, one backup each",
    )
    .option("--domain <domain>", "only projects of this domain: name or id")
    .option("--tag <tag>", "only projects with this tag; repeatable, all of them must be there", collect)
    .option("--project-name <glob>", "only projects whose name or id this is; repeatable", collect)
    .option("--exclude-project <glob>", "not these; wins over --project-name; repeatable", collect)
    .option("--at-once <count>", "projects backed up at the same time; default: 2", wholeNumber(1));
}

/** Throws USAGE. */
export function checkGroupFlags(flags: GroupFlags, command: Command): void {
  if (flags.allProjects) {
    for (const [option, name] of [
      ["osProject", "--os-project"],
      ["input", "--input"],
    ] as const) {
      if (command.getOptionValueSource(option) === "cli") throw usageError(`${name} does not go with --all-projects`);
    }
    return;
  }
  for (const option of GROUP_OPTIONS) {
    if (flags[option] === undefined) continue;
    throw usageError(`--${option.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)} goes with --all-projects`);
  }
}

export async function backupGroup(run: Run, repository: string, flags: GroupFlags): Promise<ExitCode> {
  const request: StartBackupRequest = { repository, input: allProjectsOf(run, flags) };
  const cluster = await run.cluster();
  const { sessionId } = await cluster.sessions.startBackup(request, { signal: run.interrupts.signal });
  if (flags.detach) return printSessionId(run, sessionId);
  return reportGroup(run, cluster, await followSession(run, cluster, sessionId));
}

/** What the flags select. Throws USAGE. */
export function allProjectsOf(run: Run, flags: GroupFlags): Extract<StartBackupRequest["input"], { $case: "allProjects" }> {
  return {
    $case: "allProjects",
    value: {
      ...commonOf(run, flags),
      domain: flags.domain ?? "",
      tags: [...(flags.tag ?? [])],
      include: [...(flags.projectName ?? [])],
      exclude: [...(flags.excludeProject ?? [])],
      atOnce: flags.atOnce ?? 0,
    },
  };
}

async function reportGroup(run: Run, cluster: Cluster, followed: Followed): Promise<ExitCode> {
  const { session, resources } = followed;
  const { format, columns } = run.settings.render;
  const projects = await mapPool(resources, SESSIONS_READ_AT_ONCE, (project) => groupProject(cluster, project));
  if ((format === "json" || format === "yaml") && columns.length === 0) {
    await run.printRecord(session, SESSION_COLUMNS, { project_list: listValue(projects, GROUP_COLUMNS) });
  } else {
    if (projects.length > 0 || format !== "table") await run.printList(projects, GROUP_COLUMNS);
    if (format === "table") await run.context.stdout.write(`${summaryLine(session)}\n`);
  }
  await saySessionProblems(run, session);
  for (const { project, session: own } of projects) {
    // Who cancelled the group knows why everything in it stopped.
    if (project.failure !== undefined && !(session.state === "cancelled" && project.failure.code === "CANCELLED"))
      await run.warn(`Failed: project ${printable(project.name)}: ${printable(failureText(project.failure))}`);
    for (const warning of own?.warnings ?? project.warnings)
      await run.note(`Warning: project ${printable(project.name)}: ${printable(warning)}`);
  }
  return endWithSession(run, followed, {});
}

/** The group's row of a project holds, as what was made of it, the id of its backup. */
async function groupProject(cluster: Cluster, project: Resource): Promise<GroupProject> {
  if (project.targetId === "") return { project, session: undefined };
  try {
    return { project, session: await getSession(cluster, project.targetId) };
  } catch (error) {
    // Forgotten in the meantime, say: the group's own row still tells how it ended.
    if (CodedError.is(error, "SESSION_UNKNOWN")) return { project, session: undefined };
    throw error;
  }
}
