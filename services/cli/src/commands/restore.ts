/** `permafrost restore`: into a project of a cloud, or of a plain input back to a directory or standard output. */

import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { formatBytes } from "../amounts.ts";
import type { StartRestoreRequest, VerifyLevel } from "../api.ts";
import { resolveCloud, resolveProject } from "../cloud.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { followSession } from "../follow.ts";
import { extractTree, prepareTarget } from "../input/extract.ts";
import { writeStream } from "../input/to-stdout.ts";
import { collect, splitAssignment, withConnection, withOutput, withRepository, withSelection } from "../options.ts";
import { reportOutcome } from "../outcome.ts";
import { PLAN_TABLE_COLUMNS, RESOURCE_COLUMNS, RESTORE_TABLE_COLUMNS } from "../output/rows.ts";
import type { Run } from "../run-context.ts";
import { resolveSession } from "../session-ref.ts";
import type { Bind } from "./command.ts";

const VERIFY_LEVELS = ["none", "metadata", "hash", "data"] as const;
const VERIFY_VALUES: Readonly<Record<(typeof VERIFY_LEVELS)[number], VerifyLevel>> = { none: 1, metadata: 2, hash: 3, data: 4 };
const MAP_KINDS = ["volume-type", "zone", "policy", "project"] as const;

interface RestoreFlags {
  readonly repository?: string;
  readonly toCloud?: string;
  readonly toProject?: string;
  readonly toPath?: string;
  readonly toStdout?: boolean;
  readonly name?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly map?: readonly string[];
  readonly onConflict?: string;
  readonly namePrefix?: string;
  readonly verify?: (typeof VERIFY_LEVELS)[number];
  readonly dryRun?: boolean;
}

export function addRestoreCommand(program: Command, bind: Bind): void {
  const restore = program
    .command("restore")
    .description("restore a restore point into a project, a directory or standard output")
    .argument("<session>", "id, unambiguous prefix, or latest")
    .addHelpText(
      "after",
      `
Examples:
  permafrost restore latest --repository production --to-cloud other --to-project copy --dry-run
  permafrost restore latest --repository production --to-cloud other --to-project copy --verify data
  permafrost restore 20261123T17 --repository production --to-cloud other --map volume-type:ssd=fast --map zone:*=nova
  permafrost restore latest --repository production --to-path restored-etc
  permafrost restore latest --repository production --name mysql --to-stdout > dump.sql`,
    );
  withRepository(restore)
    .option("--to-cloud <cloud>", "cloud in the workers' clouds.yaml (OS_CLOUD, or `envvars` when OS_AUTH_URL is set)")
    .option("--to-project <project>", "name or id of the target project (OS_PROJECT_NAME, OS_TENANT_NAME)")
    .option("--to-path <dir>", "write a backup of files into a new or empty directory")
    .option("--to-stdout", "write a backup of a stream to standard output")
    .option("--name <name>", "with latest and --to-path or --to-stdout: the newest backup of this name")
    .option("--map <kind:old=new>", `map a name, \`*\` for the rest; KIND is ${MAP_KINDS.join(", ")}; repeatable`, collect)
    .addOption(
      new Option("--on-conflict <what>", "when the target has that name; default: create").choices([
        "create",
        "reuse",
        "skip",
        "fail",
      ]),
    )
    .option("--name-prefix <text>", "put before every restored name")
    .addOption(new Option("--verify <level>", "how far to verify; default: hash").choices(VERIFY_LEVELS))
    .option("--dry-run", "only show the plan");
  withSelection(restore);
  bind(withOutput(withConnection(restore)), RESOURCE_COLUMNS, async (run, [reference], command) => {
    const flags = command.opts<RestoreFlags>();
    const repository = run.repository(flags.repository);
    if (flags.toPath !== undefined || flags.toStdout) return download(run, repository, reference ?? "", flags);
    return restoreTenant(run, repository, reference ?? "", flags);
  });
}

