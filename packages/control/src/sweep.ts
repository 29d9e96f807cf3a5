/** The last step of every session that touched a cloud: its temporary objects are removed, by the ledger. */

import type { CloudTarget } from "@permafrost/model";
import type { RunContext } from "./run-context.ts";
import { SWEEP_TASK_ID, toFailure } from "./task-entry.ts";

/** Returns what to tell the user of objects that may be left; also when the sweep itself fails. Runs even if the session was cancelled. */
export async function sweepCloud(
  context: RunContext,
  session: { readonly sessionId: string; readonly repositoryId: string },
  source: CloudTarget,
): Promise<string[]> {
  try {
    const { sessionId, repositoryId } = session;
    const [outcome] = await context.board.run<"sweep">(
      context.repository,
      context.newWriter,
      [{ sessionId, repositoryId, id: SWEEP_TASK_ID, kind: "sweep", source }],
      {
        signal: context.stopped,
      },
    );
    if (outcome === undefined) return [];
    const left = outcome.ok ? outcome.result.left : [outcome.failure];
    return left.map((f) => `A temporary object may be left in the cloud: ${f.message} (${f.code})`);
  } catch (error) {
    if (context.stopped.aborted) throw error;
    const { code, message } = toFailure(error);
    return [`Temporary objects may be left in the cloud: ${message} (${code})`];
  }
}
