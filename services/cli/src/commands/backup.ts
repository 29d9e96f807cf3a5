/** `permafrost backup`: of a project of a cloud or all of them, of standard input, or of a tree of files. */

import { resolve } from "node:path";
import { CodedError } from "@permafrost/std";
import { type Command, Option } from "commander";
import type { Cluster, StartBackupRequest, UploadRequest } from "../api.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { cancelSession, type Followed, followSession } from "../follow.ts";
import { streamSteps, treeSteps } from "../input/steps.ts";
import { type WalkProblem, walkTree } from "../input/walk.ts";
import { withConnection, withOutput, withRepository, withSelection } from "../options.ts";
import { printSessionId, reportOutcome } from "../outcome.ts";
import { printable } from "../output/render.ts";
import { GROUP_COLUMNS, RESOURCE_COLUMNS } from "../output/rows.ts";
import type { Run } from "../run-context.ts";
import { backupGroup, checkGroupFlags, type GroupFlags, withGroup } from "./backup-group.ts";
import { tenantOf, withSource } from "./backup-source.ts";
import type { Bind } from "./command.ts";

interface BackupFlags extends GroupFlags {
  readonly repository?: string;
  readonly input: "tenant" | "stream" | "fs";
  readonly name?: string;
}

export function addBackupCommand(program: Command, bind: Bind): void {
  const backup = program
    .command("backup")
    .description("back up a project, all projects, standard input or a tree of files")
    .argument("[path]", "with --input fs: the file or directory")
    .addHelpText(
      "after",
      `
Examples:
  permafrost backup --repository production --os-cloud mycloud
  permafrost backup --repository production --os-cloud mycloud --include cinder.volume --exclude name='scratch*'
  permafrost backup --repository all --os-cloud admin --all-projects --domain customers --exclude-project 'test-*'
  mysqldump --all-databases | permafrost backup --repository production --input stream --name mysql
  permafrost backup --repository production --input fs /etc`,
    );
  withRepository(backup).addOption(
    new Option("--input <kind>", "what to back up").choices(["tenant", "stream", "fs"]).default("tenant"),
  );
  withSource(backup)
    .option("--name <name>", "name of the stream or tree; the next backup of this name is compared with it")
    .option("--detach", "print the session's id and leave it to the cluster");
  withSelection(backup);
  withGroup(backup);
  const columns = (command: Command) => (command.opts<BackupFlags>().allProjects ? GROUP_COLUMNS : RESOURCE_COLUMNS);
  bind(withOutput(withConnection(backup)), columns, async (run, [path], command) => {
    const flags = command.opts<BackupFlags>();
    const repository = run.repository(flags.repository);
    checkFlags(flags, path);
    checkGroupFlags(flags, command);
    if (flags.allProjects) return backupGroup(run, repository, flags);
    if (flags.input === "stream") return backupStream(run, repository, flags);
    if (flags.input === "fs") return backupTree(run, repository, flags, resolve(run.context.cwd, path ?? "."));
    return backupTenant(run, repository, flags);
  });
}

function checkFlags(flags: BackupFlags, path: string | undefined): void {
  const { input } = flags;
  if (input === "fs" && path === undefined) throw usageError("--input fs needs a path", "`permafrost backup --input fs PATH`");
  if (input !== "fs" && path !== undefined) throw usageError(`A path goes with --input fs, not with --input ${input}`);
  if (input === "tenant" && flags.name !== undefined) throw usageError("--name goes with --input stream or fs");
  if (input === "tenant") return;
  if (flags.detach) throw usageError(`--detach cannot go with --input ${input}: this process sends the bytes`);
  for (const option of ["osCloud", "osProject", "temporaryProject", "maxWindow", "beyondWindow", "include", "exclude"] as const) {
    if (flags[option] !== undefined) {
      throw usageError(`--${option.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)} goes with --input tenant`);
    }
  }
}

async function backupTenant(run: Run, repository: string, flags: BackupFlags): Promise<ExitCode> {
  const request: StartBackupRequest = { repository, input: tenantOf(run, flags) };
  const cluster = await run.cluster();
  const { sessionId } = await cluster.sessions.startBackup(request, { signal: run.interrupts.signal });
  if (flags.detach) return printSessionId(run, sessionId);
  const followed = await followSession(run, cluster, sessionId);
  return reportOutcome(run, followed);
}

async function backupStream(run: Run, repository: string, flags: BackupFlags): Promise<ExitCode> {
  if (run.context.stdinIsTerminal)
    throw usageError("Standard input is a terminal", "Pipe the bytes in: `command | permafrost backup --input stream`.");
  const request: StartBackupRequest = { repository, input: { $case: "stream", value: { name: flags.name ?? "stdin" } } };
  const followed = await upload(run, request, (sessionId) => streamSteps(sessionId, run.context.stdin));
  return reportOutcome(run, followed);
}

async function backupTree(run: Run, repository: string, flags: BackupFlags, root: string): Promise<ExitCode> {
  const problems: WalkProblem[] = [];
  const tree = walkTree(root, (problem) => problems.push(problem));
  // The first step of the walk tells an unreadable root, before a session exists.
  const first = await tree.next();
  async function* all() {
    if (first.done) return;
    yield first.value;
    yield* tree;
  }
  const request: StartBackupRequest = { repository, input: { $case: "fs", value: { name: flags.name ?? root } } };
  const followed = await upload(run, request, (sessionId) => treeSteps(sessionId, all()));
  for (const { path, reason, lost } of problems) {
    const line = `${lost ? "Not read" : "Left out"}: ${printable(path)}: ${reason}`;
    await (lost ? run.warn(line) : run.note(line));
  }
  const lost = problems.filter((problem) => problem.lost).length;
  const code = await reportOutcome(run, followed);
  return code === EXIT.ok && lost > 0 ? run.end(EXIT.partial, `${lost} files or directories could not be read`) : code;
}

/** Opens the session, sends the bytes to its worker, and follows it; either end of the two may fail first. */
async function upload(
  run: Run,
  request: StartBackupRequest,
  stepsOf: (sessionId: string) => AsyncIterable<UploadRequest>,
): Promise<Followed> {
  const cluster: Cluster = await run.cluster();
  const { sessionId, uploadAddress } = await cluster.sessions.startBackup(request, { signal: run.interrupts.signal });
  const stop = new AbortController();
  let sourceError: unknown;
  async function* watched() {
    try {
      yield* stepsOf(sessionId);
    } catch (error) {
      sourceError = error;
      throw error;
    }
  }
  const sending = cluster
    .input(uploadAddress)
    .upload(watched(), { signal: stop.signal })
    .then(
      () => undefined,
      async (error: unknown) => {
        // Without its bytes the session cannot end well; cancelled, it ends now. Ctrl-C has asked for that already.
        if (!run.interrupts.happened) await cancelSession(cluster, sessionId, run.context.clock).catch(() => undefined);
        return CodedError.from(sourceError ?? error);
      },
    );
  const followed = await followSession(run, cluster, sessionId, () => stop.abort());
  // A session that ended without its bytes takes no more of them.
  if (followed.session.state !== "succeeded") stop.abort();
  const uploadError = await sending;
  const { state, failure } = followed.session;
  const ownFault = uploadError !== undefined && !run.interrupts.happened && state !== "succeeded";
  // A session that knows why it failed says more than the broken upload does; one cancelled above knows only that.
  if (ownFault && (sourceError !== undefined || failure === undefined || state === "cancelled")) throw uploadError;
  return followed;
}
