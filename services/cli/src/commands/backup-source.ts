/** What a backup or a policy backs up of a cloud: the options that say so, and what they come to. */

import { type Command, Option } from "commander";
import type { StartBackupRequest } from "../api.ts";
import { resolveCloud, resolveProject } from "../cloud.ts";
import { usageError } from "../failure.ts";
import { durationMs } from "../options.ts";
import type { Run } from "../run-context.ts";

export interface SourceFlags {
  readonly osCloud?: string;
  readonly osProject?: string;
  readonly temporaryProject?: string;
  readonly maxWindow?: number;
  readonly beyondWindow?: "warn" | "fail";
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}

export function withSource(command: Command): Command {
  return command
    .option("--os-cloud <cloud>", "cloud in the workers' clouds.yaml (OS_CLOUD, or `envvars` when OS_AUTH_URL is set)")
    .option("--os-project <project>", "name or id of the project (OS_PROJECT_NAME; default: that of the credentials)")
    .option(
      "--temporary-project <project>",
      "as an administrator, make the temporary snapshots, volumes and images in this project: name or id; they use its quota",
    )
    .option("--max-window <time>", "say so if the volumes were frozen further apart than this, such as 30s", durationMs)
    .addOption(new Option("--beyond-window <action>", "what then: warn (the default) or fail").choices(["warn", "fail"]));
}

/** The project that the flags name. Throws USAGE. */
export function tenantOf(run: Run, flags: SourceFlags): Extract<StartBackupRequest["input"], { $case: "tenant" }> {
  const project = resolveProject(flags.osProject, run.context);
  return { $case: "tenant", value: { ...commonOf(run, flags), project } };
}

/** What one project and all projects have in common. Throws USAGE. */
export function commonOf(run: Run, flags: SourceFlags) {
  const { osCloud, temporaryProject = "", maxWindow, beyondWindow, include = [], exclude = [] } = flags;
  if (maxWindow === undefined && beyondWindow !== undefined) throw usageError("--beyond-window goes with --max-window");
  return {
    cloud: resolveCloud(osCloud, "--os-cloud", run.context),
    selection: { include: [...include], exclude: [...exclude] },
    temporaryProject,
    maxWindowMs: BigInt(maxWindow ?? 0),
    failBeyondWindow: beyondWindow === "fail",
  };
}
