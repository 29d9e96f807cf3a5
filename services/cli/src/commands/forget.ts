/**
 * `permafrost forget`: sessions by name, or the restore points of a repository that a retention policy does not keep. What is removed is what was
 * shown; a policy says of each restore point why it is kept.
 */

import { type RetentionPolicy, retained } from "@permafrost/model";
import type { Command } from "commander";
import { formatTime } from "../amounts.ts";
import type { Cluster, Session } from "../api.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { interrupted } from "../interrupts.ts";
import { withConnection, withOutput, withRepository } from "../options.ts";
import type { Column } from "../output/column.ts";
import { SESSION_COLUMNS } from "../output/rows.ts";
import type { Run } from "../run-context.ts";
import { eachSession, isRestorePoint } from "../session-ref.ts";
import type { Bind } from "./command.ts";
import { type KeepFlags, policyOf, withKeep } from "./keep-flags.ts";
import { type PruneFlags, pruneAndReport, withPrune } from "./prune.ts";

interface Flags extends PruneFlags {
  readonly prune?: boolean;
  readonly repository?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly timezone?: string;
}

interface Judged {
  readonly session: Session;
  readonly reasons: readonly string[];
}

const ASKED_AT_ONCE_MAX = 100;
const SHOWN = ["ID", "State", "Source", "Started At"];
const JUDGED_COLUMNS: readonly Column<Judged>[] = [
  ...SESSION_COLUMNS.filter(({ title }) => SHOWN.includes(title)).map(({ title, value, text }) => ({
    title,
    value: ({ session }: Judged) => value(session),
    ...(text === undefined ? {} : { text: ({ session }: Judged) => text(session) }),
  })),
  { title: "Action", value: ({ reasons }) => (reasons.length === 0 ? "forget" : "keep") },
  { title: "Reasons", value: ({ reasons }) => reasons, text: ({ reasons }) => reasons.join(", ") },
];

export function addForgetCommand(program: Command, bind: Bind): void {
  const forget = program
    .command("forget")
    .description("remove restore points and the records of other sessions, by name or by what a policy keeps")
    .argument("[session...]", "ids or unambiguous prefixes");
  withRepository(forget)
    .option("--dry-run", "only say what would go, and why the rest stays")
    .option("--force", "also restores whose changes could then no more be taken back")
    .option("--yes", "do not ask")
    .option("--prune", "then prune the repository: see `permafrost prune`");
  withKeep(withPrune(forget))
    .option("--timezone <name>", "in which hours and days begin, such as Europe/Vienna (default: this machine's)")
    .addHelpText(
      "after",
      "\nExamples:\n  permafrost forget --repository production --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run\n  permafrost forget 20261123T170000Z --yes",
    );
  bind(withOutput(withConnection(forget)), [...SESSION_COLUMNS, ...JUDGED_COLUMNS], async (run, references, command) => {
    const flags = command.opts<Flags & KeepFlags>();
    const policy = policyOf(flags);
    if (references.length > 0 && policy !== undefined)
      throw usageError("Sessions and a policy are two ways to say what goes", "Give sessions, or --keep-… options.");
    if (references.length === 0 && policy === undefined)
      throw usageError("Nothing says what shall go", "Name sessions, or say with --keep-daily 7 and the like what stays.");
    const isPruned = flags.prune === true && flags.dryRun !== true;
    // Asked for before anything is removed: a prune needs one repository.
    const repository = isPruned ? run.repository(flags.repository) : "";
    const code = policy === undefined ? await byName(run, references, flags) : await byPolicy(run, policy, flags);
    return isPruned && code === EXIT.ok ? await pruneAndReport(run, await run.cluster(), repository, flags, false) : code;
  });
}

