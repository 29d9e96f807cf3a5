/** `permafrost restore`: into a project of a cloud in one go, or of a plain input back to a directory or standard output. */

import { type Command, Option } from "commander";
import type { ExitCode } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { followSession } from "../follow.ts";
import { download } from "../input/download.ts";
import { withConnection, withOutput } from "../options.ts";
import { RESOURCE_COLUMNS } from "../output/rows.ts";
import type { Run } from "../run-context.ts";
import { checkUsersReport } from "../users-report.ts";
import type { Bind } from "./command.ts";
import { addApplyCommands, reportRestore } from "./restore-apply.ts";
import {
  restoreRequest,
  type TargetFlags,
  VERIFY_LEVELS,
  VERIFY_VALUES,
  withTarget,
  withUsersReport,
} from "./restore-options.ts";
import { addPlanCommands } from "./restore-plan.ts";

interface RestoreFlags extends TargetFlags {
  readonly toPath?: string;
  readonly toStdout?: boolean;
  readonly name?: string;
  readonly verify?: (typeof VERIFY_LEVELS)[number];
  readonly usersReport?: string;
}

export function addRestoreCommand(program: Command, bind: Bind): void {
  const restore = program
    .command("restore")
    .description("restore a restore point into a project, a directory or standard output; or step by step, by its commands")
    .argument("<session>", "id, unambiguous prefix, or latest")
    .addHelpText(
      "after",
      `
Plans, applies and verifies in one go. To look first:
  permafrost restore plan latest --repository production --to-cloud other --to-project copy
  permafrost restore apply PLAN --verify data
and to take it back, exactly what it made:
  permafrost restore undo RESTORE

Examples:
  permafrost restore latest --repository production --to-cloud other --to-project copy --verify data
  permafrost restore 20261123T17 --repository production --to-cloud other --map volume-type:ssd=fast --map zone:*=nova
  permafrost restore latest --repository production --to-cloud other --include nova.server/web --power-on never
  permafrost restore latest --repository production --to-path restored-etc
  permafrost restore latest --repository production --name mysql --to-stdout > dump.sql`,
    );
  withTarget(restore)
    .option("--to-path <dir>", "write a backup of files into a new or empty directory")
    .option("--to-stdout", "write a backup of a stream to standard output")
    .option("--name <name>", "with latest and --to-path or --to-stdout: the newest backup of this name")
    .addOption(new Option("--verify <level>", "how far to verify; default: hash").choices(VERIFY_LEVELS));
  withUsersReport(restore);
  bind(withOutput(withConnection(restore)), RESOURCE_COLUMNS, async (run, [reference = ""], command) => {
    const flags = command.opts<RestoreFlags>();
    if (flags.toPath !== undefined || flags.toStdout) {
      checkDownloadFlags(flags);
      return download(run, run.repository(flags.repository), reference, flags);
    }
    return restoreTenant(run, reference, flags);
  });
  addPlanCommands(restore, bind);
  addApplyCommands(restore, bind);
}

async function restoreTenant(run: Run, reference: string, flags: RestoreFlags): Promise<ExitCode> {
  if (flags.name !== undefined) throw usageError("--name goes with --to-path or --to-stdout");
  const verify = VERIFY_VALUES[flags.verify ?? "hash"];
  const request = await restoreRequest(run, reference, flags, { dryRun: false, verify });
  await checkUsersReport(run, flags.usersReport);
  const cluster = await run.cluster();
  const followed = await followSession(run, cluster, await request.send(cluster));
  return reportRestore(run, cluster, followed, flags.usersReport);
}

function checkDownloadFlags(flags: RestoreFlags): void {
  for (const option of [
    "toCloud",
    "toProject",
    "map",
    "mapFile",
    "onConflict",
    "namePrefix",
    "powerOn",
    "verify",
    "usersReport",
    "include",
    "exclude",
  ] as const) {
    if (flags[option] === undefined) continue;
    const name = option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw usageError(`--${name} does not go with --to-path or --to-stdout`);
  }
}
