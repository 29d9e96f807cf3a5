/** `permafrost restore apply|verify|undo`: does what a saved plan says, compares what was made, takes it back. */

import { CodedError } from "@permafrost/std";
import { type Command, Option } from "commander";
import type { Cluster, Resource } from "../api.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { type Followed, followSession, getSession, listResources } from "../follow.ts";
import { interrupted } from "../interrupts.ts";
import { withConnection, withOutput, withRepository } from "../options.ts";
import { countText, reportOutcome } from "../outcome.ts";
import { printable, renderList } from "../output/render.ts";
import { RESOURCE_COLUMNS, sourceText, UNDO_COLUMNS } from "../output/rows.ts";
import type { Run } from "../run-context.ts";
import { resolveRestore } from "../session-ref.ts";
import { checkUsersReport, usersReportNote, writeUsersReport } from "../users-report.ts";
import type { Bind } from "./command.ts";
import { subcommandFlags, VERIFY_LEVELS, VERIFY_VALUES, withUsersReport } from "./restore-options.ts";

type VerifyLevel = (typeof VERIFY_LEVELS)[number];

export function addApplyCommands(restore: Command, bind: Bind): void {
  const apply = restore
    .command("apply")
    .description("do exactly what a saved plan says")
    .argument("<plan>", "id, unambiguous prefix, or latest")
    .addOption(new Option("--verify <level>", "how far to verify; default: hash").choices(VERIFY_LEVELS))
    .addHelpText(
      "after",
      `
Applied again after it was cut short, a plan goes on where it stopped; nothing is made twice.

Examples:
  permafrost restore apply 20261123T18
  permafrost restore apply latest --repository production --verify data --users-report users.json`,
    );
  withUsersReport(withRepository(apply));
  bind(withOutput(withConnection(apply)), RESOURCE_COLUMNS, async (run, [reference = ""], command) => {
    const flags = subcommandFlags<{ repository?: string; verify?: VerifyLevel; usersReport?: string }>(command);
    await checkUsersReport(run, flags.usersReport);
    const cluster = await run.cluster();
    const planSessionId = await resolveRestore(cluster, reference, run.repositoryOrAll(flags.repository), "plan");
    if (reference === "latest") await run.note(`Plan ${planSessionId}`);
    const request = { planSessionId, verify: VERIFY_VALUES[flags.verify ?? "hash"] };
    const { sessionId } = await cluster.sessions.startApply(request, { signal: run.interrupts.signal });
    return reportRestore(run, cluster, await followSession(run, cluster, sessionId), flags.usersReport);
  });

  const verify = restore
    .command("verify")
    .description("compare what a restore made with the restore point")
    .argument("<restore>", "id, unambiguous prefix, or latest")
    .addOption(
      new Option(
        "--level <level>",
        "metadata: fields; hash: and the services' own hashes; data: and every byte read back; default: hash",
      ).choices(VERIFY_LEVELS.slice(1)),
    )
    .addHelpText(
      "after",
      `
Exit code 3 when something differs.

Examples:
  permafrost restore verify latest --level data
  permafrost restore verify 20261123T18 --level metadata -f json > report.json`,
    );
  withRepository(verify);
  bind(withOutput(withConnection(verify)), RESOURCE_COLUMNS, async (run, [reference = ""], command) => {
    const flags = subcommandFlags<{ repository?: string; level?: VerifyLevel }>(command);
    const cluster = await run.cluster();
    const restoreId = await resolveRestore(cluster, reference, run.repositoryOrAll(flags.repository), "restore");
    if (reference === "latest") await run.note(`Restore ${restoreId}`);
    const request = { sessionId: restoreId, level: VERIFY_VALUES[flags.level ?? "hash"] };
    const { sessionId } = await cluster.sessions.startVerify(request, { signal: run.interrupts.signal });
    return reportOutcome(run, await followSession(run, cluster, sessionId));
  });

  const undo = restore
    .command("undo")
    .description("take a restore back: remove exactly what it made, and nothing else")
    .argument("<restore>", "id or unambiguous prefix")
    .option("--dry-run", "only say what would go")
    .option("--yes", "do not ask")
    .addHelpText(
      "after",
      "\nExamples:\n  permafrost restore undo 20261123T18 --dry-run\n  permafrost restore undo 20261123T18 --yes",
    );
  const columns = (command: Command) => (command.opts<{ dryRun?: boolean }>().dryRun ? UNDO_COLUMNS : RESOURCE_COLUMNS);
  bind(withOutput(withConnection(undo)), columns, undoRestore);
}

