/**
 * Whole restores between projects of a fake cloud, task by task as the control plane orders them: backup, plan, apply with its finish steps,
 * verification, undo. Every task is done by a worker of its own, which may be made to die at any call of a restore to the cloud; the next
 * worker does the task again.
 */

import { type BlockStore, memoryBlockStore } from "@permafrost/blocks";
import { ATTEMPTS_MAX } from "@permafrost/control";
import {
  type DiscoveredResource,
  type DiscoverResult,
  EMPTY_STATS,
  type FreezeResult,
  type PlannedResource,
  type PlanResult,
  type ResourceResult,
  type RestoreOptions,
  resourceKeyText,
  type Task,
} from "@permafrost/model";
import { type Cloud, loadCloud, openCloud } from "@permafrost/openstack";
import { initRepository, type Repository } from "@permafrost/repository";
import { CodedError, systemRandom } from "@permafrost/std";
import { type CloudEntry, type FakeCloud, type FakeCloudOptions, startFakeCloud } from "../fakes/openstack/index.ts";
import { attempt, type Death, type Place, quickClock } from "../faults/mortal-worker.ts";

type Work = { readonly kind: Task["kind"] } & Readonly<Record<string, unknown>>;
type Options = Partial<Omit<RestoreOptions, "target">>;

/** The worker dies at this call of all that a restore makes to the cloud, from 0. */
export interface RestoreFate {
  readonly call: number;
  readonly death: Death;
}

export interface RestoredGroup {
  readonly target: string;
  readonly sessionId: string;
  readonly options: RestoreOptions;
  readonly plan: PlanResult;
  /** In the order in which they were made. */
  readonly made: readonly PlannedResource[];
  readonly targets: Readonly<Record<string, string>>;
  /** `type name` of what is a conflict or waits for one. */
  readonly left: readonly string[];
  /** `type name: warning`. */
  readonly warnings: readonly string[];
  /** Calls to the cloud, such as `POST network`, of all tasks that a fate can hit. */
  readonly calls: readonly string[];
}

const SECRET = { kind: "key", value: Buffer.alloc(32, 3).toString("base64") } as const;
const ROLES = ["member", "swiftoperator", "creator"];

export class WholeRestores {
  readonly fake: FakeCloud;
  readonly repository: Repository;
  readonly #store: BlockStore;
  readonly #entries: CloudEntry[] = [];
  readonly #clouds = new Map<string, Cloud>();
  #sessions = 0;
  #tasks = 0;

  private constructor(fake: FakeCloud, repository: Repository, store: BlockStore) {
    this.fake = fake;
    this.repository = repository;
    this.#store = store;
  }

  static async start(options: FakeCloudOptions = {}): Promise<WholeRestores> {
    const fake = await startFakeCloud({ bytesPerGib: 256 * 1024, ...options });
    const store = memoryBlockStore();
    const { repository } = await initRepository(store, { name: "acme", secret: SECRET });
    return new WholeRestores(fake, repository, store);
  }

