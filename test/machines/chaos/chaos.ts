/**
 * Rounds of work under faults on a real cluster: nats-server, three storage nodes, a coordinator and workers as processes, with a fake
 * cloud. A tenant's backup, streams and prunes run while roles die; then everything runs again, every session must end, and it is
 * asked what came of it: each restore point that was reported holds exactly its bytes, nothing of ours is left in the cloud, nothing foreign
 * was touched, and a restored tenant is the one that was backed up.
 */

import { createHash } from "node:crypto";
import { numbers } from "@permafrost/std/testing";
import { Cluster } from "../../harness/cluster.ts";
import { backupTenant, initRepository, readStream, restoreTenant } from "../../harness/session.ts";
import { differences, noise, type SmallTenant, smallTenant, temporariesLeft } from "../../harness/tenant.ts";
import { type Faults, strike } from "./faults.ts";
import { endOf, patiently, sendStream } from "./sessions.ts";

export interface ChaosOptions {
  readonly kills: number;
  readonly seed: number;
  readonly print: (line: string) => void;
}

export interface ChaosResult extends Faults {
  readonly rounds: number;
  readonly points: number;
  readonly failures: readonly string[];
}

const NODES = ["node-1", "node-2", "node-3"];
const ROLES = [...NODES, "coordinator", "worker-1", "worker-2", "worker-3"];
const FAULTS_PER_ROUND = 8;
const STREAMS = 2;
const END_MS = 240_000;
/** A tenant is restored, compared and taken back every so many rounds. */
const RESTORE_EVERY = 4;
const MIB = 1024 * 1024;

export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const tenant = await smallTenant();
  const cluster = await Cluster.start({
    ...{ nodes: NODES.length, workers: 3, slots: 2, replicas: 2, writeQuorum: 2, cloudsYaml: tenant.cloudsYaml },
    storage: { packBytes: 8 * MIB, reserveBytes: MIB },
  });
  try {
    await initRepository(cluster);
    return await new Chaos(cluster, tenant, options).run();
  } finally {
    await cluster.close();
    await tenant.cloud.close();
  }
}

class Chaos {
  readonly #cluster: Cluster;
  readonly #tenant: SmallTenant;
  readonly #options: ChaosOptions;
  readonly #next: (below: number) => number;
  /** Streams that were reported as restore points: session → digest. */
  readonly #points = new Map<string, string>();
  readonly #failures: string[] = [];
  readonly #sum = { kills: 0, pauses: 0, wipes: 0, rounds: 0, points: 0 };

  constructor(cluster: Cluster, tenant: SmallTenant, options: ChaosOptions) {
    this.#cluster = cluster;
    this.#tenant = tenant;
    this.#options = options;
    this.#next = numbers(options.seed);
  }

