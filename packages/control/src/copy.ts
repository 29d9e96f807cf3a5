/**
 * A copy: a restore point of another site, pulled block by block from its storage nodes and sealed under this repository's own key. What comes of it
 * is a restore point like any other, which needs nothing of the other site to be restored.
 *
 * It runs where the coordinator runs: the site's keys are in that one's keyring alone, and its nodes are only read. What an earlier copy of the same
 * source has is not transferred again. A resource that the other site has lost is told as failed, and the rest is copied; a copy that was broken off
 * is run again from its beginning, and sends nothing twice that is stored here.
 */

import {
  EMPTY_STATS,
  isRestorePoint,
  type ResourceResult,
  resourceKeyText,
  type SessionRecord,
  type SessionSource,
  sessionOutcome,
} from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import { type CopiedResource, copyResource } from "./copy-resource.ts";
import { cancelledOrThrow, endSession, enterPhase, patiently, type RunContext } from "./run-context.ts";
import type { CopySpec } from "./session-spec.ts";
import { SessionStore } from "./session-store.ts";
import type { Sites } from "./sites.ts";
import { toFailure } from "./task-entry.ts";

/** What of the other site may be lost or damaged, without the rest being so. */
const DAMAGE: ReadonlySet<string> = new Set(["BLOCK_MISSING", "BLOCK_CORRUPT", "LISTING_BROKEN"]);

export async function runCopy(context: RunContext, spec: CopySpec, sites: Sites): Promise<void> {
  const { repository, newWriter, view, store, signal } = context;
  try {
    const source = await patiently(context, () => sites.repository(spec.origin.site, spec.origin.repositoryId));
    const points = new SessionStore(source);
    const point = await patiently(context, () => points.get(spec.origin.sessionId));
    if (point === undefined || !isRestorePoint(point)) throw originGone(spec);
    const results = await patiently(context, () => points.allResults(point));
    const parent = await patiently(context, () => earlierCopy(store, points, spec));
    const { consistencyWindow, warnings } = point;
    await enterPhase(context, "stream", {
      warnings,
      ...(consistencyWindow === undefined ? {} : { consistencyWindow }),
      ...(parent === undefined ? {} : { parentId: parent.record.id }),
    });
    for (const captured of results)
      view.setResource(
        { ...captured, state: "pending", streams: {}, stats: EMPTY_STATS },
        { total: captured.stats.logicalBytes },
      );
    let isWhole = true;
    for (const captured of results) {
      signal.throwIfAborted();
      view.patchResource(captured, { state: "running" });
      const before = parent?.resources.get(resourceKeyText(captured));
      try {
        const copied = await patiently(context, () => {
          let bytesDone = 0;
          const onProgress = (bytes: number) => {
            bytesDone += bytes;
            view.patchResource(captured, { bytesDone });
          };
          return copyResource({ source, repository, newWriter, signal }, captured, before, onProgress);
        });
        view.setResource(copied);
      } catch (error) {
        signal.throwIfAborted();
        if (!CodedError.is(error) || !DAMAGE.has(error.code)) throw error;
        isWhole = false;
        view.setResource({ ...withoutData(captured), state: "failed", failure: lostThere(spec, error) });
      }
    }
    const outcome = sessionOutcome(view.resources().map((r) => r.state));
    // What a backup could not even list is in no resource: its copy is as partial as it is.
    await endSession(context, outcome === "succeeded" && point.state === "partial" ? "partial" : outcome, {
      origin: { ...spec.origin, ...(isWhole ? { isWhole } : {}) },
    });
  } catch (error) {
    await endSession(context, cancelledOrThrow(context, error) ? "cancelled" : "failed", { failure: toFailure(error) });
  }
}

/** The copy of a restore point of the same source that is nearest before this one, else after it, and which the other site still has. */
async function earlierCopy(
  store: SessionStore,
  points: SessionStore,
  { origin, source, sessionId }: CopySpec,
): Promise<{ readonly record: SessionRecord; readonly resources: ReadonlyMap<string, CopiedResource> } | undefined> {
  const there = new Map((await points.list()).filter(isRestorePoint).map((record) => [record.id, record]));
  const copies = (await store.list())
    .flatMap((record) => {
      const point = record.origin?.repositoryId === origin.repositoryId ? there.get(record.origin.sessionId) : undefined;
      const isUsable = point !== undefined && record.id !== sessionId && isRestorePoint(record);
      return isUsable && isSameSource(point.source, source) ? [{ record, point }] : [];
    })
    .sort((a, b) => (a.point.id < b.point.id ? 1 : -1));
  const chosen = copies.find(({ point }) => point.id <= origin.sessionId) ?? copies.at(-1);
  if (chosen === undefined) return undefined;
  const copied = new Map((await store.allResults(chosen.record)).map((result) => [resourceKeyText(result), result]));
  const resources = new Map<string, CopiedResource>();
  for (const result of await points.allResults(chosen.point)) {
    const copy = copied.get(resourceKeyText(result));
    if (copy !== undefined) resources.set(resourceKeyText(result), { source: result, copy });
  }
  return { record: chosen.record, resources };
}

function isSameSource(a: SessionSource, b: SessionSource): boolean {
  return a.input === b.input && a.cloud === b.cloud && a.projectId === b.projectId && a.name === b.name;
}

function withoutData({ document: _, ...captured }: ResourceResult): ResourceResult {
  return { ...captured, streams: {}, stats: EMPTY_STATS };
}

function lostThere({ origin }: CopySpec, error: CodedError) {
  return {
    ...toFailure(error),
    message: `Site ${origin.site} cannot give it: ${error.message}`,
    hint: `\`permafrost check ${origin.sessionId}\` and \`permafrost repair\` there; then copy again.`,
  };
}

function originGone({ origin }: CopySpec): CodedError {
  return new CodedError("SESSION_UNKNOWN", `Site ${origin.site} has no restore point ${origin.sessionId} any more`, {
    facts: { site: origin.site, session: origin.sessionId },
  });
}
