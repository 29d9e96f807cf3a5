/** `permafrost restore plan`, which saves a plan and changes nothing, and `restore show`, which prints it again. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { EXIT } from "../exit-codes.ts";
import { followSession, getSession, listResources } from "../follow.ts";
import { mapFileText } from "../maps/written-maps.ts";
import { checkNewFile, writeNewFile } from "../new-file.ts";
import { withConnection, withOutput, withRepository } from "../options.ts";
import { reportOutcome } from "../outcome.ts";
import { RESOURCE_COLUMNS } from "../output/rows.ts";
import { endWithPlan, printPlan, targetText } from "../plan-report.ts";
import { resolveRestore } from "../session-ref.ts";
import { checkUsersReport, usersReportNote, writeUsersReport } from "../users-report.ts";
import type { Bind } from "./command.ts";
import { restoreRequest, subcommandFlags, type TargetFlags, withTarget, withUsersReport } from "./restore-options.ts";

export function addPlanCommands(restore: Command, bind: Bind): void {
  const plan = restore
    .command("plan")
    .description("say what a restore would do, and save that as a plan; nothing is changed")
    .argument("<session>", "restore point: id, unambiguous prefix, or latest")
    .addHelpText(
      "after",
      `
Exit code 0 when the plan can be applied whole, 3 when something conflicts or exceeds a quota.

Examples:
  permafrost restore plan latest --repository production --to-cloud other --to-project copy
  permafrost restore plan latest --repository production --to-cloud other --include tag=web --on-conflict reuse
  permafrost restore plan latest --repository production --to-cloud other --write-map maps.yaml
  permafrost restore plan latest --repository production --to-cloud other --map-file maps.yaml`,
    );
  withTarget(plan).option("--write-map <file>", "new file for the plan's maps and guesses, to be edited and given to --map-file");
  bind(withOutput(withConnection(plan)), RESOURCE_COLUMNS, async (run, [reference = ""], command) => {
    const flags = subcommandFlags<TargetFlags & { readonly writeMap?: string }>(command);
    const request = await restoreRequest(run, reference, flags, { dryRun: true, verify: 1 });
    const mapFile = flags.writeMap === undefined ? undefined : resolve(run.context.cwd, flags.writeMap);
    if (mapFile !== undefined) await checkNewFile("--write-map", mapFile);
    const cluster = await run.cluster();
    const followed = await followSession(run, cluster, await request.send(cluster));
    const { session } = followed;
    // Without a plan there is only the reason why not.
    if (session.state !== "succeeded" && session.state !== "partial") return reportOutcome(run, followed);
    const answer = await cluster.sessions.getPlan({ sessionId: session.id });
    await printPlan(run, followed, answer);
    if (mapFile !== undefined) {
      const { references } = answer;
      const text = mapFileText({ planId: session.id, target: targetText(session, answer), maps: request.maps, references });
      await writeNewFile(mapFile, text, 0o666);
      await run.note(`Maps: ${mapFile}`);
    }
    return endWithPlan(run, followed, answer);
  });

  const show = restore
    .command("show")
    .description("show the plan of a restore, applied or not")
    .argument("<restore>", "plan or restore: id, unambiguous prefix, or latest")
    .addHelpText(
      "after",
      `
Examples:
  permafrost restore show latest
  permafrost restore show 20261123T18 -f json
  permafrost restore show 20261123T18 --users-report users.json`,
    );
  withUsersReport(withRepository(show));
  bind(withOutput(withConnection(show)), RESOURCE_COLUMNS, async (run, [reference = ""], command) => {
    const flags = subcommandFlags<{ readonly repository?: string; readonly usersReport?: string }>(command);
    await checkUsersReport(run, flags.usersReport);
    const cluster = await run.cluster();
    const sessionId = await resolveRestore(cluster, reference, run.repositoryOrAll(flags.repository));
    const answer = await cluster.sessions.getPlan({ sessionId });
    const session = await getSession(cluster, sessionId);
    await printPlan(run, { session, resources: await listResources(cluster, sessionId) }, answer);
    if (flags.usersReport === undefined) return EXIT.ok;
    const report = await writeUsersReport(run, cluster, session.id, flags.usersReport);
    await run.note(report === undefined ? "It made no users." : usersReportNote(report));
    return EXIT.ok;
  });
}