  async run(): Promise<ChaosResult> {
    while (this.#sum.kills < this.#options.kills && this.#failures.length === 0) {
      const round = ++this.#sum.rounds;
      await this.#round(round).catch((error: unknown) =>
        this.#fail(round, error instanceof Error ? error.message : String(error)),
      );
    }
    if (this.#failures.length === 0) await this.#readBack([...this.#points.keys()], this.#sum.rounds);
    return { ...this.#sum, failures: this.#failures };
  }

  async #round(round: number): Promise<void> {
    const cluster = this.#cluster;
    const faults = strike(cluster, ROLES, FAULTS_PER_ROUND, this.#next);
    const tenant = backupTenant(cluster, "source").catch(() => undefined);
    const streams = Array.from({ length: STREAMS }, async (_, n) => {
      const bytes = noise(`round ${round} stream ${n} of ${this.#options.seed}`, MIB + this.#next(3 * MIB));
      return { id: await sendStream(cluster, `stream-${n}`, bytes), digest: sha(bytes) };
    });
    const prune = round % 2 === 0 ? this.#forgetAndPrune().catch(() => undefined) : Promise.resolve(undefined);
    const { kills, pauses, wipes } = await faults;
    Object.assign(this.#sum, {
      kills: this.#sum.kills + kills,
      pauses: this.#sum.pauses + pauses,
      wipes: this.#sum.wipes + wipes,
    });

    const ended: string[] = [];
    const follow = async (id: string | undefined) => {
      if (id === undefined) return undefined;
      const session = await endOf(cluster, id, END_MS);
      ended.push(`${session.kind} ${session.state}`);
      if (
        session.state !== "succeeded" &&
        session.state !== "cancelled" &&
        (session.failure?.code ?? "") === "" &&
        session.failed === 0
      )
        this.#fail(round, `session ${id} is ${session.state} and does not say why`);
      return session;
    };
    for (const { id, digest } of await Promise.all(streams)) {
      if ((await follow(id))?.state === "succeeded" && id !== undefined) this.#points.set(id, digest);
    }
    const ofTenant = await follow(await tenant);
    await follow(await prune);
    this.#sum.points += ofTenant?.state === "succeeded" ? 1 : 0;

    await this.#hygiene(round);
    const known = [...this.#points.keys()];
    await this.#readBack([...known.slice(-3), ...(known.length > 3 ? [known[this.#next(known.length)] ?? ""] : [])], round);
    if (round % RESTORE_EVERY === 0) await this.#restore(round);
    this.#options.print(
      `round ${round}: ${this.#sum.kills} kills, ${this.#sum.pauses} pauses, ${this.#sum.wipes} wiped buses; ${ended.join(", ")}; ${known.length} streams kept`,
    );
  }

  async #forgetAndPrune(): Promise<string | undefined> {
    const known = [...this.#points.keys()];
    const { sessions } = this.#cluster.control;
    if (known.length > 6) {
      const id = known[this.#next(known.length - 4)] ?? "";
      // From here on it may be gone, whatever is answered.
      this.#points.delete(id);
      await sessions.forgetSession({ sessionIds: [id], dryRun: false, force: false });
    }
    return (await sessions.startPrune({ repository: "acme", graceMs: 0n, unusedPercentMax: 100, dryRun: false })).sessionId;
  }

  /** I6: what is temporary goes with its session; sessions that were lost with the bus are swept by the next leader. */
  async #hygiene(round: number): Promise<void> {
    await patiently(async () => {
      const left = temporariesLeft(this.#tenant);
      if (left.length > 0) throw Object.assign(new Error(`left in the cloud: ${left.join(", ")}`), { retry: "later" });
    }, 60_000);
    for (const kind of ["snapshot", "volume", "image"]) {
      const foreign = this.#tenant.cloud.journal.foreignDeleted(kind);
      if (foreign.length > 0) this.#fail(round, `${kind}s that were not ours are gone: ${foreign.join(", ")}`);
    }
  }

  /** I1, I2. */
  async #readBack(ids: readonly string[], round: number): Promise<void> {
    for (const id of new Set(ids)) {
      const expected = this.#points.get(id);
      if (expected === undefined) continue;
      const found = sha(await patiently(() => readStream(this.#cluster, id), 60_000));
      if (found !== expected) this.#fail(round, `restore point ${id} gives other bytes`);
    }
  }

  async #restore(round: number): Promise<void> {
    const cluster = this.#cluster;
    const backup = await endOf(cluster, await patiently(() => backupTenant(cluster, "source"), 60_000), END_MS);
    if (backup.state !== "succeeded")
      return this.#fail(round, `a backup without faults is ${backup.state}: ${backup.failure?.message}`);
    const restored = await endOf(cluster, await restoreTenant(cluster, "target", { sessionId: backup.id }), END_MS);
    if (restored.state !== "succeeded")
      this.#fail(round, `a restore without faults is ${restored.state}: ${restored.failure?.message}`);
    const wrong = differences(this.#tenant);
    if (wrong.length > 0) this.#fail(round, `the restored tenant differs: ${wrong.join("; ")}`);
    const { sessionId } = await cluster.control.sessions.startUndo({ sessionId: restored.id });
    const undone = await endOf(cluster, sessionId, END_MS);
    if (undone.state !== "succeeded") this.#fail(round, `an undo without faults is ${undone.state}: ${undone.failure?.message}`);
  }

  #fail(round: number, message: string): void {
    const line = `seed ${this.#options.seed}, round ${round}: ${message}`;
    this.#failures.push(line);
    this.#options.print(`FAIL ${line}`);
  }
}

function sha(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
