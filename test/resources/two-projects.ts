/** Two projects of a fake cloud and a repository, with the tasks that go between them run in this process, as tests of resource types need. */

import { memoryBlockStore } from "@permafrost/blocks";
import {
  type DiscoveredResource,
  type DiscoverResult,
  EMPTY_STATS,
  type FreezeResult,
  type PlanResult,
  type ResourceResult,
  type RestoreOptions,
  type Task,
  type VerifyLevel,
} from "@permafrost/model";
import { type Cloud, loadCloud, openCloud } from "@permafrost/openstack";
import { runTask } from "@permafrost/protection";
import { initRepository, type ListingEntry, type Repository, readListing } from "@permafrost/repository";
import { CodedError, type Json, systemRandom } from "@permafrost/std";
import { type FakeCloud, type FakeCloudOptions, startFakeCloud } from "../fakes/openstack/index.ts";
import { quickClock } from "../faults/mortal-worker.ts";

type Work = { readonly kind: Task["kind"] } & Readonly<Record<string, unknown>>;
type Options = Partial<Omit<RestoreOptions, "target">>;

export interface Backup {
  readonly found: readonly DiscoveredResource[];
  /** By name. */
  readonly results: ReadonlyMap<string, ResourceResult>;
}

export class TwoProjects {
  readonly fake: FakeCloud;
  readonly sourceId: string;
  readonly targetId: string;
  readonly repository: Repository;
  readonly #clouds: ReadonlyMap<string, Cloud>;
  #sessions = 0;
  #tasks = 0;

  private constructor(
    fake: FakeCloud,
    ids: { readonly sourceId: string; readonly targetId: string },
    repository: Repository,
    clouds: ReadonlyMap<string, Cloud>,
  ) {
    this.fake = fake;
    this.sourceId = ids.sourceId;
    this.targetId = ids.targetId;
    this.repository = repository;
    this.#clouds = clouds;
  }

  /** `more`: further roles of both projects' users, such as `admin`; `targetMore`: those of the target's user, if others. */
  static async start(
    options: FakeCloudOptions = {},
    more: readonly string[] = [],
    targetMore: readonly string[] = more,
  ): Promise<TwoProjects> {
    const fake = await startFakeCloud({ bytesPerGib: 256 * 1024, ...options });
    const tenant = (name: string, further: readonly string[]) =>
      fake.seed.tenant(name, { roles: ["member", "swiftoperator", "creator", ...further] });
    const [source, target] = [tenant("source", more), tenant("target", targetMore)];
    const entry = (name: string) => ({ cloudName: name, userName: `${name}-user`, password: `${name}-pw`, projectName: name });
    const yaml = fake.cloudsYaml(entry("source"), entry("target"));
    const clouds = new Map<string, Cloud>();
    for (const name of ["source", "target"]) {
      const config = await loadCloud(name, {
        env: { OS_CLIENT_CONFIG_FILE: "/clouds.yaml" },
        readFile: async (path) => (path === "/clouds.yaml" ? yaml : undefined),
      });
      clouds.set(name, await openCloud(config, { clock: quickClock, random: systemRandom }));
    }
    const secret = { kind: "key", value: Buffer.alloc(32, 3).toString("base64") } as const;
    const { repository } = await initRepository(memoryBlockStore(), { name: "acme", secret });
    return new TwoProjects(fake, { sourceId: source.project.id, targetId: target.project.id }, repository, clouds);
  }

