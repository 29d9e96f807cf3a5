/**
 * The end of a backup, restore or check as the user sees it: the summary on standard output, every failure and
 * mismatch on standard error, and the exit code.
 */

import { CodedError } from "@permafrost/std";
import { formatBytes, formatDuration, formatTime } from "./amounts.ts";
import type { Failure, PruneReport, RepairReport, Resource, Session } from "./api.ts";
import { EXIT, type ExitCode, exitCodeOf, exitCodeOfState } from "./exit-codes.ts";
import { failureLines } from "./failure.ts";
import type { Followed } from "./follow.ts";
import { listValue, printable } from "./output/render.ts";
import { failureText, RESOURCE_COLUMNS, SESSION_COLUMNS, tableColumnsOf } from "./output/rows.ts";
import type { Run } from "./run-context.ts";

export interface OutcomeOptions {
  /** Members of the json and yaml record, beside the session's. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Said last, to people. */
  readonly notes?: readonly string[];
  /** What went wrong beside the session: a success is then only a partial one. */
  readonly problem?: CodedError;
}

/** Prints the outcome and answers the exit code. */
export async function reportOutcome(run: Run, followed: Followed, options: OutcomeOptions = {}): Promise<ExitCode> {
  const { session, resources } = followed;
  await printSummary(run, session, resources, options);
  await saySessionProblems(run, session);
  await sayResourceProblems(run, session, resources);
  return endWithSession(run, followed, options);
}

/** All that is said of a session that is left to the cluster. */
export async function printSessionId(run: Run, sessionId: string): Promise<ExitCode> {
  await run.printRecord({ sessionId }, [{ title: "ID", value: (row) => row.sessionId }]);
  return EXIT.ok;
}

/** The end of every session: notes, what went wrong beside it, and the exit code with the machine's line. */
export async function endWithSession(
  run: Run,
  { session, resources }: Followed,
  { notes = [], problem }: OutcomeOptions,
): Promise<ExitCode> {
  for (const note of notes) await run.note(note);
  if (problem !== undefined) await run.warn(failureLines(problem, run.settings.verbose).join("\n"));
  const code = outcomeCode(session, resources, run.interrupts.happened);
  if (code === EXIT.ok && problem !== undefined) return run.end(EXIT.partial, `${problem.message} (${problem.code})`);
  const { failure } = session;
  const why = failure === undefined ? "" : `: ${failure.message} (${failure.code})`;
  return run.end(code, `${session.kind} ${session.id} ${session.state}${why}`);
}

function outcomeCode(session: Session, resources: readonly Resource[], interrupted: boolean): ExitCode {
  if (interrupted) return EXIT.interrupted;
  if (session.state === "failed" && session.failure !== undefined) return exitCodeOf(session.failure.code);
  const code = exitCodeOfState(session.state);
  // A restore whose bytes differ is not done, whatever its state says.
  return code === EXIT.ok && resources.some((resource) => resource.mismatches.length > 0) ? EXIT.partial : code;
}

async function printSummary(
  run: Run,
  session: Session,
  resources: readonly Resource[],
  { extra = {} }: OutcomeOptions,
): Promise<void> {
  const { format, columns } = run.settings.render;
  // With -c the resources are a plain list; without, machines get the session with its resources inside.
  if ((format === "json" || format === "yaml") && columns.length === 0) {
    return run.printRecord(session, SESSION_COLUMNS, {
      ...extra,
      resource_list: listValue(resources, RESOURCE_COLUMNS),
    });
  }
  // A plan that was not made says nothing of its resources.
  const isTold = resources.length > 0 && !session.dryRun;
  if (isTold || format !== "table") await run.printList(resources, RESOURCE_COLUMNS, tableColumnsOf(session, resources));
  if (format !== "table") return;
  // What a verification finds is its result.
  const found = session.kind === "verify" ? sectionText("Differences", resources.flatMap(mismatchLines)) : "";
  await run.context.stdout.write(`${found}${found === "" ? "" : "\n"}${summaryLine(session)}\n`);
}

