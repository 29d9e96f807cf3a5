/**
 * Rounds of work under faults on a real cluster with a fake cloud. A tenant and streams are backed up, a restore point is restored, others are
 * forgotten, pruned and checked, while processes die, hang and come back, and disks fail. Then everything runs again, every session must
 * end, and it is asked what came of it: what was reported as a restore point gives exactly its bytes, no session lies about its end, nothing
 * of ours is left in the cloud, and nothing foreign was touched.
 */

import { createHash } from "node:crypto";
import type { control } from "@permafrost/rpc";
import { systemClock } from "@permafrost/std";
import { numbers } from "@permafrost/std/testing";
import { Cluster } from "../../harness/cluster.ts";
import { backupTenant, initRepository, resources, restoreTenant } from "../../harness/session.ts";
import { noise, smallTenant } from "../../harness/tenant.ts";
import { Caller } from "./caller.ts";
import { DiskFaults } from "./disk-faults.ts";
import { judgeSession, judgeTenantBackup } from "./judge.ts";
import { planRound } from "./plan.ts";
import { NOTHING, type Struck, strike } from "./strikes.ts";
import { TenantLife } from "./tenant-life.ts";

export interface ChaosOptions {
  readonly kills: number;
  readonly seed: number;
  readonly print: (line: string) => void;
  /** Default: 4. */
  readonly workers?: number;
  /** Default: 12. */
  readonly faultsPerRound?: number;
}

export interface ChaosResult extends Struck {
  readonly rounds: number;
  /** Of the tenant and of streams, that were reported. */
  readonly points: number;
  readonly restores: number;
  readonly failures: readonly string[];
  /** Why disks did not fail. */
  readonly disksSkipped: string | undefined;
}

const NODES = 3;
const STREAMS = 2;
const POINTS_KEPT = 4;
/** Into the faults that some work is started. */
const LATER_MS = 8_000;
const END_MS = 240_000;
/** Answers of a cluster that is whole again. */
const WHOLE_MS = 60_000;
const MIB = 1024 * 1024;

export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const tenant = await smallTenant();
  const cluster = await Cluster.start({
    ...{ nodes: NODES, coordinators: 2, workers: options.workers ?? 4, natsServers: 3, slots: 2, replicas: 2, writeQuorum: 2 },
    cloudsYaml: tenant.cloudsYaml,
    storage: { packBytes: 8 * MIB, reserveBytes: MIB },
    host: addresses(),
  });
  let keepDirectory = true;
  // Processes that are interrupted must not stay behind.
  let isInterrupted = false;
  const end = () => {
    isInterrupted = true;
    void cluster.close().then(() => process.exit(1));
  };
  // What fails because the cluster was ended is no failure.
  const print = (line: string) => (isInterrupted ? undefined : options.print(line));
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.once(signal, end);
  try {
    await initRepository(cluster);
    const result = await new Chaos(cluster, new TenantLife(tenant), { ...options, print }).run();
    keepDirectory = result.failures.length > 0;
    if (keepDirectory) print(`logs and data: ${cluster.directory}`);
    return result;
  } finally {
    for (const signal of signals) process.off(signal, end);
    await cluster.close({ keepDirectory });
    await tenant.cloud.close();
  }
}

/** An address of loopback for each role, so that no outgoing connection can take the port of one that is away. */
function addresses(): (name: string) => string {
  const known = new Map<string, string>();
  return (name) => {
    const address = known.get(name) ?? `127.0.0.${10 + known.size}`;
    known.set(name, address);
    return address;
  };
}

class Chaos {
  readonly #cluster: Cluster;
  readonly #life: TenantLife;
  readonly #options: ChaosOptions;
  readonly #caller: Caller;
  readonly #disks = new DiskFaults();
  readonly #next: (below: number) => number;
  /** Streams that were reported as restore points: session → digest. */
  readonly #streams = new Map<string, string>();
  /** Restore points of the tenant: session → what it held then. */
  readonly #tenants = new Map<string, ReadonlyMap<string, string>>();
  readonly #failures: string[] = [];
  readonly #struck: Struck = { ...NOTHING };
  readonly #sum = { rounds: 0, points: 0, restores: 0 };

