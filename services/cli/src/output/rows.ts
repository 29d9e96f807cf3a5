/** The columns of every kind of row the CLI prints. */

import { formatBytes, formatDuration, formatTime } from "../amounts.ts";
import type { Failure, PlanReference, PruneReport, Repository, Resource, Session, Stats } from "../api.ts";
import type { Cell, Column } from "./column.ts";

export const REPOSITORY_COLUMNS: readonly Column<Repository>[] = [
  { title: "ID", value: (row) => row.id },
  { title: "Name", value: (row) => row.name },
  { title: "Unlocked", value: (row) => row.unlocked },
  { title: "Restore Points", value: (row) => row.restorePoints, align: "right" },
  time("Created At", (row) => row.createdAt),
];

export const SESSION_COLUMNS: readonly Column<Session>[] = [
  { title: "ID", value: (row) => row.id },
  { title: "Kind", value: (row) => row.kind, text: kindText },
  { title: "State", value: (row) => row.state },
  { title: "Repository", value: (row) => row.repository },
  { title: "Source", value: sourceText },
  time("Started At", (row) => row.startedAt),
  duration((row) => row),
  { title: "Resources", value: (row) => row.resources, align: "right" },
  { title: "Failed", value: (row) => row.failed, align: "right" },
  bytes("Logical Size", (row) => row.stats, "logicalBytes"),
  bytes("Stored Size", (row) => row.stats, "storedBytes"),
  { title: "Phase", value: (row) => row.phase, detail: true },
  { title: "Repository ID", value: (row) => row.repositoryId, detail: true },
  { title: "Input", value: (row) => row.input, detail: true },
  { title: "Cloud", value: (row) => row.cloud || undefined, detail: true },
  { title: "Project ID", value: (row) => row.projectId || undefined, detail: true },
  { title: "Source Name", value: (row) => row.sourceName || undefined, detail: true },
  { ...time<Session>("Ended At", (row) => row.endedAt), detail: true },
  { title: "Parent ID", value: (row) => row.parentId || undefined, detail: true },
  { title: "Applies ID", value: (row) => row.appliesId || undefined, detail: true },
  { title: "Group ID", value: (row) => row.groupId || undefined, detail: true },
  { title: "Succeeded", value: (row) => row.succeeded, detail: true },
  { title: "Skipped", value: (row) => row.skipped, detail: true },
  { ...bytes<Session>("Read Size", (row) => row.stats, "readBytes"), detail: true },
  { ...bytes<Session>("New Size", (row) => row.stats, "newBytes"), detail: true },
  { ...bytes<Session>("Zero Size", (row) => row.stats, "zeroBytes"), detail: true },
  { title: "New Blocks", value: (row) => row.stats?.newBlocks, detail: true },
  { title: "Dry Run", value: (row) => row.dryRun, detail: true },
  { title: "Warnings", value: (row) => row.warnings, detail: true },
  { title: "Consistency Window Ms", value: (row) => row.consistencyWindowMs, detail: true },
  { ...time<Session>("Locked Until", (row) => row.lockedUntil), detail: true },
  { title: "Held", value: (row) => row.held, detail: true },
  { ...pruned("Unused Size", (report) => report.unusedBytes), detail: true },
  { ...pruned("Freed Size", (report) => report.freedBytes), detail: true },
  { ...pruned("Condemned Size", (report) => report.condemnedBytes), detail: true },
  { ...time<Session>("Deleted After", (row) => row.prune?.deletedAfter), detail: true },
  { title: "Repaired Copies", value: (row) => row.repair?.copies, detail: true },
  { title: "Lost Blocks", value: (row) => row.repair?.lostBlocks, detail: true },
  { title: "Short Blocks", value: (row) => row.repair?.shortBlocks, detail: true },
  { title: "Origin Site", value: (row) => row.origin?.site, detail: true },
  { title: "Origin Session", value: (row) => row.origin?.sessionId, detail: true },
  { ...time<Session>("Origin Started At", (row) => row.origin?.startedAt), detail: true },
  { title: "Failure", value: (row) => failureValue(row.failure), text: (row) => failureText(row.failure), detail: true },
];

/** A restore point of another site, and what a copy of it came to here. */
export interface CopiedPoint {
  readonly origin: Session;
  /** Empty: none. */
  readonly copyId: string;
  /** `copied`, `there already`, `to copy`, or the state that copying it ended in. */
  readonly outcome: string;
  /** Of this copying. */
  readonly stats?: Session["stats"];
}

