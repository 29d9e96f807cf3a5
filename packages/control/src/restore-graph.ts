/**
 * A restore plan as a graph of steps: each resource is made (`create`) and, if its plan says so, finished when more is there (`finish`).
 * Pure: which steps are ready, which cannot be done any more, and the way back for an undo.
 */

import { type PlannedResource, resourceKeyText } from "@permafrost/model";
import { CodedError } from "@permafrost/std";

export interface Step {
  /** `type/id`, or `type/id#finished`. */
  readonly name: string;
  readonly resource: PlannedResource;
  readonly step: "create" | "finish";
  /** Names of steps that come before. */
  readonly after: readonly string[];
  /** Names of steps that come before if they come at all: it does not fail with them. */
  readonly waitsFor: readonly string[];
}

const FINISHED = "#finished";

/** The steps of a plan by name. What is skipped or in conflict has none. Throws PLAN_CYCLE. */
export function stepsOf(resources: readonly PlannedResource[]): ReadonlyMap<string, Step> {
  const steps = new Map<string, Step>();
  for (const resource of resources) {
    if (resource.action === "skip" || resource.action === "conflict") continue;
    const key = resourceKeyText(resource);
    steps.set(key, { name: key, resource, step: "create", after: resource.dependsOn, waitsFor: [] });
    if (resource.finishAfter === undefined || resource.action === "reuse") continue;
    const name = key + FINISHED;
    const waitsFor = resource.finishWaitsFor ?? [];
    steps.set(name, { name, resource, step: "finish", after: [key, ...resource.finishAfter], waitsFor });
  }
  const all = new Set(resources.map(resourceKeyText));
  const [around, inside] = partition([...steps.values()], ({ resource }) => resource.around === true);
  for (const step of steps.values())
    steps.set(step.name, {
      ...step,
      after: step.after.flatMap((d) => stepNamed(d, steps, all)),
      waitsFor: [...step.waitsFor.filter((d) => steps.has(d)), ...waitsAround(step, around, inside)],
    });
  checkCycles(steps);
  return steps;
}

/** What is made before all others, and finished after them. */
function waitsAround(step: Step, around: readonly Step[], inside: readonly Step[]): string[] {
  if (step.resource.around !== true) return around.filter((one) => one.step === "create").map((one) => one.name);
  return step.step === "create" ? [] : inside.map((one) => one.name);
}

function partition<T>(all: readonly T[], isFirst: (one: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((one) => !isFirst(one))];
}

/** What is not in the plan is there. What is in it without a step (skipped, in conflict) stays as a name, for its failure to be seen. */
function stepNamed(dependency: string, steps: ReadonlyMap<string, Step>, all: ReadonlySet<string>): string[] {
  if (steps.has(dependency)) return [dependency];
  const made = dependency.endsWith(FINISHED) ? dependency.slice(0, -FINISHED.length) : dependency;
  return all.has(made) ? [made] : [];
}

/** Names of all steps that a step waits for. */
export function comesAfter({ after, waitsFor }: Step): readonly string[] {
  return [...after, ...waitsFor];
}

function checkCycles(steps: ReadonlyMap<string, Step>): void {
  const left = new Map(steps);
  for (;;) {
    const free = [...left.values()].filter((s) => !comesAfter(s).some((d) => left.has(d)));
    if (free.length === 0) break;
    for (const step of free) left.delete(step.name);
  }
  if (left.size === 0) return;
  const some = [...left.keys()].slice(0, 5).join(", ");
  throw new CodedError("PLAN_CYCLE", `Resources depend on each other: ${some}`, {
    facts: { resources: some },
    hint: "Leave one of them out with --exclude, and report this plan.",
  });
}

/** Of a step's resource, for its result: the resource, without the step. */
export function resourceOfStep(name: string): string {
  return name.endsWith(FINISHED) ? name.slice(0, -FINISHED.length) : name;
}

/**
 * Resources in the order in which they can be taken back: each before what it was made after, and before what it was finished with: a
 * security group before the address group that its rules name. Those that were finished with each other go in the order of their making.
 */
export function undoOrder(resources: readonly PlannedResource[]): PlannedResource[][] {
  const [around, inside] = partition(resources, (resource) => resource.around === true);
  return [...undoLevels(inside), ...undoLevels(around)];
}

function undoLevels(resources: readonly PlannedResource[]): PlannedResource[][] {
  const steps = stepsOf(resources.map(withoutFinish));
  const finishing = new Map(
    resources.map((r) => [resourceKeyText(r), [...(r.finishAfter ?? []), ...(r.finishWaitsFor ?? [])].map(resourceOfStep)]),
  );
  const making = usersOf(steps, () => []);
  const using = usersOf(steps, (name) => finishing.get(name) ?? []);
  const left = new Map(steps);
  const free = (users: Users) => [...left.values()].filter((s) => ![...(users.get(s.name) ?? [])].some((u) => left.has(u)));
  const levels: PlannedResource[][] = [];
  while (left.size > 0) {
    const unused = free(using);
    const level = unused.length > 0 ? unused : free(making).filter((s) => usesItself(s.name, using, left));
    for (const step of level) left.delete(step.name);
    levels.push(level.map((s) => s.resource));
  }
  return levels;
}

type Users = ReadonlyMap<string, ReadonlySet<string>>;

/** By step, those that come after it. */
function usersOf(steps: ReadonlyMap<string, Step>, more: (name: string) => readonly string[]): Users {
  const users = new Map<string, Set<string>>();
  for (const step of steps.values())
    for (const d of [...step.after, ...more(step.name)])
      if (d !== step.name) users.set(d, (users.get(d) ?? new Set()).add(step.name));
  return users;
}

function usesItself(name: string, users: Users, left: ReadonlyMap<string, Step>): boolean {
  const seen = new Set<string>();
  const next = [...(users.get(name) ?? [])];
  for (let at = next.pop(); at !== undefined; at = next.pop()) {
    if (at === name) return true;
    if (seen.has(at) || !left.has(at)) continue;
    seen.add(at);
    next.push(...(users.get(at) ?? []));
  }
  return false;
}

function withoutFinish(resource: PlannedResource): PlannedResource {
  const { finishAfter: _, finishWaitsFor: _for, around: _around, ...rest } = resource;
  return rest;
}