  async close(): Promise<void> {
    for (const cloud of this.#clouds.values()) await cloud.close();
    await this.fake.close();
  }

  cloud(name: "source" | "target"): Cloud {
    const cloud = this.#clouds.get(name);
    if (cloud === undefined) throw new Error(`no cloud ${name}`);
    return cloud;
  }

  session(): string {
    return `s${++this.#sessions}`;
  }

  async run<R>(sessionId: string, work: Work): Promise<R> {
    const { repository } = this;
    const scope = { repositoryId: repository.id, sessionId, taskId: `t${++this.#tasks}`, fence: 1n };
    const writer = repository.writer(scope);
    const result = await runTask({ ...work, id: scope.taskId, sessionId, repositoryId: repository.id } as unknown as Task, {
      repository,
      writer,
      scope,
      signal: new AbortController().signal,
      progress: () => undefined,
      clock: quickClock,
      openCloud: async ({ cloud }) => {
        const open = this.#clouds.get(cloud);
        if (open === undefined) throw new CodedError("CLOUD_UNKNOWN", cloud);
        return open;
      },
    });
    return result as R;
  }

  /** All of `source`, or what `include` selects; one session. */
  async backup(include: readonly string[] = [], parent?: Backup): Promise<Backup> {
    const sessionId = this.session();
    const source = { cloud: "source" };
    const selection = { include, exclude: [] };
    const { resources } = await this.run<DiscoverResult>(sessionId, { kind: "discover", source, selection });
    const freezing = resources.filter((r) => r.freezes);
    const { frozen } = await this.run<FreezeResult>(sessionId, { kind: "freeze", source, resources: freezing });
    const results = new Map<string, ResourceResult>();
    for (const resource of resources) {
      const point = frozen.find((f) => f.id === resource.id);
      const before = parent?.results.get(resource.name);
      const { name, type, id, document } = resource;
      const result = resource.captures
        ? await this.run<ResourceResult>(sessionId, {
            kind: "capture",
            source,
            resource,
            ...(point === undefined ? {} : { frozen: point }),
            ...(before === undefined ? {} : { parent: before }),
          })
        : { type, id, name, state: "succeeded" as const, document, streams: {}, stats: EMPTY_STATS, warnings: resource.warnings };
      results.set(name, result);
    }
    await this.run(sessionId, { kind: "sweep", source });
    return { found: resources, results };
  }

  async plan(resources: readonly ResourceResult[], options: Options = {}): Promise<PlanResult["resources"]> {
    return (await this.wholePlan(resources, options)).resources;
  }

  /** With what the plan takes from the target and why it is likely to fail. */
  async wholePlan(resources: readonly ResourceResult[], options: Options = {}): Promise<PlanResult> {
    return await this.run<PlanResult>(this.session(), { kind: "plan", options: targetOptions(options), resources, others: [] });
  }

  /** Plans and applies; the planned action decides, as in a session. */
  async restore(resource: ResourceResult, options: Options = {}): Promise<ResourceResult> {
    const [planned] = await this.plan([resource], options);
    return await this.apply(
      {
        ...resource,
        ...(planned?.action === undefined ? {} : { action: planned.action }),
        ...(planned?.targetId === undefined ? {} : { targetId: planned.targetId }),
      },
      options,
    );
  }

  async apply(
    resource: ResourceResult,
    options: Options = {},
    sessionId = this.session(),
    targets: Readonly<Record<string, string>> = {},
  ): Promise<ResourceResult> {
    const restored = await this.run<ResourceResult>(sessionId, {
      kind: "apply",
      step: "create",
      journalId: sessionId,
      options: targetOptions(options),
      resource,
      targets,
    });
    await this.run(sessionId, { kind: "sweep", source: { cloud: "target" } });
    return restored;
  }

  async verify(restored: ResourceResult, level: VerifyLevel = "data", options: Options = {}): Promise<ResourceResult> {
    const sessionId = this.session();
    const work = { kind: "verify" as const, options: targetOptions(options), resource: restored, targets: {}, level };
    const verified = await this.run<ResourceResult>(sessionId, work);
    await this.run(sessionId, { kind: "sweep", source: { cloud: "target" } });
    return verified;
  }

  /** Takes back what the restore of that session made of it. */
  async undo(resource: ResourceResult, journalId: string): Promise<ResourceResult> {
    const sessionId = this.session();
    return await this.run<ResourceResult>(sessionId, { kind: "undo", target: { cloud: "target" }, journalId, resource });
  }

  async document(resource: Pick<ResourceResult, "document"> | undefined): Promise<Json> {
    if (resource?.document === undefined) throw new Error("no document");
    return await this.repository.reader().readDocument(resource.document);
  }

  async listing<E extends ListingEntry>(resource: ResourceResult | undefined): Promise<E[]> {
    if (resource?.streams.listing === undefined) throw new Error("no listing");
    return await Array.fromAsync(readListing<E>(this.repository.reader(), resource.streams.listing));
  }
}

function targetOptions(options: Options): RestoreOptions {
  return { maps: {}, onConflict: "create", ...options, target: { cloud: "target" } };
}

/** The resource of this name, which must be there. */
export function named(backup: Backup, name: string): ResourceResult {
  const result = backup.results.get(name);
  if (result === undefined) throw new Error(`no ${name}`);
  return result;
}
