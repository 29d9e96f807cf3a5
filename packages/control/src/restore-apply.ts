/**
 * Applying a plan: every step of the restore graph as soon as what comes before it is done. A step whose dependency failed is not
 * tried and says so. A step's task holds the targets that it needs and no others.
 */

import {
  type PlannedResource,
  type ResourceResult,
  resourceKeyText,
  type SavedPlan,
  type SessionId,
  type TaskResults,
  withoutOrder,
} from "@permafrost/model";
import { comesAfter, resourceOfStep, type Step, stepsOf } from "./restore-graph.ts";
import type { RunContext } from "./run-context.ts";
import type { TaskOf, TaskOutcome, TaskRun } from "./task-run.ts";

type Base = { readonly sessionId: SessionId; readonly repositoryId: string };
type Outcome = TaskOutcome<TaskResults["apply"]>;

export async function applyPlan(context: RunContext, base: Base, saved: SavedPlan): Promise<void> {
  const { board, repository, newWriter, view, signal } = context;
  const options = {
    signal,
    onUpdate: (
      task: TaskOf<"apply">,
      entry: { readonly state: string; readonly result?: unknown; readonly bytesDone: number },
    ) => {
      if (entry.result !== undefined || task.step === "finish") return;
      view.patchResource(task.resource, { state: entry.state === "running" ? "running" : "pending", bytesDone: entry.bytesDone });
    },
  };
  await board.feed<"apply", void>(repository, newWriter, base.sessionId, options, async (run) => {
    await new Application(context, base, saved, run).toItsEnd();
  });
}

class Application {
  readonly #context: RunContext;
  readonly #base: Base;
  readonly #saved: SavedPlan;
  readonly #run: TaskRun<"apply">;
  readonly #steps: ReadonlyMap<string, Step>;
  /** By step: its place in the plan, for the task's id, which must be the same after a restart. */
  readonly #numbers: ReadonlyMap<string, number>;
  /** By step, those that come after it. */
  readonly #next = new Map<string, Step[]>();
  /** By step, how many of those before it are not done yet. */
  readonly #waiting = new Map<string, number>();
  readonly #targets = new Map<string, string>();
  readonly #references: readonly [string, string][];
  #running = 0;
  #end = Promise.withResolvers<void>();

  constructor(context: RunContext, base: Base, saved: SavedPlan, run: TaskRun<"apply">) {
    this.#context = context;
    this.#base = base;
    this.#saved = saved;
    this.#run = run;
    this.#steps = stepsOf(saved.plan.resources);
    this.#numbers = new Map([...this.#steps.keys()].map((name, index) => [name, index + 1]));
    this.#references = saved.plan.references.flatMap(({ kind, id, targetId }) =>
      targetId === undefined ? [] : [[`${kind}/${id}`, targetId] as [string, string]],
    );
    for (const r of saved.plan.resources) if (r.targetId !== undefined) this.#targets.set(resourceKeyText(r), r.targetId);
    for (const step of this.#steps.values()) {
      const before = [...new Set(comesAfter(step))].filter((name) => this.#steps.has(name));
      this.#waiting.set(step.name, before.length);
      for (const name of before) this.#next.set(name, [...(this.#next.get(name) ?? []), step]);
    }
  }