export const COPIED_COLUMNS: readonly Column<CopiedPoint>[] = [
  { title: "Origin", value: ({ origin }) => origin.id },
  { title: "Source", value: ({ origin }) => sourceText(origin) },
  time("Started At", ({ origin }) => origin.startedAt),
  { title: "Copy", value: ({ copyId }) => copyId },
  { title: "Outcome", value: ({ outcome }) => outcome },
  bytes("Read Size", ({ stats }) => stats, "readBytes"),
  bytes("Stored Size", ({ stats }) => stats, "storedBytes"),
];

/** What a recovery made of a restore point; `damaged`: the check's rows of it that failed. */
export interface RecoveredPoint {
  readonly session: Session;
  readonly damaged: readonly Resource[];
}

export const RECOVERED_COLUMNS: readonly Column<RecoveredPoint>[] = [
  { title: "ID", value: ({ session }) => session.id },
  { title: "Repository", value: ({ session }) => session.repository },
  { title: "Source", value: ({ session }) => sourceText(session) },
  time("Started At", ({ session }) => session.startedAt),
  { title: "Backup", value: ({ session }) => session.state },
  { title: "Whole", value: ({ damaged }) => damaged.length === 0 },
  { title: "Damaged", value: ({ damaged }) => damaged.length, align: "right" },
];

/** `session show`: one session has room for everything. */
export const SESSION_SHOW_COLUMNS: readonly Column<Session>[] = SESSION_COLUMNS.map(({ detail: _, ...column }) => column);

export const RESOURCE_COLUMNS: readonly Column<Resource>[] = [
  { title: "Type", value: (row) => row.type },
  { title: "Name", value: (row) => row.name },
  { title: "State", value: (row) => row.state },
  bytes("Logical Size", (row) => row.stats, "logicalBytes"),
  bytes("Read Size", (row) => row.stats, "readBytes"),
  bytes("New Size", (row) => row.stats, "newBytes"),
  bytes("Stored Size", (row) => row.stats, "storedBytes"),
  duration((row) => row),
  { title: "ID", value: (row) => row.id, detail: true },
  { title: "Consistency", value: (row) => row.consistency || undefined, detail: true },
  { title: "Source Hash", value: (row) => row.sourceHash || undefined, detail: true },
  { ...bytes<Resource>("Zero Size", (row) => row.stats, "zeroBytes"), detail: true },
  { title: "Action", value: (row) => row.action || undefined, detail: true },
  {
    title: "Reason",
    value: (row) => row.actionReason || undefined,
    // What was not saved cannot be planned: then the failure is the reason.
    text: (row) => row.actionReason || failureText(row.failure),
    detail: true,
  },
  { title: "Target Name", value: (row) => row.targetName || undefined, detail: true },
  { title: "Depends On", value: (row) => row.dependsOn, detail: true },
  { title: "Target ID", value: (row) => row.targetId || undefined, detail: true },
  { title: "Verified", value: (row) => row.verified || undefined, detail: true },
  { title: "Mismatches", value: (row) => row.mismatches, detail: true },
  { title: "Warnings", value: (row) => row.warnings, detail: true },
  { title: "Failure", value: (row) => failureValue(row.failure), text: (row) => failureText(row.failure), detail: true },
  { ...time<Resource>("Started At", (row) => row.startedAt), detail: true },
  { ...time<Resource>("Ended At", (row) => row.endedAt), detail: true },
];

/** Resources as an undo shows them before it begins. */
export const UNDO_COLUMNS: readonly Column<Resource>[] = [
  { title: "Type", value: (row) => row.type },
  { title: "Name", value: (row) => row.targetName || row.name },
  { title: "Undo", value: (row) => (row.action === "create" ? "remove" : "set back") },
  { title: "Target ID", value: (row) => row.targetId || undefined },
  { title: "ID", value: (row) => row.id, detail: true },
];

export const REFERENCE_COLUMNS: readonly Column<PlanReference>[] = [
  { title: "Kind", value: (row) => row.kind },
  { title: "Name", value: (row) => row.name || undefined, text: (row) => row.name || row.id },
  { title: "How", value: (row) => row.how, text: (row) => row.how.replace("-", " ") },
  { title: "Target Name", value: (row) => row.targetName || undefined },
  { title: "Target ID", value: (row) => row.targetId || undefined },
  { title: "ID", value: (row) => row.id, detail: true },
];

/** A project of a session group: its row there, and the session that backed it up. */
export interface GroupProject {
  readonly project: Resource;
  readonly session: Session | undefined;
}

