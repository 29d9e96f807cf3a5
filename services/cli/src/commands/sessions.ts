/** `permafrost sessions`, `session show|cancel|lock`, `resources` and `check`. */

import { type Command, InvalidArgumentError, Option } from "commander";
import type { Session } from "../api.ts";
import { EXIT } from "../exit-codes.ts";
import { followSession, listResources } from "../follow.ts";
import { collect, wholeNumber, withConnection, withOutput, withRepository } from "../options.ts";
import { reportOutcome, sayResourceProblems } from "../outcome.ts";
import { RESOURCE_COLUMNS, SESSION_COLUMNS, SESSION_SHOW_COLUMNS, tableColumnsOf } from "../output/rows.ts";
import { eachSession, resolveSession } from "../session-ref.ts";
import type { Bind } from "./command.ts";
import { addLockCommand } from "./session-lock.ts";

/** As `--kind` has them; a plan is a restore that was only planned. */
const SESSION_KINDS = ["backup", "group", "plan", "restore", "verify", "undo", "check", "prune", "repair"] as const;
const SESSION_STATES: readonly string[] = ["running", "succeeded", "partial", "failed", "cancelled"];

function collectState(value: string, before: readonly string[] | undefined): readonly string[] {
  if (!SESSION_STATES.includes(value)) throw new InvalidArgumentError(`There are: ${SESSION_STATES.join(", ")}.`);
  return collect(value, before);
}

interface RepositoryFlag {
  readonly repository?: string;
}

export function addSessionCommands(program: Command, bind: Bind): void {
  const sessions = program.command("sessions").description("list sessions, newest first");
  withRepository(sessions)
    .option("--limit <count>", "at most so many", wholeNumber(1))
    .addOption(new Option("--kind <kind>", "only these; a plan is a restore that was only planned").choices(SESSION_KINDS))
    .option("--group <session>", "only backups of this session group: id or prefix")
    .option("--state <state>", `only these; repeatable (${SESSION_STATES.join(", ")})`, collectState);
  bind(withOutput(withConnection(sessions)), SESSION_COLUMNS, async (run, _args, command) => {
    const flags = command.opts<RepositoryFlag & SessionsFilter & { limit?: number }>();
    const cluster = await run.cluster();
    const found: Session[] = [];
    for await (const session of eachSession(cluster, run.repositoryOrAll(flags.repository))) {
      if (!passes(session, flags)) continue;
      if (found.push(session) === (flags.limit ?? Number.POSITIVE_INFINITY)) break;
    }
    await run.printList(found, SESSION_COLUMNS);
    return EXIT.ok;
  });

  const session = program.command("session").description("show, cancel or lock one session");
  const show = session.command("show").description("show a session").argument("<session>", "id, unambiguous prefix, or latest");
  bind(withOutput(withConnection(withRepository(show))), SESSION_SHOW_COLUMNS, async (run, [reference], command) => {
    const cluster = await run.cluster();
    const sessionId = await resolveSession(cluster, reference ?? "", {
      repository: run.repositoryOrAll(command.opts<RepositoryFlag>().repository),
    });
    const answer = await cluster.sessions.getSession({ sessionId });
    if (answer.session === undefined) return EXIT.ok;
    await run.printRecord(answer.session, SESSION_SHOW_COLUMNS);
    const { id, kind, failed } = answer.session;
    if (failed > 0) await run.note(`\`permafrost resources ${id}\` says what failed and why.`);
    if (kind === "group") await run.note(`\`permafrost sessions --group ${id}\` lists its backups.`);
    return EXIT.ok;
  });
  const cancel = session
    .command("cancel")
    .description("stop a running session; its temporary objects are removed")
    .argument("<session>", "id or unambiguous prefix");
  bind(withOutput(withConnection(cancel)), SESSION_SHOW_COLUMNS, async (run, [sessionId]) => {
    const cluster = await run.cluster();
    const answer = await cluster.sessions.cancelSession({ sessionId: sessionId ?? "" });
    if (answer.session === undefined) return EXIT.ok;
    await run.printRecord(answer.session, SESSION_SHOW_COLUMNS);
    const { id, state } = answer.session;
    if (state !== "running" && state !== "cancelled") await run.warn(`Session ${id} had ended before: ${state}.`);
    return EXIT.ok;
  });

  addLockCommand(session, bind);

  const resources = program
    .command("resources")
    .description("list the resources of a session")
    .argument("<session>", "id, unambiguous prefix, or latest");
  bind(withOutput(withConnection(withRepository(resources))), RESOURCE_COLUMNS, async (run, [reference], command) => {
    const cluster = await run.cluster();
    const sessionId = await resolveSession(cluster, reference ?? "", {
      repository: run.repositoryOrAll(command.opts<RepositoryFlag>().repository),
    });
    const { session } = await cluster.sessions.getSession({ sessionId });
    const found = await listResources(cluster, sessionId);
    await run.printList(found, RESOURCE_COLUMNS, tableColumnsOf(session, found));
    // Machines have the failures in the list itself.
    if (session !== undefined && run.settings.render.format === "table") await sayResourceProblems(run, session, found);
    return EXIT.ok;
  });

  const check = program
    .command("check")
    .description("prove that restore points are whole")
    .argument("[session...]", "ids, unambiguous prefixes or latest; default: all restore points")
    .option("--read-data", "read and verify every block, not only manifests and presence")
    .addHelpText("after", "\nExample:\n  permafrost check latest --repository production --read-data");
  bind(withOutput(withConnection(withRepository(check))), RESOURCE_COLUMNS, async (run, references, command) => {
    const flags = command.opts<RepositoryFlag & { readData?: boolean }>();
    const repository = run.repository(flags.repository);
    const cluster = await run.cluster();
    const sessionIds = await Promise.all(references.map((reference) => resolveSession(cluster, reference, { repository })));
    const { sessionId } = await cluster.sessions.startCheck(
      { repository, sessionIds, readData: flags.readData === true },
      { signal: run.interrupts.signal },
    );
    const followed = await followSession(run, cluster, sessionId);
    return reportOutcome(run, followed);
  });
}

interface SessionsFilter {
  readonly kind?: string;
  readonly group?: string;
  readonly state?: readonly string[];
}

function passes(session: Session, { kind, group, state }: SessionsFilter): boolean {
  const own = session.kind === "restore" && session.dryRun ? "plan" : session.kind;
  if (kind !== undefined && own !== kind) return false;
  if (group !== undefined && (session.groupId === "" || !session.groupId.startsWith(group))) return false;
  return state === undefined || state.includes(session.state);
}
