/**
 * A prune: one cycle of mark, spare, sweep and condemn over the storage nodes of a repository (the nodes' side is `NodePruning` of `blocks`).
 *
 * Nothing that a session leads to, or that a running one has reserved, is deleted: a block goes only after a cycle condemned it, a later one,
 * that began when every session running at the condemnation had ended, marked everything again and did not find it, and nobody asked a node for it
 * in between. Whoever reserves a condemned block spares it, so sessions that began later need no looking after. It fails closed: a record, a page
 * or a node that does not answer ends it, and then nothing more is condemned or deleted. It can be cut off anywhere; the next cycle begins anew.
 */

import type { NodePruning } from "@permafrost/blocks";
import { EMPTY_STATS, type PruneReport, type SessionRecord } from "@permafrost/model";
import { CodedError, isoTime, mapPool } from "@permafrost/std";
import { condemnUnused, emptyFindings, type Findings, inspectNode, sweepNode } from "./prune-node.ts";
import { markSessions } from "./prune-roots.ts";
import { type Generation, PruneRecord, type PruneState } from "./prune-state.ts";
import { cancelledOrThrow, endSession, enterPhase, type RunContext } from "./run-context.ts";
import type { PruneSpec } from "./session-spec.ts";
import type { SessionStore } from "./session-store.ts";
import { toFailure } from "./task-entry.ts";

/** Ids that one cycle condemns at most, of all nodes: 64 MiB. The rest is for the next. */
const CONDEMNED_MAX = 2_000_000;
const NODES_AT_ONCE = 4;
/** With no grace to wait for, what the first cycle condemned is deleted by a second in the same session. */
const CYCLES_WITHOUT_GRACE = 2;

const NOTHING: PruneReport = {
  storedBlocks: 0,
  storedBytes: 0,
  unusedBlocks: 0,
  unusedBytes: 0,
  condemnedBlocks: 0,
  condemnedBytes: 0,
  deletedBlocks: 0,
  deletedBytes: 0,
  freedBytes: 0,
  sparedBlocks: 0,
};

export async function runPrune(context: RunContext, spec: PruneSpec, nodesOf: () => Promise<NodePruning[]>): Promise<void> {
  try {
    let report = NOTHING;
    const cycles = spec.graceMs === 0 && !spec.dryRun ? CYCLES_WITHOUT_GRACE : 1;
    for (let n = 0; n < cycles; n++) {
      const cycle = await runCycle(context, spec, await nodesOf());
      report = n === 0 ? cycle : after(report, cycle);
      context.view.update({ prune: report });
      if (report.condemnedBlocks === 0) break;
    }
    for (const { type, id } of context.view.resources())
      context.view.patchResource({ type, id }, { state: "succeeded", endedAt: isoTime(context.clock.now()) });
    await endSession(context, "succeeded", { prune: report });
  } catch (error) {
    await endSession(context, cancelledOrThrow(context, error) ? "cancelled" : "failed", { failure: toFailure(error) });
  }
}

/** What the first cycle found and the second then did. */
function after(first: PruneReport, second: PruneReport): PruneReport {
  const { storedBlocks, storedBytes, unusedBlocks, unusedBytes } = first;
  // In packs that are nearly all in use, or because sessions run.
  const leftBlocks = Math.max(0, first.condemnedBlocks - second.deletedBlocks);
  return {
    ...second,
    ...{ storedBlocks, storedBytes, unusedBlocks, unusedBytes },
    condemnedBlocks: second.condemnedBlocks + leftBlocks,
    condemnedBytes: second.condemnedBytes + Math.max(0, first.condemnedBytes - second.deletedBytes),
    deletedBlocks: first.deletedBlocks + second.deletedBlocks,
    deletedBytes: first.deletedBytes + second.deletedBytes,
    freedBytes: first.freedBytes + second.freedBytes,
    sparedBlocks: first.sparedBlocks + second.sparedBlocks,
    ...(leftBlocks > 0 && first.deletedAfter !== undefined ? { deletedAfter: first.deletedAfter } : {}),
  };
}

