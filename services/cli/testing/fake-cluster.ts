/**
 * A cluster in memory for the CLI's own tests: it answers from lists, plays a scripted session, and writes down what
 * it was asked. What a real cluster decides, a test sets.
 */

import { CodedError } from "@permafrost/std";
import type {
  CallOptions,
  Cluster,
  DownloadResponse,
  GetPlanResponse,
  InputApi,
  OneTimePassword,
  Origin,
  PlanReference,
  Policy,
  PolicyApi,
  Repository,
  RepositoryApi,
  Resource,
  Session,
  SessionApi,
  Stats,
  UploadRequest,
  WatchSessionResponse,
} from "../src/api.ts";

export function stats(fields: Partial<Stats> = {}): Stats {
  return { logicalBytes: 0n, readBytes: 0n, zeroBytes: 0n, newBytes: 0n, storedBytes: 0n, newBlocks: 0n, ...fields };
}

export function session(fields: Partial<Session> = {}): Session {
  return {
    id: "20261123T170000Z-0a1b2c3d",
    kind: "backup",
    state: "succeeded",
    phase: "ended",
    repositoryId: "00112233445566778899aabbccddeeff",
    repository: "production",
    input: "tenant",
    cloud: "mycloud",
    projectId: "p1",
    sourceName: "demo",
    startedAt: new Date("2026-11-23T17:00:00Z"),
    endedAt: new Date("2026-11-23T17:01:12Z"),
    parentId: "",
    resources: 2,
    succeeded: 2,
    failed: 0,
    skipped: 0,
    stats: stats({ logicalBytes: 3_221_225_472n, readBytes: 1_073_741_824n, newBytes: 536_870_912n, storedBytes: 268_435_456n }),
    consistencyWindowMs: 840n,
    bytesTotal: 0n,
    bytesDone: 0n,
    warnings: [],
    dryRun: false,
    groupId: "",
    appliesId: "",
    held: false,
    ...fields,
  };
}

export function resource(fields: Partial<Resource> = {}): Resource {
  return {
    type: "cinder.volume",
    id: "v1",
    name: "data",
    state: "succeeded",
    stats: stats({ logicalBytes: 1_073_741_824n, readBytes: 1_073_741_824n, newBytes: 10_485_760n, storedBytes: 5_242_880n }),
    consistency: "crash",
    sourceHash: "none",
    warnings: [],
    targetId: "",
    action: "",
    actionReason: "",
    verified: "",
    mismatches: [],
    startedAt: new Date("2026-11-23T17:00:01Z"),
    endedAt: new Date("2026-11-23T17:00:31Z"),
    bytesTotal: 0n,
    bytesDone: 0n,
    targetName: "",
    dependsOn: [],
    ...fields,
  };
}

export function reference(fields: Partial<PlanReference> = {}): PlanReference {
  return {
    kind: "neutron.network",
    id: "n1",
    name: "public",
    targetId: "t1",
    targetName: "public",
    how: "same-name",
    ...fields,
  };
}

export function plan(fields: Partial<GetPlanResponse> = {}): GetPlanResponse {
  return { projectId: "p2", projectName: "copy", references: [], problems: [], ...fields };
}

export function repository(fields: Partial<Repository> = {}): Repository {
  return {
    id: "00112233445566778899aabbccddeeff",
    name: "production",
    createdAt: new Date("2026-11-01T08:00:00Z"),
    unlocked: true,
    restorePoints: 3,
    ...fields,
  };
}

export class FakeCluster implements Cluster {
  readonly calls: { readonly method: string; readonly request: unknown }[] = [];
  /** By method: thrown in place of an answer. */
  readonly failures = new Map<string, CodedError>();
  repositoryList: Repository[] = [repository()];
  sessionList: Session[] = [session()];
  resourceList: Resource[] = [resource(), resource({ type: "glance.image", id: "i1", name: "debian", state: "succeeded" })];
  /** What WatchSession says, one call after the other; a function is called and may wait or throw. */
  watches: (WatchSessionResponse | (() => WatchSessionResponse | Promise<WatchSessionResponse>))[][] = [];
  /** What getSession answers after the watch; default: the first session of the list. */
  ended: Session | undefined;
  /** By id: what getSession answers before all else. */
  readonly sessionsById = new Map<string, Session>();
  /** By session: what listResources answers before all else. */
  readonly resourcesById = new Map<string, Resource[]>();
  originList: Origin[] = [];
  plan: GetPlanResponse = plan();
  passwords: OneTimePassword[] = [];
  /** Thrown by the first calls of cancelSession, one each. */
  cancelFailures: CodedError[] = [];
  /** What cancelSession answers. */
  cancelled: Session = session({ state: "running", phase: "clean" });
  /** Bytes and entries of the last upload. */
  uploaded: UploadRequest[] = [];
  downloadSteps: DownloadResponse[] = [];
  closed = false;
  onCancel: () => void = () => {};

