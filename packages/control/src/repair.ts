/**
 * A repair: every record and every block of a repository is on all the storage nodes that are to keep it, copied to those that lack it or have
 * it damaged. To be run after a node lost its disk, was replaced, came or got another weight, and after a scrub found damage.
 *
 * It only adds, so it can run beside everything else and be cut off anywhere. It needs the word of every node: one that does not answer ends
 * it, for what that one has is not known.
 */

import type { BlockStore, RepairedBlocks } from "@permafrost/blocks";
import { type BlockId, EMPTY_STATS, type RepairReport } from "@permafrost/model";
import { isoTime, retry, toHex } from "@permafrost/std";
import { listedBlocks } from "./listed-blocks.ts";
import { cancelledOrThrow, endSession, enterPhase, type RunContext } from "./run-context.ts";
import { toFailure } from "./task-entry.ts";

/** Ids told one by one to the user. */
const NAMED_MAX = 10;
/** A node that came back a moment ago may not be heard yet. */
const ATTEMPTS_MAX = 8;
const PAUSE_MS = 2_000;

export async function runRepair(context: RunContext, store: BlockStore): Promise<void> {
  const { repository, view, signal, clock } = context;
  const key = { type: "repository", id: repository.id };
  try {
    await enterPhase(context, "repair");
    view.setResource({ ...key, name: repository.id, state: "running", streams: {}, stats: EMPTY_STATS, warnings: [] });
    const scope = { repositoryId: repository.id, sessionId: view.record.id, taskId: "repair", fence: 0n };
    const nodes = await retry(() => store.pruning(), {
      ...{ attemptsMax: ATTEMPTS_MAX, delayMs: PAUSE_MS, delayMsMax: PAUSE_MS, clock, signal },
    });
    let report: RepairReport = {
      ...{ blocks: 0, copies: 0, copiedBytes: 0, lostBlocks: 0, shortBlocks: 0 },
      recordCopies: await store.repairRecords(repository.id),
    };
    const repairPage = async (ids: readonly BlockId[]): Promise<RepairedBlocks> => {
      let done = await store.repairBlocks(scope, ids);
      for (let attempt = 1; done.short.length > 0 && attempt < attemptsMax; attempt++) {
        await clock.sleep(PAUSE_MS, signal);
        const { copies, copiedBytes, short, lost } = await store.repairBlocks(scope, done.short);
        done = {
          ...done,
          copies: done.copies + copies,
          copiedBytes: done.copiedBytes + copiedBytes,
          short,
          lost: [...done.lost, ...lost],
        };
      }
      return done;
    };
    const named: string[] = [];
    let attemptsMax = ATTEMPTS_MAX;
    for await (const ids of listedBlocks(nodes, repository.id)) {
      signal.throwIfAborted();
      const done = await repairPage(ids);
      // Who did not take one page in all that time is not waited for again.
      if (done.short.length > 0) attemptsMax = 1;
      report = {
        ...report,
        blocks: report.blocks + ids.length,
        copies: report.copies + done.copies,
        copiedBytes: report.copiedBytes + done.copiedBytes,
        lostBlocks: report.lostBlocks + done.lost.length,
        shortBlocks: report.shortBlocks + done.short.length,
      };
      for (const id of done.lost) if (named.length < NAMED_MAX) named.push(toHex(id));
      view.update({ repair: report });
    }
    const { lostBlocks, shortBlocks } = report;
    const warnings = [
      ...(lostBlocks > 0 ? [`${lostBlocks} blocks are whole on no storage node, such as ${named.join(", ")}`] : []),
      ...(shortBlocks > 0 ? [`${shortBlocks} blocks have fewer copies than they should: a storage node did not take them`] : []),
    ];
    const ended = isoTime(clock.now());
    if (warnings.length === 0) {
      view.patchResource(key, { state: "succeeded", endedAt: ended });
      return await endSession(context, "succeeded", { repair: report });
    }
    const failure = {
      code: "REPAIR_INCOMPLETE",
      message: warnings.join("; "),
      hint:
        lostBlocks > 0
          ? "`permafrost check` says which restore points have lost something; the next backup of what is still there stores it again."
          : "See that every storage node takes writes, and repair again.",
    };
    view.patchResource(key, { state: "failed", endedAt: ended, failure });
    await endSession(context, "failed", { repair: report, failure });
  } catch (error) {
    await endSession(context, cancelledOrThrow(context, error) ? "cancelled" : "failed", { failure: toFailure(error) });
  }
}
