/** `permafrost prune`: frees the space of what no session needs any more. */

import type { Command } from "commander";
import type { Cluster } from "../api.ts";
import type { ExitCode } from "../exit-codes.ts";
import { followSession } from "../follow.ts";
import { durationMs, wholeNumber, withConnection, withOutput, withRepository } from "../options.ts";
import { reportOutcome } from "../outcome.ts";
import { RESOURCE_COLUMNS } from "../output/rows.ts";
import type { Run } from "../run-context.ts";
import type { Bind } from "./command.ts";

export interface PruneFlags {
  readonly grace?: number;
  readonly maxUnused?: number;
}

export const GRACE_MS = durationMs("7d");

/** The options that say how a prune is done. */
export function withPrune(command: Command): Command {
  return withGrace(command).option(
    "--max-unused <percent>",
    "stop if more than this would be condemned at once (default: 50)",
    wholeNumber(1),
  );
}

export function withGrace(command: Command): Command {
  return command.option(
    "--grace <time>",
    "what is unused now stays at least so long, such as 12h or 7d; 0: not at all (default: 7d)",
    durationMs,
  );
}

export function addPruneCommand(program: Command, bind: Bind): void {
  const prune = program.command("prune").description("free the space of what no restore point needs any more");
  withPrune(withRepository(prune))
    .option("--dry-run", "only say what would go")
    .addHelpText(
      "after",
      `
\`forget\` removes restore points; their blocks stay, because others may share them. A prune looks through all sessions, condemns the blocks
that none of them needs, and deletes those that an earlier prune condemned at least --grace ago. A condemned block that a backup needs again is kept.
It can run beside backups and restores, and can be cut off at any time. Run it every day, or after \`forget\`.

Examples:
  permafrost prune --repository production
  permafrost prune --repository production --dry-run
  permafrost prune --repository production --grace 0 --max-unused 100     free what can be freed, now`,
    );
  bind(withOutput(withConnection(prune)), RESOURCE_COLUMNS, async (run, _args, command) => {
    const flags = command.opts<PruneFlags & { repository?: string; dryRun?: boolean }>();
    const repository = run.repository(flags.repository);
    return await pruneAndReport(run, await run.cluster(), repository, flags, flags.dryRun === true);
  });
}

/** Starts the prune, follows it, says what it came to. */
export async function pruneAndReport(
  run: Run,
  cluster: Cluster,
  repository: string,
  { grace, maxUnused }: PruneFlags,
  dryRun: boolean,
): Promise<ExitCode> {
  const { sessionId } = await cluster.sessions.startPrune(
    { repository, graceMs: BigInt(grace ?? GRACE_MS), unusedPercentMax: maxUnused ?? 0, dryRun },
    { signal: run.interrupts.signal },
  );
  return reportOutcome(run, await followSession(run, cluster, sessionId));
}