  #note(method: string, request: unknown): void {
    this.calls.push({ method, request });
    const failure = this.failures.get(method);
    if (failure !== undefined) throw failure;
  }

  /** The request of the last call of that method. */
  requestOf(method: string): unknown {
    return this.calls.findLast((call) => call.method === method)?.request;
  }

  readonly repositories: RepositoryApi = {
    initRepository: async (request) => {
      this.#note("initRepository", request);
      return { repository: repository({ name: request.name, restorePoints: 0 }), recoveryKey: "AAAA-BBBB-CCCC" };
    },
    listRepositories: async (request) => {
      this.#note("listRepositories", request);
      return { repositories: this.repositoryList };
    },
    unlockRepository: async (request) => {
      this.#note("unlockRepository", request);
      return { repository: repository({ name: request.repository }) };
    },
  };

  policyList: Policy[] = [];

  readonly policies: PolicyApi = {
    putPolicy: async (request) => {
      this.#note("putPolicy", request);
      return { policy: request.policy && { ...request.policy, repository: request.repository } };
    },
    pausePolicy: async (request) => {
      this.#note("pausePolicy", request);
      const found = this.policyList.find(({ name }) => name === request.name);
      return { policy: found && { ...found, paused: request.paused } };
    },
    listPolicies: async (request) => {
      this.#note("listPolicies", request);
      return { policies: this.policyList };
    },
    deletePolicy: async (request) => {
      this.#note("deletePolicy", request);
      return { policy: this.policyList.find(({ name }) => name === request.name) };
    },
  };

  readonly sessions: SessionApi = {
    startBackup: async (request, options) => {
      this.#note("startBackup", request);
      await abortable(options);
      return { sessionId: "20261123T170000Z-0a1b2c3d", uploadAddress: "127.0.0.1:4711" };
    },
    startRestore: async (request) => {
      this.#note("startRestore", request);
      return { sessionId: "20261123T180000Z-11111111" };
    },
    startApply: async (request) => {
      this.#note("startApply", request);
      return { sessionId: "20261123T181000Z-33333333" };
    },
    startVerify: async (request) => {
      this.#note("startVerify", request);
      return { sessionId: "20261123T182000Z-44444444" };
    },
    startUndo: async (request) => {
      this.#note("startUndo", request);
      return { sessionId: "20261123T183000Z-55555555" };
    },
    getPlan: async (request) => {
      this.#note("getPlan", request);
      return this.plan;
    },
    listPasswords: async (request) => {
      this.#note("listPasswords", request);
      return { passwords: this.passwords };
    },
    startCheck: async (request) => {
      this.#note("startCheck", request);
      return { sessionId: "20261123T190000Z-22222222" };
    },
    startPrune: async (request) => {
      this.#note("startPrune", request);
      return { sessionId: "20261123T190000Z-33333333" };
    },
    listOrigins: async (request) => {
      this.#note("listOrigins", request);
      return { origins: this.originList };
    },
    startCopy: async (request) => {
      this.#note("startCopy", request);
      return { sessionId: `copy-of-${request.sessionId}` };
    },
    startRepair: async (request) => {
      this.#note("startRepair", request);
      return { sessionId: "20261123T190000Z-44444444" };
    },
    listSessions: async (request) => {
      this.#note("listSessions", request);
      const at = request.pageToken === "" ? 0 : Number(request.pageToken);
      // Two a page, so that paging is always exercised.
      const next = at + 2 < this.sessionList.length ? String(at + 2) : "";
      return { sessions: this.sessionList.slice(at, at + 2), nextPageToken: next };
    },
    getSession: async (request) => {
      this.#note("getSession", request);
      const found =
        this.sessionsById.get(request.sessionId) ??
        this.ended ??
        this.sessionList.find((one) => one.id.startsWith(request.sessionId)) ??
        this.sessionList[0];
      if (found === undefined) throw new CodedError("SESSION_UNKNOWN", `There is no session ${request.sessionId}`);
      return { session: found };
    },
    listResources: (request) => {
      this.#note("listResources", request);
      return pages(this.resourcesById.get(request.sessionId) ?? this.resourceList);
    },
    watchSession: (request) => {
      this.#note("watchSession", request);
      return play(this.watches.shift() ?? [{ session: this.ended ?? session(), resources: [] }]);
    },
    locateWorker: async (request) => {
      this.#note("locateWorker", request);
      return { address: "127.0.0.1:4712" };
    },
    lockSession: async (request) => {
      this.#note("lockSession", request);
      return { session: session({ lockedUntil: request.until, held: request.hold === "on" }) };
    },
    cancelSession: async (request) => {
      this.#note("cancelSession", request);
      const failure = this.cancelFailures.shift();
      if (failure !== undefined) throw failure;
      this.onCancel();
      return { session: this.cancelled };
    },
    forgetSession: async (request) => {
      this.#note("forgetSession", request);
      return { sessions: this.sessionList.filter((one) => request.sessionIds.some((id) => one.id.startsWith(id))) };
    },
  };

  input(address: string): InputApi {
    return {
      upload: async (steps, options) => {
        this.#note("upload", { address });
        for await (const step of steps) {
          if (options?.signal?.aborted) throw new CodedError("CANCELLED", "the call was cancelled");
          this.uploaded.push(step);
        }
        return { stats: stats() };
      },
      download: (request) => {
        this.#note("download", request);
        return each(this.downloadSteps);
      },
    };
  }

  close(): void {
    this.closed = true;
  }
}

async function* pages(resources: readonly Resource[]): AsyncGenerator<{ resources: Resource[] }> {
  for (const one of resources) yield { resources: [one] };
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function* play(
  script: readonly (WatchSessionResponse | (() => WatchSessionResponse | Promise<WatchSessionResponse>))[],
): AsyncGenerator<WatchSessionResponse> {
  for (const step of script) yield typeof step === "function" ? await step() : step;
}

/** As the transport does: an aborted call is CANCELLED. */
async function abortable(options: CallOptions | undefined): Promise<void> {
  if (options?.signal?.aborted) throw new CodedError("CANCELLED", "the call was cancelled");
}
