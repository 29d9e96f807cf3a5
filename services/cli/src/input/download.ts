/** A backup of a stream or of files back: from the worker to standard output or into a directory. */

import { resolve } from "node:path";
import { formatBytes } from "../amounts.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import type { Run } from "../run-context.ts";
import { resolveSession } from "../session-ref.ts";
import { extractTree, prepareTarget } from "./extract.ts";
import { writeStream } from "./to-stdout.ts";

export interface DownloadFlags {
  readonly toPath?: string;
  readonly toStdout?: boolean;
  readonly name?: string;
}

/** One of `toPath` and `toStdout` is set. Throws USAGE. */
export async function download(run: Run, repository: string, reference: string, flags: DownloadFlags): Promise<ExitCode> {
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
