/** The model's values as the control API sends them. One direction only; every field in one place. */

import type { ResourceView, SessionView } from "@permafrost/control";
import type { Failure, PruneReport, RepairReport, SavedPlan, SessionOrigin, SessionRecord, StreamStats } from "@permafrost/model";
import type { control } from "@permafrost/rpc";

export function wireSession(
  record: SessionRecord,
  repositoryName: string,
  bytes?: { readonly total: number; readonly done: number },
): control.Session {
  return {
    id: record.id,
    kind: record.kind,
    state: record.state,
    phase: record.phase,
    repositoryId: record.repositoryId,
    repository: repositoryName,
    input: record.source.input,
    cloud: record.source.cloud ?? "",
    projectId: record.source.projectId ?? "",
    sourceName: record.source.projectName ?? record.source.name ?? "",
    startedAt: wireTime(record.startedAt),
    endedAt: wireTime(record.endedAt),
    parentId: record.parentId ?? "",
    resources: record.counts.resources,
    succeeded: record.counts.succeeded,
    failed: record.counts.failed,
    skipped: record.counts.skipped,
    stats: wireStats(record.stats),
    consistencyWindowMs: BigInt(Math.round(record.consistencyWindow?.windowMs ?? 0)),
    failure: wireFailure(record.failure),
    bytesTotal: BigInt(bytes?.total ?? record.stats.logicalBytes),
    bytesDone: BigInt(bytes?.done ?? record.stats.logicalBytes),
    warnings: [...record.warnings],
    dryRun: record.dryRun ?? false,
    groupId: record.groupId ?? "",
    appliesId: record.appliesId ?? "",
    prune: record.prune && wirePrune(record.prune),
    lockedUntil: wireTime(record.lock?.until),
    held: record.lock?.isHeld ?? false,
    repair: record.repair && wireRepair(record.repair),
    origin: record.origin && wireOrigin(record.origin),
  };
}

function wireOrigin(origin: SessionOrigin): control.SessionOrigin {
  return {
    site: origin.site,
    repositoryId: origin.repositoryId,
    repository: origin.repositoryName,
    sessionId: origin.sessionId,
    startedAt: wireTime(origin.startedAt),
    whole: origin.isWhole ?? false,
  };
}

function wirePrune(report: PruneReport): control.PruneReport {
  return {
    storedBlocks: BigInt(report.storedBlocks),
    storedBytes: BigInt(report.storedBytes),
    unusedBlocks: BigInt(report.unusedBlocks),
    unusedBytes: BigInt(report.unusedBytes),
    condemnedBlocks: BigInt(report.condemnedBlocks),
    condemnedBytes: BigInt(report.condemnedBytes),
    deletedBlocks: BigInt(report.deletedBlocks),
    deletedBytes: BigInt(report.deletedBytes),
    freedBytes: BigInt(report.freedBytes),
    sparedBlocks: BigInt(report.sparedBlocks),
    deletedAfter: wireTime(report.deletedAfter),
  };
}

function wireRepair(report: RepairReport): control.RepairReport {
  return {
    blocks: BigInt(report.blocks),
    copies: BigInt(report.copies),
    copiedBytes: BigInt(report.copiedBytes),
    recordCopies: BigInt(report.recordCopies),
    lostBlocks: BigInt(report.lostBlocks),
    shortBlocks: BigInt(report.shortBlocks),
  };
}

/** A live session: its counters as they are now. */
export function wireView(view: SessionView, repositoryName: string): control.Session {
  return wireSession(view.record, repositoryName, view.bytes());
}

export function wireResource(r: ResourceView): control.Resource {
  return {
    type: r.type,
    id: r.id,
    name: r.name,
    state: r.state,
    stats: wireStats(r.stats),
    consistency: r.consistency ?? "",
    sourceHash: r.sourceHash ?? "",
    failure: wireFailure(r.failure),
    warnings: [...r.warnings],
    targetId: r.targetId ?? "",
    action: r.action ?? "",
    actionReason: r.actionReason ?? "",
    verified: r.verified ?? "",
    mismatches: [...(r.mismatches ?? [])],
    startedAt: wireTime(r.startedAt),
    endedAt: wireTime(r.endedAt),
    bytesTotal: BigInt(r.bytesTotal),
    bytesDone: BigInt(r.bytesDone),
    targetName: r.targetName ?? "",
    dependsOn: [...(r.dependsOn ?? [])],
  };
}

export function wireStats(s: StreamStats): control.Stats {
  return {
    logicalBytes: BigInt(s.logicalBytes),
    readBytes: BigInt(s.readBytes),
    zeroBytes: BigInt(s.zeroBytes),
    newBytes: BigInt(s.newBytes),
    storedBytes: BigInt(s.storedBytes),
    newBlocks: BigInt(s.newBlocks),
  };
}

export function wirePlan({ plan }: SavedPlan): control.GetPlanResponse {
  return {
    projectId: plan.projectId,
    projectName: plan.projectName,
    references: plan.references.map((r) => ({ ...r, targetId: r.targetId ?? "", targetName: r.targetName ?? "" })),
    problems: plan.problems.map(wireFailureOf),
  };
}

function wireFailure(failure: Failure | undefined): control.Failure | undefined {
  return failure === undefined ? undefined : wireFailureOf(failure);
}

function wireFailureOf(failure: Failure): control.Failure {
  const facts = Object.fromEntries(Object.entries(failure.facts ?? {}).map(([k, v]) => [k, String(v)]));
  return { code: failure.code, message: failure.message, hint: failure.hint ?? "", facts };
}

function wireTime(iso: string | undefined): Date | undefined {
  return iso === undefined || iso === "" ? undefined : new Date(iso);
}