/** A titled list after a blank line; nothing when it is empty. */
export function sectionText(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `\n${title}:\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

/** `type name: difference` of each. */
function mismatchLines(resource: Resource): string[] {
  return resource.mismatches.map((mismatch) => `${resourceText(resource)}: ${printable(mismatch)}`);
}

/** `type name`, safe to print. */
export function resourceText(resource: Resource): string {
  return `${resource.type} ${printable(resource.name || resource.id)}`;
}

/** `backup ID succeeded in 12s: 7 resources, 300 MiB logical, 290 MiB read, 120 MiB new, 80 MiB stored`. */
export function summaryLine(session: Session): string {
  const { startedAt, endedAt, stats } = session;
  const time =
    startedAt !== undefined && endedAt !== undefined ? ` in ${formatDuration(endedAt.getTime() - startedAt.getTime())}` : "";
  if (session.prune !== undefined)
    return `prune ${session.id} ${session.state}${time}: ${pruneText(session.prune, session.dryRun)}`;
  if (session.repair !== undefined) return `repair ${session.id} ${session.state}${time}: ${repairText(session.repair)}`;
  if (session.dryRun && session.kind === "restore") return `plan ${session.id} ${session.state}${time}`;
  const counts = [
    countText(session.resources, session.kind === "group" ? "project" : "resource"),
    ...(session.failed > 0 ? [`${session.failed} failed`] : []),
    ...(session.skipped > 0 ? [`${session.skipped} skipped`] : []),
  ];
  const bytes =
    stats === undefined || session.kind === "undo" || session.kind === "verify"
      ? []
      : [
          `${formatBytes(stats.logicalBytes)} logical`,
          `${formatBytes(stats.readBytes)} read`,
          ...(session.kind === "backup" || session.kind === "group"
            ? [`${formatBytes(stats.newBytes)} new`, `${formatBytes(stats.storedBytes)} stored`]
            : []),
        ];
  const window =
    session.consistencyWindowMs > 0n ? [`volumes frozen within ${formatDuration(Number(session.consistencyWindowMs))}`] : [];
  return `${session.kind} ${session.id} ${session.state}${time}: ${[...counts, ...bytes, ...window].join(", ")}`;
}

/** `412 MiB of 3.1 GiB unused, 12 MiB freed, 400 MiB condemned: deleted after 2026-12-04 12:00:00 at the earliest`. */
function pruneText(report: PruneReport, dryRun: boolean): string {
  const { storedBytes, unusedBytes, freedBytes, condemnedBytes, deletedAfter } = report;
  const would = dryRun ? "would be " : "";
  const condemned =
    condemnedBytes === 0n
      ? []
      : [
          `${formatBytes(condemnedBytes)} ${would}condemned` +
            (deletedAfter === undefined ? "" : `: deleted after ${formatTime(deletedAfter)} UTC at the earliest`),
        ];
  return [
    `${formatBytes(unusedBytes)} of ${formatBytes(storedBytes)} unused`,
    `${formatBytes(freedBytes)} ${would}freed`,
    ...condemned,
  ].join(", ");
}

/** `5000 blocks looked at, 300 copies made (18 MiB), 4 of records`. */
function repairText({ blocks, copies, copiedBytes, recordCopies, lostBlocks, shortBlocks }: RepairReport): string {
  return [
    `${countText(Number(blocks), "block")} looked at`,
    `${copies === 1n ? "1 copy" : `${copies} copies`} made (${formatBytes(copiedBytes)})`,
    ...(recordCopies > 0n ? [`${recordCopies} of records`] : []),
    ...(lostBlocks > 0n ? [`${countText(Number(lostBlocks), "block")} lost`] : []),
    ...(shortBlocks > 0n ? [`${countText(Number(shortBlocks), "block")} with too few copies`] : []),
  ].join(", ");
}

/** `1 resource`, `2 projects`. */
export function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

// Who cancelled a session knows why everything in it stopped.
function isNews(session: Session, failure: Failure | undefined): failure is Failure {
  return failure !== undefined && !(session.state === "cancelled" && failure.code === "CANCELLED");
}

export async function saySessionProblems(run: Run, session: Session): Promise<void> {
  for (const warning of session.warnings) await run.note(`Warning: ${printable(warning)}`);
  if (isNews(session, session.failure)) {
    const { code, message, hint, facts } = session.failure;
    const error = new CodedError(code, message, { facts, hint });
    await run.warn(failureLines(error, run.settings.verbose).join("\n"));
  }
  if (session.state === "succeeded" && session.resources === 0)
    await run.warn(
      `Warning: there was nothing to do: no ${session.kind === "group" ? "project" : "resource"} was found or selected`,
    );
}

/** Every failure, mismatch and warning of a resource, and why one was skipped, on standard error. */
export async function sayResourceProblems(run: Run, session: Session, resources: readonly Resource[]): Promise<void> {
  const isTable = run.settings.render.format === "table";
  const isListed = session.kind === "verify" && isTable;
  for (const resource of resources) {
    const name = resourceText(resource);
    const { failure } = resource;
    // Once is enough: the table of a plan has the reason, a verification lists its differences, a check says what it found as its failure.
    const isSaid = (isTable && session.dryRun) || (isListed && failure?.code === "VERIFY_MISMATCH");
    if (isNews(session, failure) && !isSaid) await run.warn(`Failed: ${name}: ${printable(failureText(failure))}`);
    for (const mismatch of resource.mismatches) {
      if (!isListed && !failure?.message.includes(mismatch)) await run.warn(`Mismatch: ${name}: ${printable(mismatch)}`);
    }
    // An undo leaves alone what the restore did not make, and needs no reason for it.
    if (resource.state === "skipped" && !session.dryRun && session.kind !== "undo")
      await run.note(`Skipped: ${name}: ${printable(resource.actionReason)}`);
    for (const warning of resource.warnings) await run.note(`Warning: ${name}: ${printable(warning)}`);
  }
}