async function runCycle(context: RunContext, spec: PruneSpec, nodes: readonly NodePruning[]): Promise<PruneReport> {
  const { repository, signal, store, view } = context;
  const scope = { repositoryId: repository.id, sessionId: spec.sessionId, taskId: "prune", fence: 0n };
  const record = new PruneRecord(repository.records(scope));
  let state = await record.read();
  if (!spec.dryRun) {
    state = { ...state, cycle: state.cycle + 1 };
    await record.write(state);
    for (const node of nodes) await node.begin(repository.id, state.cycle);
  }

  await enterPhase(context, "mark");
  const sessions = await store.list();
  const marks = await markSessions(sessions, { repository, store, signal });
  const running = runningBut(spec, sessions);

  const findings = new Map<NodePruning, Findings>();
  const idsMax = Math.floor(CONDEMNED_MAX / Math.max(1, nodes.length));
  await mapPool(nodes, NODES_AT_ONCE, async (node) => {
    const found = await inspectNode(node, {
      repositoryId: repository.id,
      cycle: state.cycle,
      marks,
      idsMax,
      signal,
      dryRun: spec.dryRun,
    });
    findings.set(node, found);
    view.setResource(
      {
        type: "storage.node",
        id: node.nodeId,
        name: node.nodeId,
        state: "running",
        streams: {},
        stats: EMPTY_STATS,
        warnings: [],
      },
      { total: found.storedBytes },
    );
  });
  const found = [...findings.values()].reduce(sumOf, emptyFindings());
  const report: PruneReport = { ...NOTHING, ...counted(found) };
  state = { ...state, generations: withUnknown(state, found, running, context.clock.now()) };
  const ripe = ripeCycle(state, running, context.clock.now() - spec.graceMs);
  checkBrake(found, spec.unusedPercentMax);
  if (spec.dryRun) return planned(report, found, ripe, spec, context.clock.now());

  await enterPhase(context, "sweep", { prune: report });
  let [deletedBlocks, deletedBytes, freedBytes, leftBlocks] = [0, 0, 0, 0];
  if (ripe > 0) {
    for (const node of nodes) {
      for await (const swept of sweepNode(node, repository.id, state.cycle, ripe, signal)) {
        deletedBlocks += swept.deletedBlocks;
        deletedBytes += swept.deletedBytes;
        freedBytes += swept.freedBytes;
        leftBlocks += swept.leftBlocks;
        view.update({ prune: { ...report, deletedBlocks, deletedBytes, freedBytes } });
      }
    }
    if (leftBlocks === 0) state = { ...state, generations: state.generations.filter(({ cycle }) => cycle > ripe) };
  }

  await enterPhase(context, "condemn", { prune: { ...report, deletedBlocks, deletedBytes, freedBytes } });
  let condemnedBlocks = 0;
  for (const [node, { unused }] of findings) {
    signal.throwIfAborted();
    condemnedBlocks += await condemnUnused(node, repository.id, state.cycle, unused);
  }
  const condemnedAt = isoTime(context.clock.now());
  if (condemnedBlocks > 0) {
    const generation = { cycle: state.cycle, condemnedAt, running: runningBut(spec, await store.list()) };
    state = { ...state, generations: [...state.generations, generation] };
  }
  await record.write(state);
  const deletedAfter = condemnedBlocks > 0 ? { deletedAfter: isoTime(Date.parse(condemnedAt) + spec.graceMs) } : {};
  return {
    ...report,
    condemnedBlocks,
    condemnedBytes: found.rememberedBytes,
    deletedBlocks,
    deletedBytes,
    freedBytes,
    ...deletedAfter,
  };
}

function runningBut({ sessionId }: PruneSpec, sessions: readonly SessionRecord[]): string[] {
  return sessions.filter(({ id, state }) => state === "running" && id !== sessionId).map(({ id }) => id);
}

