/**
 * The end of a backup, restore or check as the user sees it: the summary on standard output, every failure and
 * mismatch on standard error, and the exit code.
 */

import { CodedError } from "@permafrost/std";
import { formatBytes, formatDuration } from "./amounts.ts";
import type { Failure, Resource, Session } from "./api.ts";
import { EXIT, type ExitCode, exitCodeOf, exitCodeOfState } from "./exit-codes.ts";
import { failureLines } from "./failure.ts";
import type { Followed } from "./follow.ts";
import { listValue, printable } from "./output/render.ts";
import { failureText, RESOURCE_COLUMNS, SESSION_COLUMNS } from "./output/rows.ts";
import type { Run } from "./run-context.ts";

/** Prints the outcome, in a table with `tableColumns` (default: those of a backup), and answers the exit code. */
export async function reportOutcome(run: Run, followed: Followed, tableColumns?: readonly string[]): Promise<ExitCode> {
  const { session, resources } = followed;
  await printSummary(run, session, resources, tableColumns);
  await saySessionProblems(run, session);
  await sayResourceProblems(run, session, resources);
  const code = outcomeCode(session, resources, run.interrupts.happened);
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
  tableColumns: readonly string[] | undefined,
): Promise<void> {
  const { format, columns } = run.settings.render;
  // With -c the resources are a plain list; without, machines get the session with its resources inside.
  if ((format === "json" || format === "yaml") && columns.length === 0) {
    return run.printRecord(session, SESSION_COLUMNS, { resource_list: listValue(resources, RESOURCE_COLUMNS) });
  }
  if (resources.length > 0 || format !== "table") await run.printList(resources, RESOURCE_COLUMNS, tableColumns);
  if (format === "table") await run.context.stdout.write(`${summaryLine(session)}\n`);
}

/** `backup ID succeeded in 12s: 7 resources, 300 MiB logical, 290 MiB read, 120 MiB new, 80 MiB stored`. */
export function summaryLine(session: Session): string {
  if (session.dryRun && (session.state === "succeeded" || session.state === "partial")) {
    const conflicts = session.failed === 0 ? "" : `, ${session.failed} of which would fail`;
    return `plan of ${countText(session.resources)}${conflicts}; nothing was changed`;
  }
  const { startedAt, endedAt, stats } = session;
  const time =
    startedAt !== undefined && endedAt !== undefined ? ` in ${formatDuration(endedAt.getTime() - startedAt.getTime())}` : "";
  const counts = [
    countText(session.resources),
    ...(session.failed > 0 ? [`${session.failed} failed`] : []),
    ...(session.skipped > 0 ? [`${session.skipped} skipped`] : []),
  ];
  const bytes =
    stats === undefined
      ? []
      : [
          `${formatBytes(stats.logicalBytes)} logical`,
          `${formatBytes(stats.readBytes)} read`,
          ...(session.kind === "backup"
            ? [`${formatBytes(stats.newBytes)} new`, `${formatBytes(stats.storedBytes)} stored`]
            : []),
        ];
  const window =
    session.consistencyWindowMs > 0n ? [`volumes frozen within ${formatDuration(Number(session.consistencyWindowMs))}`] : [];
  return `${session.kind} ${session.id} ${session.state}${time}: ${[...counts, ...bytes, ...window].join(", ")}`;
}

function countText(resources: number): string {
  return `${resources} resource${resources === 1 ? "" : "s"}`;
}

// Who cancelled a session knows why everything in it stopped.
function isNews(session: Session, failure: Failure | undefined): failure is Failure {
  return failure !== undefined && !(session.state === "cancelled" && failure.code === "CANCELLED");
}

async function saySessionProblems(run: Run, session: Session): Promise<void> {
  for (const warning of session.warnings) await run.note(`Warning: ${printable(warning)}`);
  if (isNews(session, session.failure)) {
    const { code, message, hint, facts } = session.failure;
    const error = new CodedError(code, message, { facts, hint });
    await run.warn(failureLines(error, run.settings.verbose).join("\n"));
  }
  if (session.state === "succeeded" && session.resources === 0)
    await run.warn("Warning: there was nothing to do: no resource was found or selected");
}

/** Every failure, mismatch and warning of a resource, and why one was skipped, on standard error. */
export async function sayResourceProblems(run: Run, session: Session, resources: readonly Resource[]): Promise<void> {
  for (const resource of resources) {
    const name = `${resource.type} ${printable(resource.name || resource.id)}`;
    const { failure } = resource;
    if (isNews(session, failure)) await run.warn(`Failed: ${name}: ${printable(failureText(failure))}`);
    for (const mismatch of resource.mismatches) {
      // A check says what it found as its failure; once is enough.
      if (!failure?.message.includes(mismatch)) await run.warn(`Mismatch: ${name}: ${printable(mismatch)}`);
    }
    // The table of a plan has the reason.
    if (resource.state === "skipped" && !session.dryRun) await run.note(`Skipped: ${name}: ${printable(resource.actionReason)}`);
    for (const warning of resource.warnings) await run.note(`Warning: ${name}: ${printable(warning)}`);
  }
}
