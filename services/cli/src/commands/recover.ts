/**
 * `permafrost recover`: after a disaster that left storage nodes and a secret. Opens a repository on a cluster that never saw it, gives every
 * node the copies that were lost, looks at each restore point, and says which are whole and how long it took.
 */

import { CodedError } from "@permafrost/std";
import type { Command } from "commander";
import { formatDuration } from "../amounts.ts";
import type { Cluster, Resource, Session } from "../api.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { followSession } from "../follow.ts";
import { withConnection, withOutput, withSecret } from "../options.ts";
import { countText } from "../outcome.ts";
import { printable } from "../output/render.ts";
import { failureText, RECOVERED_COLUMNS, type RecoveredPoint } from "../output/rows.ts";
import type { Run } from "../run-context.ts";
import { readSecret, type SecretFlags } from "../secret.ts";
import { eachSession, isRestorePoint } from "../session-ref.ts";
import type { Bind } from "./command.ts";
import { repositoryName } from "./repository.ts";

export function addRecoverCommand(program: Command, bind: Bind): void {
  const recover = program
    .command("recover")
    .description("bring back a repository of which only storage nodes and a secret are left")
    .argument("[name]", "name or id (PERMAFROST_REPOSITORY)")
    .option("--read-data", "read and verify every block of every restore point, not only that it is there")
    .addHelpText(
      "after",
      `
For the day when the bus, the coordinator's disk, the indexes and all but one of the copies are gone. Start storage nodes on what is left of
the packs, a new NATS server, and a coordinator and workers whose configuration names these nodes; then run this. It opens the repository
with the recovery key (or passphrase or key file), repairs it, and checks every restore point. It changes no restore point, and can be repeated.

Examples:
  permafrost recover production --recovery-key-file recovery-key
  permafrost recover production --recovery-key-file recovery-key --read-data --json`,
    );
  withSecret(recover).option("--recovery-key-file <file>", "file with the recovery key");
  bind(withOutput(withConnection(recover)), RECOVERED_COLUMNS, async (run, [name], command) => {
    const flags = command.opts<SecretFlags & { readData?: boolean }>();
    const repository = repositoryName(run, name, "`permafrost recover NAME`");
    const secret = await readSecret(flags, run.context, false);
    const startedMs = run.context.clock.monotonic();
    const cluster = await run.cluster();
    await cluster.repositories.unlockRepository({ repository, secret });
    await run.note("The repository is open; repairing it");
    const repaired = await finished(run, cluster, (await cluster.sessions.startRepair({ repository })).sessionId);
    await run.note("Checking every restore point");
    const points = (await Array.fromAsync(eachSession(cluster, repository))).filter(isRestorePoint);
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

/** A repair that found losses and a check that found damage end as failed: that is an answer, not an error. */
async function finished(run: Run, cluster: Cluster, sessionId: string) {
  const followed = await followSession(run, cluster, sessionId);
  const { state, failure } = followed.session;
  const isAnswer = state === "succeeded" || failure === undefined || failure.code === "REPAIR_INCOMPLETE";
  if (!isAnswer) throw new CodedError(failure.code, failure.message, { hint: failure.hint });
  return followed;
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
  if (whole === points.length && repair.state === "succeeded") return EXIT.ok;
  return await run.end(EXIT.partial, repair.state === "succeeded" ? line : `${line}; ${failureText(repair.failure)}`);
}
