/**
 * A project backed up, planned, applied step by step along the plan's graph, verified and taken back, into a second project of a fake cloud:
 * what the tests of resource types have in common when one resource needs another. Each task is a `Run`, so a test may let its worker die.
 *
 *     const projects = await TwoProjects.start();
 *     const points = await restorePoint(projects, ["neutron.network", "neutron.subnet"]);
 *     const plan = await planned(projects, points);
 *     const restored = await applied(projects, plan);
 *     expect(await mismatches(projects, restored)).toEqual([]);
 *     await undone(projects, restored);
 */

import { stepsOf, undoOrder } from "@permafrost/control";
import {
  type DiscoverResult,
  EMPTY_STATS,
  type FreezeResult,
  type PlannedResource,
  type PlanResult,
  type ResourceResult,
  type RestoreOptions,
  resourceKeyText,
} from "@permafrost/model";
import type { TwoProjects } from "./two-projects.ts";

export type Options = Partial<Omit<RestoreOptions, "target">>;
type Work = Parameters<TwoProjects["run"]>[1];
/** Runs a task; `TwoProjects.run` unless a test wants its worker dead. */
export type Run = <R>(sessionId: string, work: Work) => Promise<R>;

export interface Restored {
  readonly journalId: string;
  readonly options: RestoreOptions;
  /** With their target ids, in the order in which they were made. */
  readonly made: readonly PlannedResource[];
  /** `type/source id` to target id, of what was made and of what was found. */
  readonly targets: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
}

/** Everything of the source project, or what `include` selects, as a restore point has it. */
export async function restorePoint(projects: TwoProjects, include: readonly string[] = []): Promise<ResourceResult[]> {
  const [sessionId, source] = [projects.session(), { cloud: "source" }];
  const selection = { include, exclude: [] };
  const { resources, unlisted } = await projects.run<DiscoverResult>(sessionId, { kind: "discover", source, selection });
  if (unlisted.length > 0) throw new Error(`not listed: ${JSON.stringify(unlisted)}`);
  const { frozen } = await projects.run<FreezeResult>(sessionId, {
    kind: "freeze",
    source,
    resources: resources.filter((r) => r.freezes),
  });
  const results: ResourceResult[] = [];
  for (const resource of resources) {
    const { type, id, name, document, warnings } = resource;
    const point = frozen.find((f) => f.type === type && f.id === id);
    const work: Work = { kind: "capture", source, resource, ...(point === undefined ? {} : { frozen: point }) };
    results.push(
      resource.captures
        ? await projects.run<ResourceResult>(sessionId, work)
        : { type, id, name, state: "succeeded", document, streams: {}, stats: EMPTY_STATS, warnings },
    );
  }
  await projects.run(sessionId, { kind: "sweep", source });
  return results;
}

export async function planned(
  projects: TwoProjects,
  resources: readonly ResourceResult[],
  options: Options = {},
): Promise<PlanResult> {
  const work: Work = { kind: "plan", options: optionsOf(options), resources, others: [] };
  return await projects.run<PlanResult>(projects.session(), work);
}

/** Does all steps of the plan, each after what it needs; one at a time, in the plan's order. Throws if one cannot be done. */
export async function applied(
  projects: TwoProjects,
  plan: PlanResult,
  options: Options = {},
  journalId: string = projects.session(),
  run: Run = (sessionId, work) => projects.run(sessionId, work),
): Promise<Restored> {
  const all = optionsOf(options);
  const targets: Record<string, string> = {};
  for (const { kind, id, targetId } of plan.references) if (targetId !== undefined) targets[`${kind}/${id}`] = targetId;
  const steps = stepsOf(plan.resources);
  const [done, made, warnings] = [new Set<string>(), new Map<string, PlannedResource>(), [] as string[]];
  while (done.size < steps.size) {
    const ready = [...steps.values()].find((s) => !done.has(s.name) && s.after.every((d) => done.has(d) || !steps.has(d)));
    if (ready === undefined) throw new Error(`nothing is ready of ${[...steps.keys()].filter((n) => !done.has(n)).join(", ")}`);
    const key = resourceKeyText(ready.resource);
    const resource = made.get(key) ?? ready.resource;
    const work: Work = { kind: "apply", step: ready.step, journalId, options: all, resource, targets: { ...targets } };
    const result = await run<ResourceResult>(journalId, work);
    warnings.push(...(result.warnings ?? []).map((warning) => `${resource.type} ${resource.name}: ${warning}`));
    if (ready.step === "create") {
      made.set(key, { ...resource, ...(result.targetId === undefined ? {} : { targetId: result.targetId }) });
      if (result.targetId !== undefined) targets[key] = result.targetId;
    }
    done.add(ready.name);
  }
  await projects.run(journalId, { kind: "sweep", source: { cloud: "target" } });
  return { journalId, options: all, made: [...made.values()], targets, warnings };
}

/** What the product itself finds different, as `type name: …`. */
export async function mismatches(projects: TwoProjects, { made, options, targets }: Restored): Promise<string[]> {
  const found: string[] = [];
  for (const resource of made) {
    const work: Work = { kind: "verify", options, resource, targets, level: "metadata" };
    const verified = await projects.run<ResourceResult>(projects.session(), work);
    found.push(...(verified.mismatches ?? []).map((m) => `${resource.type} ${resource.name}: ${m}`));
  }
  return found;
}

/** Takes back everything, what was made after another before it. */
export async function undone(projects: TwoProjects, { made, journalId }: Restored): Promise<void> {
  for (const level of undoOrder(made)) for (const resource of level) await projects.undo(resource, journalId);
}

/** Problems of a plan, one a line: what is not made, and what would be lost. */
export function problemsOf({ resources }: PlanResult): string[] {
  return resources.flatMap((r) => [
    ...(r.action === "conflict" ? [`${r.type} ${r.name}: ${r.actionReason}`] : []),
    ...(r.warnings ?? []).map((warning) => `${r.type} ${r.name}: ${warning}`),
  ]);
}

function optionsOf(options: Options): RestoreOptions {
  return { maps: {}, onConflict: "create", ...options, target: { cloud: "target" } };
}