async function byName(
  run: Run,
  references: readonly string[],
  { dryRun = false, yes = false, force = false }: Flags,
): Promise<ExitCode> {
  const cluster = await run.cluster();
  const planned = await cluster.sessions.forgetSession({ sessionIds: [...references], dryRun: true, force });
  if (dryRun) {
    await run.printList(planned.sessions, SESSION_COLUMNS);
    return EXIT.ok;
  }
  const ids = planned.sessions.map((one) => one.id);
  if (!(await isAgreed(run, yes, `Forget ${ids.join(", ")}?`))) return run.end(EXIT.failed, "nothing was forgotten");
  // By full id: what is removed is exactly what was shown.
  const { sessions: gone } = await cluster.sessions.forgetSession({ sessionIds: ids, dryRun: false, force });
  await run.printList(gone, SESSION_COLUMNS);
  return EXIT.ok;
}

async function byPolicy(run: Run, policy: RetentionPolicy, flags: Flags): Promise<ExitCode> {
  const timeZone = flags.timezone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const repository = run.repository(flags.repository);
  const cluster = await run.cluster();
  const points: Session[] = [];
  for await (const session of eachSession(cluster, repository)) if (isRestorePoint(session)) points.push(session);
  const judged = judge(points, policy, timeZone, run.context.clock.now());
  const ids = judged.filter(({ reasons }) => reasons.length === 0).map(({ session }) => session.id);
  if (flags.dryRun !== true && ids.length > 0) {
    const question = `Forget ${ids.length} of ${points.length} restore points?`;
    if (!(await isAgreed(run, flags.yes === true, question))) return run.end(EXIT.failed, "nothing was forgotten");
    await forgetAll(cluster, ids, flags.force === true);
  }
  await run.printList(judged, JUDGED_COLUMNS);
  await run.note(`${ids.length} of ${points.length} restore points ${flags.dryRun === true ? "would go" : "are forgotten"}.`);
  return EXIT.ok;
}

/** Each source by itself: what one project keeps says nothing of another. In the order given. */
function judge(points: readonly Session[], policy: RetentionPolicy, timeZone: string, nowMs: number): Judged[] {
  const sources = Map.groupBy(points, ({ input, cloud, projectId, sourceName }) =>
    [input, cloud, projectId, sourceName].join("\n"),
  );
  const kept = new Map<string, readonly string[]>();
  for (const group of sources.values()) {
    const times = group.map(({ id, startedAt, state }) => ({
      id,
      startedAt: (startedAt ?? new Date(0)).toISOString(),
      isComplete: state === "succeeded",
    }));
    for (const [id, reasons] of retainedIn(times, policy, timeZone)) kept.set(id, reasons);
  }
  return points.map((session) => ({ session, reasons: [...(kept.get(session.id) ?? []), ...lockOf(session, nowMs)] }));
}

/** A lock keeps what no rule keeps, and takes no rule's place. */
function lockOf({ held, lockedUntil }: Session, nowMs: number): string[] {
  const until = lockedUntil !== undefined && lockedUntil.getTime() > nowMs ? [`locked until ${formatTime(lockedUntil)}`] : [];
  return [...(held ? ["held"] : []), ...until];
}

function retainedIn(...[points, policy, timeZone]: Parameters<typeof retained>): ReturnType<typeof retained> {
  try {
    return retained(points, policy, timeZone);
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`There is no time zone ${timeZone}`, "Name one as Europe/Vienna or UTC.");
    throw error;
  }
}

async function forgetAll(cluster: Cluster, ids: readonly string[], force: boolean): Promise<void> {
  for (let at = 0; at < ids.length; at += ASKED_AT_ONCE_MAX)
    await cluster.sessions.forgetSession({ sessionIds: ids.slice(at, at + ASKED_AT_ONCE_MAX), dryRun: false, force });
}

async function isAgreed(run: Run, yes: boolean, question: string): Promise<boolean> {
  if (yes) return true;
  if (!run.context.stdinIsTerminal)
    throw usageError("Forgetting cannot be undone", "Say --yes, or --dry-run to see what would go.");
  const answer = await run.context.confirm(`${question} This cannot be undone.`);
  if (answer === undefined) throw interrupted();
  return answer;
}
