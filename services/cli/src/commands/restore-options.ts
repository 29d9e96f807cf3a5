/** What `restore` and its subcommands share: the options of a restore into a project, the request they make, verify levels. */

import { resolve } from "node:path";
import { type Command, Option, type OptionValues } from "commander";
import type { Cluster, StartRestoreRequest, VerifyLevel } from "../api.ts";
import { resolveCloud, resolveProject } from "../cloud.ts";
import { usageError } from "../failure.ts";
import { readMapFile } from "../maps/map-file.ts";
import { mapsOfRequest, mergeMaps, type NameMaps, parseMaps } from "../maps/name-maps.ts";
import { collect, withRepository, withSelection } from "../options.ts";
import type { Run } from "../run-context.ts";
import { resolveSession } from "../session-ref.ts";

export const VERIFY_LEVELS = ["none", "metadata", "hash", "data"] as const;
export const VERIFY_VALUES: Readonly<Record<(typeof VERIFY_LEVELS)[number], VerifyLevel>> = {
  none: 1,
  metadata: 2,
  hash: 3,
  data: 4,
};

export interface TargetFlags {
  readonly repository?: string;
  readonly toCloud?: string;
  readonly toProject?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly map?: readonly string[];
  readonly mapFile?: string;
  readonly onConflict?: string;
  readonly namePrefix?: string;
  readonly powerOn?: string;
}

/** All that a plan depends on. */
export function withTarget(command: Command): Command {
  withRepository(command)
    .option("--to-cloud <cloud>", "cloud in the workers' clouds.yaml (OS_CLOUD, or `envvars` when OS_AUTH_URL is set)")
    .option("--to-project <project>", "name or id of the target project (OS_PROJECT_NAME, OS_TENANT_NAME)")
    .option(
      "--map <kind:old=new>",
      "what a thing is called in the target, by name or id, `*` for the rest of a kind; KIND is a resource type such as neutron.network, or volume-type, zone, policy, project, user, role and the like; repeatable",
      collect,
    )
    .option("--map-file <file>", "maps as YAML, kind: old: new; --map wins (`restore plan --write-map` writes one)")
    .addOption(
      new Option(
        "--on-conflict <what>",
        "when the target has that name: make another beside it, use what is there, make one under another name, leave it out, or fail it; default: create",
      ).choices(["create", "reuse", "rename", "skip", "fail"]),
    )
    .option("--name-prefix <text>", "put before every restored name")
    .addOption(
      new Option("--power-on <when>", "whether restored servers run; default: as-backed-up").choices(["as-backed-up", "never"]),
    );
  return withSelection(command, "only these, and what they cannot be restored without");
}

/** Where one-time passwords go. */
export function withUsersReport(command: Command): Command {
  return command.option(
    "--users-report <file>",
    "new file (mode 0600) for the one-time passwords of users that were made; default: permafrost-users-SESSION.json",
  );
}

export interface TargetRequest {
  readonly maps: NameMaps;
  readonly send: (cluster: Cluster) => Promise<string>;
}

/** Reads and checks everything that can be without a cluster; `send` then starts the restore and answers its session. Throws USAGE. */
export async function restoreRequest(
  run: Run,
  reference: string,
  flags: TargetFlags,
  how: Pick<StartRestoreRequest, "dryRun" | "verify">,
): Promise<TargetRequest> {
  const repository = run.repository(flags.repository);
  const given = parseMaps(flags.map ?? []);
  const maps = flags.mapFile === undefined ? given : mergeMaps(await mapsOfFile(run, flags.mapFile, given), given);
  const cloud = resolveCloud(flags.toCloud, "--to-cloud", run.context);
  const request = {
    repository,
    cloud,
    project: resolveProject(flags.toProject, run.context),
    selection: { include: [...(flags.include ?? [])], exclude: [...(flags.exclude ?? [])] },
    onConflict: flags.onConflict ?? "create",
    namePrefix: flags.namePrefix ?? "",
    maps: mapsOfRequest(maps),
    powerOn: flags.powerOn ?? "as-backed-up",
    ...how,
  };
  return {
    maps,
    send: async (cluster) => {
      const sessionId = await resolveSession(cluster, reference, { repository, input: "tenant" });
      const started = await cluster.sessions.startRestore({ ...request, sessionId }, { signal: run.interrupts.signal });
      return started.sessionId;
    },
  };
}

async function mapsOfFile(run: Run, name: string, given: NameMaps): Promise<NameMaps> {
  const { maps, empty } = await readMapFile(resolve(run.context.cwd, name));
  const open = empty.filter(({ kind, from }) => !given.get(kind)?.has(from)).map(({ kind, from }) => `${kind} ${from}`);
  if (open.length > 0) await run.note(`${name} has no value for ${open.join(", ")}`);
  return maps;
}

/**
 * The options of a subcommand of `restore`. Commander hands `restore` whatever both of them know, so its values count too; what only
 * `restore` knows is a mistake here. Throws USAGE.
 */
export function subcommandFlags<Flags extends OptionValues>(command: Command): Flags {
  const own = new Set(command.options.map((option) => option.attributeName()));
  const name = `permafrost restore ${command.name()}`;
  for (const option of command.parent?.options ?? []) {
    const attribute = option.attributeName();
    if (own.has(attribute) || command.parent?.getOptionValue(attribute) === undefined) continue;
    throw usageError(`${option.long} does not go with \`${name}\``, `\`${name} --help\` lists its options.`);
  }
  return command.optsWithGlobals<Flags>();
}