  constructor(cluster: Cluster, life: TenantLife, options: ChaosOptions) {
    this.#cluster = cluster;
    this.#life = life;
    this.#options = options;
    this.#caller = new Caller(cluster);
    this.#next = numbers(options.seed);
  }

  async run(): Promise<ChaosResult> {
    while (this.#struck.kills < this.#options.kills && this.#failures.length === 0) {
      this.#sum.rounds++;
      await this.#round(this.#sum.rounds).catch((error: unknown) => this.#fail([String((error as Error).stack ?? error)]));
    }
    return { ...this.#sum, ...this.#struck, failures: this.#failures, disksSkipped: this.#disks.skipped };
  }

  async #round(round: number): Promise<void> {
    const startedAt = systemClock.monotonic();
    await this.#life.change(round, this.#next);
    // Of its own numbers: what is drawn elsewhere depends on how far the cluster came.
    const plan = planRound(numbers(this.#options.seed * 1_000 + round), this.#options.faultsPerRound ?? 12, this.#targets());
    const restored = pick([...this.#tenants.keys()], this.#next);
    const faults = strike(this.#cluster, this.#disks, plan, this.#struck);
    const later = async <T>(start: () => Promise<T>): Promise<T> => {
      await systemClock.sleep(this.#next(LATER_MS));
      return await start();
    };
    const [streams] = await Promise.all([
      Promise.all(Array.from({ length: STREAMS }, (_, n) => later(() => this.#sendStream(`round-${round}-stream-${n}`)))),
      this.#backUpTenant(),
      restored === undefined ? undefined : later(() => this.#startRestore(restored)),
      // What is being restored must not be forgotten; everything else may be.
      round % 2 === 0 ? later(() => this.#forgetAndPrune(restored)) : undefined,
      round % 3 === 0 ? later(() => this.#startCheck(false)) : undefined,
      faults,
    ]);
    const faultsMs = systemClock.monotonic() - startedAt;

    const ended = await this.#endAll();
    for (const stream of streams) {
      const session = ended.find(({ id }) => id === stream?.id);
      if (stream?.isTaken && session?.state !== "succeeded")
        this.#fail([`the bytes of stream ${stream.id} were taken, but it is ${session?.state}`]);
      if (stream !== undefined && session?.state === "succeeded") this.#streams.set(stream.id, stream.digest);
    }
    for (const session of ended) {
      if (session.kind === "backup" && session.input === "tenant" && session.state === "succeeded")
        this.#tenants.set(session.id, this.#life.contents);
    }
    const lived = ended.map(({ kind, state }) => `${kind} ${state}`).sort();

    await this.#judgeRestores(ended, restored);
    // A prune under faults ends early as a rule; this one deletes, before everything is read.
    await this.#mustSucceed("a prune", await this.#startPrune());
    await this.#restoreOne(round);
    await this.#hygiene();
    await this.#readBack();
    const isLast = this.#struck.kills >= this.#options.kills;
    await this.#mustSucceed("a check", await this.#startCheck(isLast || round % 2 === 0));
    this.#sum.points = this.#sum.points + ended.filter(({ kind, state }) => kind === "backup" && state === "succeeded").length;
    const { kills, pauses, wipes, diskFaults } = this.#struck;
    const seconds = (ms: number) => Math.round(ms / 1000);
    this.#options.print(
      `round ${round}: ${kills} kills, ${pauses} pauses, ${diskFaults} disk faults, ${wipes} wiped buses; ${lived.join(", ")}; ` +
        `${seconds(faultsMs)} s of faults, ${seconds(systemClock.monotonic() - startedAt)} s in all`,
    );
  }

  #targets() {
    const named = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `${kind}-${i + 1}`);
    const nodes = named("node", NODES);
    const roles = [...nodes, "coordinator", "coordinator-2", ...named("worker", this.#options.workers ?? 4)];
    return { roles, nodes, busServers: this.#cluster.bus.count };
  }

  async #sendStream(name: string) {
    const bytes = noise(`${name} of ${this.#options.seed}`, MIB + this.#next(3 * MIB));
    const sent = await this.#caller.sendStream(name, bytes);
    return sent === undefined ? undefined : { ...sent, digest: sha(bytes) };
  }

  async #backUpTenant(): Promise<string | undefined> {
    return await this.#caller.start(
      (control) => backupTenant({ control }, "source"),
      ({ kind, input }) => kind === "backup" && input === "tenant",
    );
  }

  async #startRestore(sessionId: string): Promise<string | undefined> {
    return await this.#caller.start(
      (control) => restoreTenant({ control }, "target", { sessionId }),
      ({ kind }) => kind === "restore",
    );
  }

  async #startCheck(readData: boolean): Promise<string | undefined> {
    return await this.#caller.start(
      async ({ sessions }) => (await sessions.startCheck({ repository: "acme", sessionIds: [], readData })).sessionId,
      ({ kind }) => kind === "check",
    );
  }

  async #forgetAndPrune(kept: string | undefined): Promise<void> {
    for (const points of [this.#streams, this.#tenants]) {
      const some = [...points.keys()].filter((id) => id !== kept);
      if (points.size <= POINTS_KEPT) continue;
      const id = pick(some, this.#next) ?? "";
      // From here on it may be gone, whatever is answered.
      points.delete(id);
      await this.#caller
        .ask(({ sessions }) => sessions.forgetSession({ sessionIds: [id], dryRun: false, force: false }), WHOLE_MS)
        .catch(() => undefined);
    }
    await this.#startPrune();
  }

  async #startPrune(): Promise<string | undefined> {
    return await this.#caller.start(
      async ({ sessions }) => {
        const request = { repository: "acme", graceMs: 0n, unusedPercentMax: 100, dryRun: false };
        return (await sessions.startPrune(request)).sessionId;
      },
      ({ kind }) => kind === "prune",
    );
  }

  /** Waits for every session that is not known to have ended, whoever started it, and judges it. */
  async #endAll(): Promise<control.Session[]> {
    const isNew = (session: control.Session) => !this.#judged.has(session.id);
    const ended: control.Session[] = [];
    for (const { id, input, state } of (await this.#caller.sessions(WHOLE_MS)).filter(isNew)) {
      // Nobody sends bytes any more: a stream that still waits for some is somebody's who went away.
      if (input === "stream" && state === "running")
        await this.#caller.ask(({ sessions }) => sessions.cancelSession({ sessionId: id }), WHOLE_MS);
      const session = await this.#caller.endOf(id, END_MS);
      this.#judged.add(id);
      this.#caller.known.add(id);
      const all = await this.#caller.ask((control) => resources({ control }, id), WHOLE_MS);
      this.#fail(judgeSession(session, all));
      if (session.kind === "backup" && session.input === "tenant" && session.state === "succeeded")
        this.#fail(judgeTenantBackup(session, all, this.#life.contents));
      ended.push(session);
    }
    return ended;
  }

  readonly #judged = new Set<string>();

  /** Those that ran under faults: whatever they made is right if they say so, and goes with an undo. */
  async #judgeRestores(ended: readonly control.Session[], point: string | undefined): Promise<void> {
    const restores = ended.filter(({ kind }) => kind === "restore");
    const [only] = restores;
    if (restores.length === 1 && only?.state === "succeeded" && point !== undefined) {
      this.#sum.restores++;
      this.#fail(this.#life.restoredWrong(this.#tenants.get(point) ?? new Map()).map((line) => `restore ${only.id}: ${line}`));
    }
    // Newest first, as the list is.
    for (const { id } of restores) await this.#undo(id);
  }

  /** A restore without faults, of any restore point. */
  async #restoreOne(round: number): Promise<void> {
    const point = pick([...this.#tenants.keys()], this.#next);
    const contents = this.#tenants.get(point ?? "");
    if (point === undefined || contents === undefined) return;
    const restore = await this.#mustSucceed(`a restore of ${point} in round ${round}`, await this.#startRestore(point));
    if (restore === undefined) return;
    this.#sum.restores++;
    this.#fail(this.#life.restoredWrong(contents).map((line) => `restore ${restore}: ${line}`));
    await this.#undo(restore);
  }

  async #undo(restoreId: string): Promise<void> {
    const undo = await this.#caller
      .ask(async ({ sessions }) => (await sessions.startUndo({ sessionId: restoreId })).sessionId, WHOLE_MS)
      // One that ended before it had a plan has made nothing.
      .catch((error: unknown) => {
        if ((error as { code?: string }).code === "PLAN_MISSING") return "";
        throw error;
      });
    if (undo !== "") await this.#mustSucceed(`the undo of ${restoreId}`, undo);
  }

  /** Without faults nothing has an excuse. The session's id if it did. */
  async #mustSucceed(what: string, sessionId: string | undefined): Promise<string | undefined> {
    if (sessionId === undefined) {
      this.#fail([`${what} does not start`]);
      return undefined;
    }
    const session = await this.#caller.endOf(sessionId, END_MS);
    this.#judged.add(sessionId);
    this.#caller.known.add(sessionId);
    if (session.state === "succeeded") return sessionId;
    const all = await this.#caller.ask((control) => resources({ control }, sessionId), WHOLE_MS);
    const why = [session.failure, ...all.map(({ failure }) => failure)].filter((failure) => failure !== undefined);
    const said = why.map(({ code, message }) => `${code} ${message}`).slice(0, 3);
    this.#fail([`${what} without faults (${sessionId}) is ${session.state}: ${said.join("; ")}`]);
    return undefined;
  }

  /** I6: what is temporary goes with its session; what sessions left that were lost with the bus is swept by the next leader. */
  async #hygiene(): Promise<void> {
    const deadline = systemClock.monotonic() + WHOLE_MS;
    while (this.#life.temporaries().length > 0 && systemClock.monotonic() < deadline) await systemClock.sleep(200);
    this.#fail(this.#life.traces());
  }

  /** I1, I2: the newest streams and one of the others; what was reported is still a restore point. */
  async #readBack(): Promise<void> {
    const known = [...this.#streams.keys()];
    const isAll = this.#struck.kills >= this.#options.kills;
    const some = isAll ? known : [...known.slice(-STREAMS), ...[pick(known, this.#next) ?? []].flat()];
    for (const id of new Set(some)) {
      const found = sha(await this.#caller.readStream(id, WHOLE_MS));
      if (found !== this.#streams.get(id)) this.#fail([`restore point ${id} gives other bytes`]);
    }
    const listed = new Map((await this.#caller.sessions(WHOLE_MS)).map(({ id, state }) => [id, state]));
    for (const id of [...known, ...this.#tenants.keys()])
      if (listed.get(id) !== "succeeded") this.#fail([`restore point ${id} is ${listed.get(id) ?? "gone"}`]);
  }

  #fail(messages: readonly string[]): void {
    for (const message of messages) {
      const line = `seed ${this.#options.seed}, round ${this.#sum.rounds}: ${message}`;
      this.#failures.push(line);
      this.#options.print(`FAIL ${line}`);
    }
  }
}

function pick<T>(all: readonly T[], next: (below: number) => number): T | undefined {
  return all.length === 0 ? undefined : all[next(all.length)];
}

function sha(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
