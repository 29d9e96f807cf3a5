/**
 * A coordinator for tests, in this process: the control API served on loopback, over a memory bus and a memory store, with a
 * worker whose cloud is two resources, or more, made up here. What a test sends crosses the wire.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type MemoryBlockStore, memoryBlockStore } from "@permafrost/blocks";
import { type ControlConnection, connectControl } from "@permafrost/client";
import { Coordinator, Repositories, type TaskContext, TaskHost, WorkerTable } from "@permafrost/control";
import { memoryBus } from "@permafrost/jobs";
import { EMPTY_STATS, type Task } from "@permafrost/model";
import { initRepository, type Secret, saveSecret } from "@permafrost/repository";
import { control, serve, startServer } from "@permafrost/rpc";
import { CodedError, systemClock, systemRandom } from "@permafrost/std";
import { vi } from "vitest";
import { repositoryService } from "../src/repository-service.ts";
import { sessionService } from "../src/session-service.ts";

export const KEY = { kind: "key", value: Buffer.alloc(32, 7).toString("base64") } as const satisfies Secret;

export interface WorldOptions {
  /** The store of an earlier world; this one has an empty keyring. */
  readonly store?: MemoryBlockStore;
}

export interface World {
  readonly store: MemoryBlockStore;
  readonly keyring: string;
  readonly coordinator: Coordinator;
  readonly control: ControlConnection;
  /** Tasks that workers were given, in order. */
  readonly tasks: readonly Task[];
  /** Resources in the cloud; may be changed before a backup. */
  names: readonly string[];
  /** Awaited by each capture before it answers. */
  gate: Promise<unknown>;
  startWorker(): Promise<void>;
  /** A worker at `address` takes uploads, until the returned function is called. */
  announce(address: string): () => Promise<void>;
  /** Makes the repository `name` with KEY in the keyring. */
  init(name: string): Promise<void>;
  startBackup(repository: string): Promise<string>;
  ended(sessionId: string): Promise<control.Session>;
  close(): Promise<void>;
}

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const store = options.store ?? memoryBlockStore();
  const keyring = await mkdtemp(join(tmpdir(), "permafrost-coordinator-"));
  const bus = memoryBus({ clock: systemClock });
  const stop = new AbortController();
  const running: Promise<unknown>[] = [];
  const tasks: Task[] = [];
  const coordinator = await Coordinator.open({
    name: "c1",
    bus,
    store,
    keyring,
    clock: systemClock,
    random: systemRandom,
  });
  running.push(coordinator.run(stop.signal));
  const shared = { coordinator, store, keyring, clock: systemClock, random: systemRandom };
  const server = await startServer({
    listen: "127.0.0.1:0",
    services: [
      serve(control.SessionServiceDefinition, sessionService(coordinator, systemClock)),
      serve(control.RepositoryServiceDefinition, repositoryService(shared)),
    ],
    drainMs: 100,
  });
  const connection = connectControl({ address: server.address });

  const world: World = {
    store,
    keyring,
    coordinator,
    control: connection,
    tasks,
    names: ["b", "a"],
    gate: Promise.resolve(),
    async startWorker() {
      const repositories = new Repositories(store, keyring);
      const host = await TaskHost.open(bus, {
        worker: "w1",
        clock: systemClock,
        openRepository: (id) => repositories.open(id),
        execute: (task, context) => {
          tasks.push(task);
          return execute(task, context, world);
        },
      });
      running.push(host.loop(stop.signal));
    },
    announce(address) {
      const end = new AbortController();
      const announcing = WorkerTable.open(bus, systemClock).then((table) => table.announce("w1", address, end.signal));
      return () => {
        end.abort();
        return announcing;
      };
    },
    async init(name) {
      await initRepository(store, { name, secret: KEY });
      await saveSecret(keyring, name, KEY);
    },
    async startBackup(repository) {
      const value = { cloud: "lab", project: "", selection: { include: [], exclude: [] } };
      return (await connection.sessions.startBackup({ repository, input: { $case: "tenant", value } })).sessionId;
    },
    ended: (sessionId) =>
      vi.waitFor(
        async () => {
          const { session } = await connection.sessions.getSession({ sessionId });
          if (session === undefined || session.state === "running") throw new Error(`${sessionId} still runs`);
          return session;
        },
        { timeout: 20_000, interval: 50 },
      ),
    async close() {
      connection.close();
      await server.stop();
      stop.abort(new CodedError("STOPPING", "the test ends"));
      await Promise.allSettled(running);
      await bus.close();
      await rm(keyring, { recursive: true, force: true });
    },
  };
  return world;
}

/** Volumes that are captured if their name has one letter, else only described. */
async function execute(task: Task, context: TaskContext, world: World): Promise<unknown> {
  switch (task.kind) {
    case "discover": {
      const { root } = await context.writer.writeDocument({ version: 1 });
      const resources = world.names.map((id) => ({
        type: "cinder.volume",
        id,
        name: id,
        document: root,
        logicalBytes: 9,
        freezes: false,
        captures: id.length === 1,
        warnings: [],
      }));
      return { projectId: "p1", projectName: "acme", resources, stats: EMPTY_STATS, warnings: [], unlisted: [] };
    }
    case "capture": {
      await Promise.race([world.gate, systemClock.sleep(60_000, context.signal)]);
      const bytes = (async function* () {
        yield Buffer.from(`data of ${task.resource.id}`);
      })();
      const written = await context.writer.writeStream(bytes, { chunking: "fixed" });
      return { ...task.resource, state: "succeeded", streams: { data: written.root }, stats: written.stats, warnings: [] };
    }
    case "plan":
      return {
        projectId: "p2",
        projectName: "other",
        resources: task.resources.map((r) => ({ ...r, action: "create", actionReason: "not there", dependsOn: [] })),
      };
    case "check":
      return { blocks: 1, bytes: 9, damaged: [] };
    case "sweep":
      return { removed: 0, left: [] };
    default:
      throw new CodedError("ASSERTION", `unexpected ${task.kind}`);
  }
}
