/** `permafrost repair`: every storage node has again what it is to keep. */

import type { Command } from "commander";
import { followSession } from "../follow.ts";
import { withConnection, withOutput, withRepository } from "../options.ts";
import { reportOutcome } from "../outcome.ts";
import { RESOURCE_COLUMNS } from "../output/rows.ts";
import type { Bind } from "./command.ts";

export function addRepairCommand(program: Command, bind: Bind): void {
  const repair = program
    .command("repair")
    .description("copy what a storage node lacks, or has damaged, from another that has it");
  withRepository(repair).addHelpText(
    "after",
    `
Run it after a storage node lost its disk, was replaced or added, or got another weight: then all blocks and records have as many copies
again as the cluster is to keep. It only adds, can run beside backups and restores, and can be cut off at any time. It needs every node
that is in the configuration: take out a node that will not come back.

What is lost on all nodes it names; \`permafrost check\` says which restore points that is.

Examples:
  permafrost repair --repository production
  permafrost repair --repository production --json | jq .lost_blocks`,
  );
  bind(withOutput(withConnection(repair)), RESOURCE_COLUMNS, async (run, _args, command) => {
    const repository = run.repository(command.opts<{ repository?: string }>().repository);
    const cluster = await run.cluster();
    const { sessionId } = await cluster.sessions.startRepair({ repository }, { signal: run.interrupts.signal });
    return reportOutcome(run, await followSession(run, cluster, sessionId));
  });
}