async function restoreTenant(run: Run, repository: string, reference: string, flags: RestoreFlags): Promise<ExitCode> {
  const maps = parseMaps(flags.map ?? []);
  if (flags.name !== undefined) throw usageError("--name goes with --to-path or --to-stdout");
  const cloud = resolveCloud(flags.toCloud, "--to-cloud", run.context);
  const cluster = await run.cluster();
  const request: StartRestoreRequest = {
    repository,
    sessionId: await resolveSession(cluster, reference, { repository, input: "tenant" }),
    cloud,
    project: resolveProject(flags.toProject, run.context),
    selection: { include: [...(flags.include ?? [])], exclude: [...(flags.exclude ?? [])] },
    maps: Object.entries(maps).map(([kind, names]) => ({ kind, names })),
    powerOn: "",
    onConflict: flags.onConflict ?? "create",
    namePrefix: flags.namePrefix ?? "",
    verify: VERIFY_VALUES[flags.verify ?? "hash"],
    dryRun: flags.dryRun === true,
  };
  const started = await cluster.sessions.startRestore(request, { signal: run.interrupts.signal });
  const followed = await followSession(run, cluster, started.sessionId);
  return reportOutcome(run, followed, flags.dryRun ? PLAN_TABLE_COLUMNS : RESTORE_TABLE_COLUMNS);
}

type Maps = Record<(typeof MAP_KINDS)[number], { [from: string]: string }>;

/** `KIND:OLD=NEW` of each; the last one for a name wins. Throws USAGE. */
export function parseMaps(texts: readonly string[]): Maps {
  const maps: Maps = { "volume-type": {}, zone: {}, policy: {}, project: {} };
  for (const text of texts) {
    const at = text.indexOf(":");
    const kind = MAP_KINDS.find((one) => one === text.slice(0, at));
    const pair = splitAssignment(text.slice(at + 1));
    if (kind === undefined || pair === undefined) {
      throw usageError(
        `--map ${text} is not KIND:OLD=NEW`,
        `KIND is one of ${MAP_KINDS.join(", ")}; such as --map volume-type:ssd=fast`,
      );
    }
    maps[kind][pair.from] = pair.to;
  }
  return maps;
}

async function download(run: Run, repository: string, reference: string, flags: RestoreFlags): Promise<ExitCode> {
  for (const option of [
    "toCloud",
    "toProject",
    "map",
    "onConflict",
    "namePrefix",
    "verify",
    "dryRun",
    "include",
    "exclude",
  ] as const) {
    if (flags[option] !== undefined) {
      const name = option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      throw usageError(`--${name} does not go with --to-path or --to-stdout`);
    }
  }
  if (flags.toPath !== undefined && flags.toStdout) throw usageError("Name one target: --to-path or --to-stdout");
  if (flags.toStdout && run.context.stdout.isTerminal)
    throw usageError("Standard output is a terminal", "Redirect it to a file or a pipe.");
  const cluster = await run.cluster();
  const root = flags.toPath === undefined ? undefined : resolve(run.context.cwd, flags.toPath);
  const [input, type] = root === undefined ? (["stream", "input.stream"] as const) : (["fs", "input.tree"] as const);
  const sessionId = await resolveSession(cluster, reference, {
    repository,
    input,
    ...(flags.name === undefined ? {} : { name: flags.name }),
  });
  if (root !== undefined) await prepareTarget(root);
  const { signal } = run.interrupts;
  const worker = await cluster.sessions.locateWorker({}, { signal });
  const steps = cluster.input(worker.address).download({ repository, sessionId, type, resource: "" }, { signal });
  if (root === undefined) {
    const bytes = await writeStream(steps, run.context.stdout);
    await run.note(`${formatBytes(bytes)} written`);
  } else {
    const done = await extractTree(steps, root);
    await run.note(
      `${done.files} files, ${done.directories} directories, ${done.links} links, ${formatBytes(done.bytes)} written to ${root}`,
    );
  }
  return EXIT.ok;
}