  async close(): Promise<void> {
    for (const cloud of this.#clouds.values()) await cloud.close();
    await this.fake.close();
  }

  /** A new empty project and the way into it, which has its name; returns its id. */
  project(name: string, roles: readonly string[] = ROLES): string {
    const made = this.fake.seed.tenant(name, { roles });
    this.#entries.push({ cloudName: name, userName: made.user.name, password: `${name}-pw`, projectName: name });
    return made.project.id;
  }

  /** A connection of the test's own. */
  async cloud(name: string): Promise<Cloud> {
    const known = this.#clouds.get(name);
    if (known !== undefined) return known;
    const yaml = this.fake.cloudsYaml(...this.#entries);
    const config = await loadCloud(name, {
      env: { OS_CLIENT_CONFIG_FILE: "/clouds.yaml" },
      readFile: async (path) => (path === "/clouds.yaml" ? yaml : undefined),
    });
    const cloud = await openCloud(config, { clock: quickClock, random: systemRandom });
    this.#clouds.set(name, cloud);
    return cloud;
  }

  /** The metadata of what the project has of these types. */
  async backup(project: string, include: readonly string[]): Promise<ResourceResult[]> {
    const { resources, ...found } = await this.discover(project, include);
    const unlisted = found.unlisted.filter(({ type }) => include.includes(type));
    if (unlisted.length > 0) throw new Error(`not listed: ${JSON.stringify(unlisted)}`);
    return resources.map(withoutData);
  }

  /** With the bytes of those that have some. */
  async backupWithData(project: string, include: readonly string[]): Promise<ResourceResult[]> {
    const [sessionId, source] = [this.#session(), { cloud: project }];
    const { resources } = await this.discover(project, include);
    const freezing = resources.filter(({ freezes }) => freezes);
    const { frozen } = await this.#work<FreezeResult>(sessionId, { kind: "freeze", source, resources: freezing });
    const results: ResourceResult[] = [];
    for (const resource of resources) {
      const point = frozen.find(({ type, id }) => type === resource.type && id === resource.id);
      const work: Work = { kind: "capture", source, resource, ...(point === undefined ? {} : { frozen: point }) };
      results.push(resource.captures ? await this.#work<ResourceResult>(sessionId, work) : withoutData(resource));
    }
    await this.#sweep(sessionId, project);
    return results;
  }

  async discover(project: string, include: readonly string[]): Promise<DiscoverResult> {
    const selection = { include, exclude: [] };
    return await this.#work<DiscoverResult>(this.#session(), { kind: "discover", source: { cloud: project }, selection });
  }

  async plan(target: string, resources: readonly ResourceResult[], options: Options = {}): Promise<PlanResult> {
    return await this.#work(this.#session(), { kind: "plan", options: optionsFor(target, options), resources, others: [] });
  }

  /** Plans and applies what is no conflict; throws if a task fails. What it leaves half made is swept away. */
  async restore(
    target: string,
    resources: readonly ResourceResult[],
    options: Options = {},
    fate?: RestoreFate,
  ): Promise<RestoredGroup> {
    return await this.apply(target, await this.plan(target, resources, options), options, fate);
  }

  async apply(target: string, plan: PlanResult, given: Options = {}, fate?: RestoreFate): Promise<RestoredGroup> {
    const options = optionsFor(target, given);
    const sessionId = this.#session();
    const targets: Record<string, string> = {};
    const [calls, warnings]: [string[], string[]] = [[], []];
    for (const { kind, id, targetId } of plan.references) if (targetId !== undefined) targets[`${kind}/${id}`] = targetId;
    const work = async (todo: Work, of: PlannedResource): Promise<PlannedResource> => {
      const done = await this.#survive<ResourceResult>(sessionId, todo, calls, fate);
      for (const warning of done.warnings ?? []) warnings.push(`${of.type} ${of.name}: ${warning}`);
      return { ...of, ...done };
    };
    const planned = new Set(plan.resources.map(resourceKeyText));
    const [made, finished] = [new Map<string, PlannedResource>(), new Set<string>()];
    for (const skipped of plan.resources)
      if (skipped.action === "skip" && skipped.targetId !== undefined) targets[resourceKeyText(skipped)] = skipped.targetId;
    const isThere = (needed: string) => {
      const [key = "", step] = needed.split("#");
      return !planned.has(key) || key in targets ? step !== "finished" || !planned.has(key) || finished.has(key) : false;
    };
    const notMade = new Set(plan.resources.filter((r) => /skip|conflict/.test(r.action ?? "")).map(resourceKeyText));
    const isEnded = (key: string) => finished.has(key) || notMade.has(key);
    const isDecided = (awaited: string) => made.has(awaited) || notMade.has(awaited) || !planned.has(awaited);
    for (let before = -1; before !== made.size + finished.size; ) {
      before = made.size + finished.size;
      for (const resource of plan.resources) {
        const key = resourceKeyText(resource);
        if (resource.action === "conflict" || resource.action === "skip") continue;
        if (!made.has(key) && resource.dependsOn.every(isThere)) {
          const done = await work({ kind: "apply", options, resource, targets: { ...targets } }, resource);
          if (done.targetId !== undefined) targets[key] = done.targetId;
          made.set(key, done);
          if (resource.finishAfter === undefined) finished.add(key);
        }
        const target = made.get(key);
        const isReady = (resource.finishAfter ?? []).every(isThere) && (resource.finishWaitsFor ?? []).every(isDecided);
        const isInTheWay = (other: PlannedResource) => other.around !== true && !isEnded(resourceKeyText(other));
        if (target === undefined || finished.has(key) || !isReady) continue;
        if (resource.around === true && plan.resources.some(isInTheWay)) continue;
        await work({ kind: "apply", step: "finish", options, resource: target, targets: { ...targets } }, resource);
        finished.add(key);
      }
    }
    await this.#sweep(sessionId, target);
    const left = plan.resources.filter((r) => r.action !== "skip" && !finished.has(resourceKeyText(r)));
    return {
      ...{ target, sessionId, options, plan, made: [...made.values()], targets, warnings, calls },
      left: left.map((r) => `${r.type} ${r.name}`),
    };
  }

  /** `type name: mismatch`. */
  async verify({ made, options, targets }: RestoredGroup): Promise<string[]> {
    const mismatches: string[] = [];
    for (const resource of made) {
      const work: Work = { kind: "verify", options, resource, targets, level: "metadata" };
      const verified = await this.#work<ResourceResult>(this.#session(), work);
      for (const mismatch of verified.mismatches ?? []) mismatches.push(`${resource.type} ${resource.name}: ${mismatch}`);
    }
    return mismatches;
  }

  /** Takes the restore back, the last made first. */
  async undo({ made, target, sessionId }: RestoredGroup): Promise<void> {
    for (const resource of [...made].reverse()) {
      const work: Work = { kind: "undo", target: { cloud: target }, restoreId: sessionId, journalId: sessionId, resource };
      await this.#work(sessionId, work);
    }
    await this.#sweep(sessionId, target);
  }

  #session(): string {
    return `s${++this.#sessions}`;
  }

  async #sweep(sessionId: string, target: string): Promise<void> {
    const { left } = await this.#work<{ left: readonly unknown[] }>(sessionId, { kind: "sweep", source: { cloud: target } });
    if (left.length > 0) throw new Error(`left by the sweep: ${JSON.stringify(left)}`);
  }

  get #place(): Place {
    const { fake, repository } = this;
    const cloudsYaml = () => fake.cloudsYaml(...this.#entries);
    return { fake, cloudsYaml, store: this.#store, repositoryId: repository.id, secret: SECRET };
  }

  #task(sessionId: string, work: Work): Task {
    return { ...work, id: `t${++this.#tasks}`, sessionId, repositoryId: this.repository.id } as unknown as Task;
  }

  async #work<R>(sessionId: string, work: Work): Promise<R> {
    return await this.#survive<R>(sessionId, work, [], undefined);
  }

  /** As the control plane runs a task: again after a death, and after a failure that may pass. */
  async #survive<R>(sessionId: string, work: Work, calls: string[], fate: RestoreFate | undefined): Promise<R> {
    const task = this.#task(sessionId, work);
    const [go, applied] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const mark = this.fake.journal.mark();
    const [before, late] = [calls.length, { until: go.promise, applied: applied.resolve }];
    // A fate is of this task only if its call comes in it; else the task is done and the fate waits for the next.
    const own = fate === undefined || fate.call < before ? undefined : { call: fate.call - before, death: fate.death, late };
    let ended = await attempt(this.#place, task, 1n, own);
    for (const entry of this.fake.journal.entries(mark)) calls.push(`${entry.method} ${entry.service}`);
    const isDead = ended.kind === "died";
    // The dead worker's calls are counted, those of the next are not: the fate is over.
    if (isDead && fate !== undefined) while (calls.length <= fate.call) calls.push("none");
    for (let fence = 2n; fence <= ATTEMPTS_MAX && ended.kind !== "done"; fence++) {
      if (ended.kind === "failed" && CodedError.from(ended.error).retry === "never") break;
      ended = await attempt(this.#place, task, fence, undefined, (number) => number === 3 && go.resolve());
    }
    go.resolve();
    if (isDead && fate?.death === "late") await applied.promise;
    if (ended.kind === "done") return ended.result as R;
    throw ended.kind === "failed" ? ended.error : new Error(`${work.kind}: ${ended.kind}`);
  }
}

function withoutData({ type, id, name, document, warnings }: DiscoveredResource): ResourceResult {
  return { type, id, name, document, warnings, state: "succeeded", streams: {}, stats: EMPTY_STATS };
}

function optionsFor(target: string, options: Options): RestoreOptions {
  return { maps: {}, onConflict: "create", ...options, target: { cloud: target } };
}

/** Every call of a restore, and every death a worker can die at it; `late` where the call changes something. */
export function fatesOf({ calls }: RestoredGroup): RestoreFate[] {
  return calls.flatMap((call, at) => {
    const deaths: Death[] = ["before", "lost", "after"];
    if (/^(POST|PATCH|DELETE)/.test(call) && !call.endsWith("identity")) deaths.push("late");
    return deaths.map((death) => ({ call: at, death }));
  });
}