export const GROUP_COLUMNS: readonly Column<GroupProject>[] = [
  { title: "Project", value: (row) => row.project.name },
  { title: "State", value: (row) => row.session?.state ?? row.project.state },
  { title: "Resources", value: (row) => row.session?.resources, align: "right" },
  { title: "Failed", value: (row) => row.session?.failed, align: "right" },
  bytes("Logical Size", (row) => row.session?.stats, "logicalBytes"),
  bytes("New Size", (row) => row.session?.stats, "newBytes"),
  bytes("Stored Size", (row) => row.session?.stats, "storedBytes"),
  duration((row) => row.session ?? row.project),
  { title: "Session ID", value: (row) => row.session?.id ?? (row.project.targetId || undefined) },
  { title: "Project ID", value: (row) => row.project.id, detail: true },
  { ...bytes<GroupProject>("Read Size", (row) => row.session?.stats, "readBytes"), detail: true },
  { title: "Warnings", value: (row) => row.session?.warnings ?? row.project.warnings, detail: true },
  {
    title: "Failure",
    value: (row) => failureValue(row.project.failure),
    text: (row) => failureText(row.project.failure),
    detail: true,
  },
];

/** What a table shows of the resources of a session; undefined: as for a backup. */
export function tableColumnsOf(
  session: Pick<Session, "kind" | "dryRun"> | undefined,
  resources: readonly Resource[],
): readonly string[] | undefined {
  const target = resources.some((resource) => resource.targetName !== "") ? ["Target Name"] : [];
  switch (session?.kind) {
    case "restore":
      return session.dryRun
        ? ["Type", "Name", ...target, "Action", "Reason"]
        : ["Type", "Name", ...target, "State", "Action", "Verified", "Target ID", "Logical Size", "Time"];
    case "verify":
      return ["Type", "Name", ...target, "State", "Verified", "Target ID"];
    case "undo":
      return ["Type", "Name", ...target, "State", "Target ID"];
    case "prune":
    case "repair":
      return ["Type", "Name", "State", "Time"];
    case "check":
      return ["Type", "Name", "State", "Logical Size", "Read Size", "Time"];
    case "group":
      return ["Type", "Name", "State", "Logical Size", "New Size", "Stored Size", "Time"];
    default:
      return undefined;
  }
}

/** A restore that was only planned is a plan to people. */
function kindText(session: Session): string {
  return session.kind === "restore" && session.dryRun ? "plan" : session.kind;
}

/** `cloud/project` of a tenant, `cloud/*` of a group; else the input and its name. */
export function sourceText(session: Session): string {
  if (session.kind === "group") return `${session.cloud}/*`;
  if (session.input === "tenant" || session.input === "") {
    return [session.cloud, session.sourceName || session.projectId].filter((part) => part !== "").join("/");
  }
  return `${session.input}:${session.sourceName}`;
}

/** `message (CODE)`; the hint after it. */
export function failureText(failure: Failure | undefined): string {
  if (failure === undefined) return "";
  return `${failure.message} (${failure.code})${failure.hint === "" ? "" : `; ${failure.hint}`}`;
}

export function failureValue(failure: Failure | undefined): Cell {
  if (failure === undefined) return undefined;
  const { code, message, hint, facts } = failure;
  return { code, message, ...(hint === "" ? {} : { hint }), facts };
}

type ByteCounter = "logicalBytes" | "readBytes" | "newBytes" | "storedBytes" | "zeroBytes";

function bytes<Row>(title: string, stats: (row: Row) => Stats | undefined, counter: ByteCounter): Column<Row> {
  return {
    title,
    value: (row) => stats(row)?.[counter],
    text: (row) => {
      const value = stats(row)?.[counter];
      return value === undefined ? "" : formatBytes(value);
    },
    align: "right",
  };
}

function pruned(title: string, counter: (report: PruneReport) => bigint): Column<Session> {
  const value = ({ prune }: Session) => prune && counter(prune);
  const text = (row: Session) => {
    const size = value(row);
    return size === undefined ? "" : formatBytes(size);
  };
  return { title, value, text, align: "right" };
}

export function time<Row>(title: string, at: (row: Row) => Date | undefined): Column<Row> {
  return {
    title,
    value: (row) => at(row)?.toISOString(),
    text: (row) => {
      const value = at(row);
      return value === undefined ? "" : formatTime(value);
    },
  };
}

/** Seconds, once ended. */
function duration<Row>(
  span: (row: Row) => { readonly startedAt?: Date | undefined; readonly endedAt?: Date | undefined },
): Column<Row> {
  const ms = (row: Row): number | undefined => {
    const { startedAt, endedAt } = span(row);
    return startedAt === undefined || endedAt === undefined ? undefined : endedAt.getTime() - startedAt.getTime();
  };
  return {
    title: "Time",
    value: (row) => {
      const value = ms(row);
      return value === undefined ? undefined : value / 1000;
    },
    text: (row) => {
      const value = ms(row);
      return value === undefined ? "" : formatDuration(value);
    },
    align: "right",
  };
}
