/**
 * `permafrost copy`: restore points of another site into a repository of this one, the oldest first, so that each is compared with the one before it.
 * Started here and pulled by this site's coordinator; what is copied already is left alone, so it can be run again and again.
 */

import { CodedError } from "@permafrost/std";
import type { Command } from "commander";
import { formatBytes } from "../amounts.ts";
import type { Cluster, Origin, Session } from "../api.ts";
import { EXIT, type ExitCode, exitCodeOfState } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { followSession } from "../follow.ts";
import { withConnection, withOutput, withRepository } from "../options.ts";
import { countText, sayResourceProblems, saySessionProblems } from "../outcome.ts";
import { COPIED_COLUMNS, type CopiedPoint } from "../output/rows.ts";
import type { Run } from "../run-context.ts";
import type { Bind } from "./command.ts";

interface Flags {
  readonly from?: string;
  readonly sourceRepository?: string;
  readonly repository?: string;
  readonly dryRun?: boolean;
}

export function addCopyCommand(program: Command, bind: Bind): void {
  const copy = program
    .command("copy")
    .description("copy restore points of another site into a repository of this one")
    .argument("[session...]", "there: ids, unambiguous prefixes or `latest` (default: all that are not here)");
  withRepository(copy)
    .option("--from <site>", "the other site, as `sites` of this coordinator's configuration names it")
    .option("--source-repository <name>", "name or id of its repository (default: of the same name)")
    .option("--dry-run", "only say what is not here")
    .addHelpText(
      "after",
      `
Run it on the second site: its coordinator reads the first one's storage nodes, with a token that only reads, and seals everything anew under
its own repository's key. What comes of it needs nothing of the first site to be restored. Of a restore point whose predecessor is here
only what is new is transferred. What is copied already is left alone, so it can be run by a timer; forgetting there forgets nothing here.

Examples:
  permafrost copy --from paris --repository production
  permafrost copy latest --from paris --source-repository production --repository production-copy`,
    );
  bind(withOutput(withConnection(copy)), COPIED_COLUMNS, async (run, references, command) => {
    const flags = command.opts<Flags>();
    const repository = run.repository(flags.repository);
    if (flags.from === undefined) throw usageError("No site to copy from", "`permafrost copy --from SITE`");
    const route = { repository, site: flags.from, sourceRepository: flags.sourceRepository ?? repository };
    const cluster = await run.cluster();
    const { origins } = await cluster.sessions.listOrigins(route, { signal: run.interrupts.signal });
    const chosen = references.length === 0 ? origins : selected(origins, references);
    const points: CopiedPoint[] = [];
    let code: ExitCode = EXIT.ok;
    // The oldest first: the next finds it here.
    for (const { session: origin, copyId } of [...chosen].reverse()) {
      if (origin === undefined) continue;
      if (copyId !== "" || flags.dryRun || code === EXIT.interrupted) {
        points.push({ origin, copyId, outcome: copyId === "" ? "to copy" : "there already" });
        continue;
      }
      const copied = await copyOne(run, cluster, route, origin);
      const outcome = outcomeOf(copied);
      points.push({ origin, copyId: copied.id, outcome, stats: copied.stats });
      const ended = outcome === "copied" ? EXIT.ok : exitCodeOfState(copied.state);
      code = worse(code, run.interrupts.happened ? EXIT.interrupted : ended);
    }
    return await report(run, points, code);
  });
}

/** Each once, newest first. SESSION_UNKNOWN, SESSION_AMBIGUOUS. */
function selected(origins: readonly Origin[], references: readonly string[]): Origin[] {
  const wanted = new Set(
    references.map((reference) => {
      if (reference === "latest" && origins[0] !== undefined) return origins[0];
      const matches = origins.filter(({ session }) => session?.id.startsWith(reference));
      const exact = matches.find(({ session }) => session?.id === reference) ?? matches[0];
      if (exact === undefined || reference === "")
        throw new CodedError("SESSION_UNKNOWN", `The other site has no restore point ${reference}`, {
          hint: "`permafrost copy --dry-run` lists what it has.",
        });
      if (matches.length > 1 && exact.session?.id !== reference)
        throw new CodedError("SESSION_AMBIGUOUS", `${matches.length} restore points start with ${reference}`);
      return exact;
    }),
  );
  return origins.filter((origin) => wanted.has(origin));
}

async function copyOne(
  run: Run,
  cluster: Cluster,
  route: { readonly repository: string; readonly site: string; readonly sourceRepository: string },
  origin: Session,
): Promise<Session> {
  await run.note(`Copying ${origin.id}`);
  const { sessionId } = await cluster.sessions.startCopy({ ...route, sessionId: origin.id });
  const { session, resources } = await followSession(run, cluster, sessionId);
  await saySessionProblems(run, session);
  await sayResourceProblems(run, session, resources);
  return session;
}

/** A copy of what is partial there is as partial as it. */
function outcomeOf({ state, origin }: Session): string {
  return origin?.whole && (state === "succeeded" || state === "partial") ? "copied" : state;
}

/** Failed before partial, and interrupted before both. */
function worse(a: ExitCode, b: ExitCode): ExitCode {
  const order: readonly ExitCode[] = [EXIT.ok, EXIT.partial, EXIT.failed, EXIT.interrupted];
  return order.indexOf(a) >= order.indexOf(b) ? a : b;
}

async function report(run: Run, points: readonly CopiedPoint[], code: ExitCode): Promise<ExitCode> {
  const { format } = run.settings.render;
  if (points.length > 0 || format !== "table") await run.printList(points, COPIED_COLUMNS);
  const of = (outcome: string) => points.filter((point) => point.outcome === outcome).length;
  const readBytes = points.reduce((sum, { stats }) => sum + (stats?.readBytes ?? 0n), 0n);
  const left = points.length - of("copied") - of("there already");
  const line = `${countText(points.length, "restore point")}: ${of("copied")} copied, ${of("there already")} there already${
    left === 0 ? "" : `, ${left} not`
  }; ${formatBytes(readBytes)} transferred`;
  if (format === "table") await run.context.stdout.write(`${line}\n`);
  else await run.note(line);
  return await run.end(code, line);
}