async function undoRestore(run: Run, [reference = ""]: readonly string[], command: Command): Promise<ExitCode> {
  const flags = subcommandFlags<{ dryRun?: boolean; yes?: boolean }>(command);
  if (reference === "latest")
    throw usageError("What is removed is named by its id", "`permafrost sessions --kind restore` lists restores.");
  if (!flags.dryRun && !flags.yes && !run.context.stdinIsTerminal)
    throw usageError("Undoing cannot be undone", "Say --yes, or --dry-run to see what would go.");
  const cluster = await run.cluster();
  const session = await getSession(cluster, reference);
  if (session.kind !== "restore" || session.dryRun) {
    const [code, what] = session.kind === "restore" ? ["NOT_APPLIED", "plan"] : ["NOT_A_RESTORE", session.kind];
    throw new CodedError(code, `Session ${session.id} is a ${what}: there is nothing to take back`, {
      hint: "`permafrost sessions --kind restore` lists restores.",
    });
  }
  const made = (await listResources(cluster, session.id)).filter(isMade);
  if (flags.dryRun) {
    await run.printList(made, UNDO_COLUMNS);
    return EXIT.ok;
  }
  if (!flags.yes) {
    const answer = await run.context.confirm(await question(run, made, printable(sourceText(session))));
    if (answer === undefined) throw interrupted();
    if (!answer) return run.end(EXIT.failed, "nothing was taken back");
  }
  const { sessionId } = await cluster.sessions.startUndo({ sessionId: session.id }, { signal: run.interrupts.signal });
  const followed = await followSession(run, cluster, sessionId);
  const isIdle = followed.session.state === "succeeded" && followed.resources.every(({ state }) => state === "skipped");
  return reportOutcome(run, followed, isIdle ? { notes: ["There was nothing left to take back."] } : {});
}

/** What goes is shown on standard error, with the question: standard output is for what was done. */
async function question(run: Run, made: readonly Resource[], target: string): Promise<string> {
  if (made.length === 0) return `Its record names nothing that it made. Look in ${target} and remove what there is?`;
  const { colour } = run.settings.render;
  await run.warn(renderList(made, UNDO_COLUMNS, { format: "table", columns: [], colour }).trimEnd());
  return `Take back ${countText(made.length, "resource")} of ${target}? This cannot be undone.`;
}

/** As far as the restore's record tells; the undo itself goes by the journal, which also has what the record lacks after a crash. */
function isMade({ action, targetId }: Resource): boolean {
  return (action === "create" || action === "update") && targetId !== "";
}

/** The end of a restore: passwords into their file, the outcome, and the way back or on when it is not whole. */
export async function reportRestore(
  run: Run,
  cluster: Cluster,
  followed: Followed,
  usersReport: string | undefined,
): Promise<ExitCode> {
  const { session, resources } = followed;
  const { id, appliesId } = session;
  const notes: string[] = [];
  let problem: CodedError | undefined;
  let extra = {};
  try {
    const report = await writeUsersReport(run, cluster, id, usersReport);
    if (report !== undefined) {
      notes.push(usersReportNote(report));
      extra = { users_report: report.file };
    }
  } catch (error) {
    problem = CodedError.from(error);
  }
  if (session.state !== "succeeded" && resources.some(isMade)) {
    notes.push(`\`permafrost restore apply ${appliesId || id}\` goes on where it stopped.`);
    notes.push(`\`permafrost restore undo ${id}\` takes back what was made.`);
  }
  return reportOutcome(run, followed, { extra, notes, ...(problem === undefined ? {} : { problem }) });
}