/** With cycles of which nodes have condemned blocks and nobody wrote down when: as if they had been condemned now. */
function withUnknown(state: PruneState, { cycles }: Findings, running: readonly string[], nowMs: number): Generation[] {
  const known = new Set(state.generations.map(({ cycle }) => cycle));
  const unknown = [...cycles]
    .filter((cycle) => !known.has(cycle))
    .map((cycle) => ({ cycle, condemnedAt: isoTime(nowMs), running }));
  return [...state.generations, ...unknown].sort((a, b) => a.cycle - b.cycle);
}

/** The last cycle up to which all that was condemned may go; 0: none. */
function ripeCycle({ generations, cycle: now }: PruneState, running: readonly string[], condemnedBeforeMs: number): number {
  let ripe = 0;
  for (const { cycle, condemnedAt, running: then } of generations) {
    const isOld = Date.parse(condemnedAt) <= condemnedBeforeMs;
    if (cycle >= now || !isOld || then.some((id) => running.includes(id))) break;
    ripe = cycle;
  }
  return ripe;
}

/** PRUNE_TOO_MUCH */
function checkBrake({ storedBytes, newlyUnusedBytes }: Findings, percentMax: number): void {
  const percent = storedBytes === 0 ? 0 : (100 * newlyUnusedBytes) / storedBytes;
  if (percent <= percentMax) return;
  throw new CodedError("PRUNE_TOO_MUCH", `${Math.round(percent)} % of all that is stored would be condemned at once`, {
    facts: { percent: Math.round(percent), percentMax },
    hint: `If so much was forgotten, or a first backup is running, say --max-unused ${Math.ceil(percent)}. Nothing was condemned.`,
  });
}

function planned(report: PruneReport, found: Findings, ripe: number, { graceMs }: PruneSpec, nowMs: number): PruneReport {
  const deletedBlocks = [...found.condemned].reduce((sum, [cycle, { blocks }]) => (cycle <= ripe ? sum + blocks : sum), 0);
  const deletedBytes = [...found.condemned].reduce((sum, [cycle, { bytes }]) => (cycle <= ripe ? sum + bytes : sum), 0);
  return {
    ...report,
    ...{ deletedBlocks, deletedBytes, freedBytes: deletedBytes },
    condemnedBlocks: found.newlyUnusedBlocks,
    condemnedBytes: found.newlyUnusedBytes,
    ...(found.newlyUnusedBlocks > 0 ? { deletedAfter: isoTime(nowMs + graceMs) } : {}),
  };
}

function counted(found: Findings): Partial<PruneReport> {
  const { storedBlocks, storedBytes, unusedBlocks, unusedBytes, sparedBlocks } = found;
  return { storedBlocks, storedBytes, unusedBlocks, unusedBytes, sparedBlocks };
}

function sumOf(a: Findings, b: Findings): Findings {
  const condemned = new Map(a.condemned);
  for (const [cycle, { blocks, bytes }] of b.condemned) {
    const known = condemned.get(cycle) ?? { blocks: 0, bytes: 0 };
    condemned.set(cycle, { blocks: known.blocks + blocks, bytes: known.bytes + bytes });
  }
  return {
    storedBlocks: a.storedBlocks + b.storedBlocks,
    storedBytes: a.storedBytes + b.storedBytes,
    unusedBlocks: a.unusedBlocks + b.unusedBlocks,
    unusedBytes: a.unusedBytes + b.unusedBytes,
    newlyUnusedBlocks: a.newlyUnusedBlocks + b.newlyUnusedBlocks,
    newlyUnusedBytes: a.newlyUnusedBytes + b.newlyUnusedBytes,
    sparedBlocks: a.sparedBlocks + b.sparedBlocks,
    cycles: new Set([...a.cycles, ...b.cycles]),
    condemned,
    unused: Buffer.alloc(0),
    rememberedBytes: a.rememberedBytes + b.rememberedBytes,
  };
}

/** PRUNE_RUNNING */
export async function checkNoPruneRuns(store: SessionStore): Promise<void> {
  const other = (await store.list()).find(({ kind, state }) => kind === "prune" && state === "running");
  if (other === undefined) return;
  throw new CodedError("PRUNE_RUNNING", `Session ${other.id} is pruning this repository`, {
    facts: { session: other.id },
    hint: "Wait for it, or cancel it.",
    retry: "later",
  });
}
