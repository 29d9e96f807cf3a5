/** `permafrost session lock`: keeps a restore point from being forgotten. */

import { type Command, InvalidArgumentError } from "commander";
import { EXIT } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { durationMs, withConnection, withOutput, withRepository } from "../options.ts";
import { SESSION_SHOW_COLUMNS } from "../output/rows.ts";
import { resolveSession } from "../session-ref.ts";
import type { Bind } from "./command.ts";

interface Flags {
  readonly repository?: string;
  readonly until?: Date;
  readonly for?: number;
  readonly hold?: boolean;
  readonly release?: boolean;
}

/** A day, at its beginning in UTC, or a time with its zone, as ISO 8601 has them. */
export function dateOf(text: string): Date {
  const isForm = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const date = new Date(text);
  if (!isForm || Number.isNaN(date.getTime()))
    throw new InvalidArgumentError("Say a date or time such as 2027-01-31 or 2027-01-31T12:00Z.");
  return date;
}

export function addLockCommand(session: Command, bind: Bind): void {
  const lock = session
    .command("lock")
    .description("keep a restore point from being forgotten, by a policy or by name")
    .argument("<session>", "id, unambiguous prefix, or latest");
  withRepository(lock)
    .option("--until <date>", "until then, such as 2027-01-31; it can be made later, never earlier", dateOf)
    .option("--for <time>", "from now on for so long, such as 90d", durationMs)
    .option("--hold", "until somebody releases it (a legal hold)")
    .option("--release", "take the hold off; a lock with a date stays")
    .addHelpText(
      "after",
      "\nExamples:\n  permafrost session lock latest --for 90d\n  permafrost session lock 20261123T170000Z --hold",
    );
  bind(withOutput(withConnection(lock)), SESSION_SHOW_COLUMNS, async (run, [reference], command) => {
    const { repository, until, for: forMs, hold = false, release = false } = command.opts<Flags>();
    if (until !== undefined && forMs !== undefined)
      throw usageError("--until and --for are two ways to say the same", "Give one of them.");
    if (hold && release) throw usageError("--hold and --release cannot both be", "Give one of them.");
    if (until === undefined && forMs === undefined && !hold && !release)
      throw usageError("Nothing says for how long", "Give --until, --for or --hold.");
    const cluster = await run.cluster();
    const sessionId = await resolveSession(cluster, reference ?? "", { repository: run.repositoryOrAll(repository) });
    const { session: locked } = await cluster.sessions.lockSession({
      sessionId,
      until: forMs === undefined ? until : new Date(run.context.clock.now() + forMs),
      hold: hold ? "on" : release ? "off" : "",
    });
    if (locked !== undefined) await run.printRecord(locked, SESSION_SHOW_COLUMNS);
    return EXIT.ok;
  });
}