  /** Every step has run or cannot. Rejects when the session is cancelled or the coordinator stops. */
  async toItsEnd(): Promise<void> {
    const ready = [...this.#steps.values()].filter((step) => this.#waiting.get(step.name) === 0);
    this.#start(ready);
    if (this.#running === 0) return;
    await this.#end.promise;
  }

  #start(steps: readonly Step[]): void {
    const todo = [...steps];
    const tasks: { readonly step: Step; readonly task: TaskOf<"apply"> }[] = [];
    // What cannot be done frees what comes after it, to be refused in its turn.
    for (const step of todo) {
      const broken = this.#brokenBefore(step);
      if (broken === undefined) tasks.push({ step, task: this.#taskOf(step) });
      else {
        this.#refuse(step, broken);
        todo.push(...this.#freedBy(step));
      }
    }
    this.#running += tasks.length;
    const outcomes = this.#run.addEach(tasks.map(({ task }) => task));
    for (const [index, { step }] of tasks.entries())
      void outcomes[index]?.then((outcome) => this.#done(step, outcome)).catch((error: unknown) => this.#end.reject(error));
  }

  #done(step: Step, outcome: Outcome): void {
    const { view } = this.#context;
    const key = resourceKeyText(step.resource);
    const known = view.resource(key)?.warnings ?? [];
    if (!outcome.ok) view.patchResource(step.resource, { state: "failed", failure: outcome.failure });
    else {
      const { targetId, warnings, ...rest } = outcome.result;
      if (targetId !== undefined) this.#targets.set(key, targetId);
      const isLast = step.step === "finish" || !this.#steps.has(`${key}#finished`);
      view.patchResource(step.resource, {
        ...(step.step === "create" ? resultOf(rest) : {}),
        state: isLast ? "succeeded" : "running",
        warnings: [...new Set([...known, ...warnings])],
        ...(targetId === undefined ? {} : { targetId }),
        ...(rest.endedAt === undefined ? {} : { endedAt: rest.endedAt }),
      });
    }
    this.#start(this.#freedBy(step));
    if (--this.#running === 0) this.#end.resolve();
  }

  /** Those that waited for this step alone. */
  #freedBy(step: Step): Step[] {
    return (this.#next.get(step.name) ?? []).filter((next) => {
      const left = (this.#waiting.get(next.name) ?? 0) - 1;
      this.#waiting.set(next.name, left);
      return left === 0;
    });
  }

  #brokenBefore(step: Step): string | undefined {
    const failed = (name: string) => this.#context.view.resource(resourceOfStep(name))?.state === "failed";
    return failed(step.name) ? step.name : step.after.find(failed);
  }

  #refuse(step: Step, broken: string): void {
    // Its own creation failed, and that says enough.
    if (resourceOfStep(broken) === resourceOfStep(step.name)) return;
    const dependency = resourceOfStep(broken);
    const name = this.#context.view.resource(dependency)?.name ?? dependency;
    this.#context.view.patchResource(step.resource, {
      state: "failed",
      failure: {
        code: "DEPENDENCY_FAILED",
        message: `${dependency} (${name}) was not restored`,
        facts: { dependency },
        hint: "Apply the plan again when that can be restored; what is there already is not made twice.",
      },
    });
  }

  #taskOf(step: Step): TaskOf<"apply"> {
    const { resource } = step;
    const targetId = step.step === "finish" ? this.#targets.get(resourceKeyText(resource)) : resource.targetId;
    const wanted = [resourceKeyText(resource), ...resource.dependsOn, ...(resource.finishAfter ?? [])].map(resourceOfStep);
    const targets = Object.fromEntries([
      ...this.#references,
      ...wanted.flatMap((key) => {
        const target = this.#targets.get(key);
        return target === undefined ? [] : [[key, target] as const];
      }),
    ]);
    return {
      ...this.#base,
      sessionId: this.#base.sessionId,
      repositoryId: this.#base.repositoryId,
      id: `${step.step === "finish" ? "finish" : "apply"}-${this.#numbers.get(step.name)}`,
      kind: "apply",
      step: step.step,
      journalId: this.#saved.journalId,
      options: this.#saved.options,
      resource: { ...asked(resource), ...(targetId === undefined ? {} : { targetId }) },
      targets,
    };
  }
}

/** What a worker is told of a resource: not what only the graph needs. */
function asked(resource: PlannedResource): ResourceResult {
  return { ...withoutOrder(resource), warnings: [] };
}

function resultOf(r: Omit<ResourceResult, "warnings" | "targetId">): Partial<ResourceResult> {
  return {
    stats: r.stats,
    ...(r.oneTimePassword === undefined ? {} : { oneTimePassword: r.oneTimePassword }),
    ...(r.startedAt === undefined ? {} : { startedAt: r.startedAt }),
  };
}

/** Target ids by `type/source id`, of all that a plan uses and of what stands in the results of its restore. */
export function targetsOf(saved: SavedPlan, results: readonly ResourceResult[]): Record<string, string> {
  const targets: Record<string, string> = {};
  for (const { kind, id, targetId } of saved.plan.references) if (targetId !== undefined) targets[`${kind}/${id}`] = targetId;
  for (const r of [...saved.plan.resources, ...results]) if (r.targetId !== undefined) targets[resourceKeyText(r)] = r.targetId;
  return targets;
}
