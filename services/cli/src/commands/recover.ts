/**
 * `permafrost recover`: after a disaster that left storage nodes and a secret. Opens a repository on a cluster that never saw it, gives every
 * node the copies that were lost, looks at each restore point, and says which are whole and how long it took.
 */

import { CodedError } from "@permafrost/std";
import type { Command } from "commander";
import { formatDuration } from "../amounts.ts";
import type { Cluster, Resource, Secret, Session } from "../api.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { followSession } from "../follow.ts";
import { withConnection, withOutput, withSecret } from "../options.ts";
import { countText } from "../outcome.ts";
import { printable } from "../output/render.ts";
import { failureText, RECOVERED_COLUMNS, type RecoveredPoint } from "../output/rows.ts";
import type { Run } from "../run-context.ts";
import { readSecret, type SecretFlags } from "../secret.ts";
import type { Bind } from "./command.ts";

const PAGE_SIZE = 1000;

export function addRecoverCommand(program: Command, bind: Bind): void {
  const recover = program
    .command("recover")
    .description("bring back a repository of which only storage nodes and a secret are left")
    .argument("[name]", "name or id (PERMAFROST_REPOSITORY); a recovery key finds its repository by itself")
    .option("--read-data", "read and verify every block of every restore point, not only that it is there")
    .addHelpText(
      "after",
      `
For the day when the bus, the coordinator's disk, the indexes and all but one of the copies are gone. Start storage nodes on what is left of
the packs, a new NATS server, and a coordinator and workers whose configuration names these nodes; then run this. It opens the repository
with the recovery key (or passphrase or key file), repairs it, and checks every restore point. It changes no restore point, and can be repeated.
A recovery key opens one repository alone: run it once for each key.

It knows of the restore points whose records are left. If as many storage nodes are gone as copies were kept, the records of some may be gone with
them: these are then not in its list, and it cannot say so.

Examples:
  permafrost recover --recovery-key-file recovery-key
  permafrost recover production --recovery-key-file recovery-key
  permafrost recover production --recovery-key-file recovery-key --read-data --json`,
    );
  withSecret(recover).option("--recovery-key-file <file>", "file with the recovery key");
  bind(withOutput(withConnection(recover)), RECOVERED_COLUMNS, async (run, [name], command) => {
    const flags = command.opts<SecretFlags & { readData?: boolean }>();
    const wanted = name ?? run.context.env.PERMAFROST_REPOSITORY;
    // Other secrets may open several repositories, of which one whose header cannot be read would be left out in silence.
    if (!wanted && flags.recoveryKeyFile === undefined)
      throw usageError("No name for the repository", "`permafrost recover NAME`, or give the recovery key");
    const secret = await readSecret(flags, run.context, false);
    const startedMs = run.context.clock.monotonic();
    const cluster = await run.cluster();
    const repository = wanted || (await openedBy(cluster, secret));
    if (wanted) await cluster.repositories.unlockRepository({ repository, secret });
    await run.note(`Repository ${printable(repository)} is open; repairing it`);
    const repaired = await finished(run, cluster, (await cluster.sessions.startRepair({ repository })).sessionId);
    await run.note("Checking every restore point");
    const points = (await sessionsOf(cluster, repository)).filter(isRestorePoint);
    const checked =
      points.length === 0
        ? undefined
        : await finished(
            run,
            cluster,
            (await cluster.sessions.startCheck({ repository, sessionIds: [], readData: flags.readData === true })).sessionId,
          );
    const rows = points.map((point) => recovered(point, checked?.resources ?? []));
    return await report(run, rows, repaired.session, run.context.clock.monotonic() - startedMs);
  });
}

/** Opens the one repository that a recovery key is of. NO_REPOSITORY, WRONG_KEY, RECOVERY_KEY_MALFORMED. */
async function openedBy(cluster: Cluster, secret: Secret): Promise<string> {
  const { repositories } = await cluster.repositories.listRepositories({});
  for (const { id, name } of repositories) {
    try {
      await cluster.repositories.unlockRepository({ repository: id, secret });
      return name;
    } catch (error) {
      if (!CodedError.is(error, "WRONG_KEY")) throw error;
    }
  }
  const names = repositories.map(({ name }) => name).join(", ");
  if (names === "")
    throw new CodedError("NO_REPOSITORY", "The storage nodes have no repository that can be read", {
      hint: "See that every storage node runs on the packs that are left, and that the coordinator's configuration names them all.",
    });
  throw new CodedError("WRONG_KEY", `This recovery key opens none of the repositories (${names})`, {
    facts: { repositories: names },
    hint: "Each repository has its own. If the right one is missing here, name it: then it is said why it cannot be read.",
  });
}

/** A repair that found losses and a check that found damage end as failed: that is an answer, not an error. */
async function finished(run: Run, cluster: Cluster, sessionId: string) {
  const followed = await followSession(run, cluster, sessionId);
  const { state, failure } = followed.session;
  const isAnswer = state === "succeeded" || failure === undefined || failure.code === "REPAIR_INCOMPLETE";
  if (!isAnswer) throw new CodedError(failure.code, failure.message, { hint: failure.hint });
  return followed;
}

async function sessionsOf(cluster: Cluster, repository: string): Promise<Session[]> {
  const all: Session[] = [];
  for (let pageToken = ""; ; ) {
    const page = await cluster.sessions.listSessions({ repository, pageSize: PAGE_SIZE, pageToken });
    all.push(...page.sessions);
    if (page.nextPageToken === "") return all;
    pageToken = page.nextPageToken;
  }
}

function isRestorePoint({ kind, state }: Session): boolean {
  return kind === "backup" && (state === "succeeded" || state === "partial");
}

/** The check's rows are named after the restore point that they are of. */
function recovered(session: Session, rows: readonly Resource[]): RecoveredPoint {
  const damaged = rows.filter(({ id, state }) => id.startsWith(`${session.id}/`) && state === "failed");
  return { session, damaged };
}

async function report(run: Run, points: readonly RecoveredPoint[], repair: Session, tookMs: number): Promise<ExitCode> {
  const whole = points.filter(({ damaged }) => damaged.length === 0).length;
  const { format } = run.settings.render;
  if (points.length > 0 || format !== "table") await run.printList(points, RECOVERED_COLUMNS);
  for (const { session, damaged } of points)
    for (const resource of damaged)
      await run.warn(
        `Damaged: ${session.id}: ${resource.type} ${printable(resource.name)}: ${printable(failureText(resource.failure))}`,
      );
  if (repair.state !== "succeeded") await run.warn(`Not repaired: ${printable(failureText(repair.failure))}`);
  const copies = repair.repair === undefined ? "" : `, ${repair.repair.copies} copies made again`;
  const line = `${countText(points.length, "restore point")} in ${formatDuration(tookMs)}: ${whole} whole${copies}`;
  if (format === "table") await run.context.stdout.write(`${line}\n`);
  else await run.note(line);
  if (whole === points.length && repair.state === "succeeded") return EXIT.ok;
  return await run.end(EXIT.partial, repair.state === "succeeded" ? line : `${line}; ${failureText(repair.failure)}`);
}
