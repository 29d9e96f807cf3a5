/** A worker as a process: claims tasks and runs them, and takes clients' bytes. Holds nothing that its death could lose. */

import { parseArgs } from "node:util";
import { Repositories, TaskHost, WorkerTable } from "@permafrost/control";
import { connectBus } from "@permafrost/jobs";
import { runTask } from "@permafrost/protection";
import { clusterStore, control, serve, startServer } from "@permafrost/rpc";
import { checkListen, createLogger, type Lifecycle, loadConfig, readEnvironment, runService } from "@permafrost/runtime";
import { CodedError, randomId, systemClock, systemRandom } from "@permafrost/std";
import { Clouds } from "./clouds.ts";
import { type WorkerConfig, workerConfig } from "./config.ts";
import { inputService } from "./input-service.ts";

/** Starts a worker; returns where it listens. Parts are stopped by `lifecycle`. */
export async function startWorker(config: WorkerConfig, lifecycle: Lifecycle): Promise<{ readonly address: string }> {
  checkListen(config);
  const [clock, random] = [systemClock, systemRandom];
  const name = config.name ?? `worker-${randomId(random).slice(0, 8)}`;
  const logger = createLogger({ name, level: config.log.level });
  const bus = await connectBus({ ...config.nats, name });
  await lifecycle.onStop("bus", () => bus.close());
  const store = await clusterStore({
    onEvent: ({ kind, ...facts }) => logger.warn(facts, kind),
    nodes: config.nodes,
    replication: config.replication,
    tokenFile: config.tokenFile,
    ...(config.tls === undefined ? {} : { tls: config.tls }),
    clock,
  });
  await lifecycle.onStop("store", () => store.close());
  const clouds = new Clouds({ environment: readEnvironment(), clock, random, ...config.openstack });
  await lifecycle.onStop("clouds", () => clouds.close());
  const repositories = new Repositories(store, config.keyring);
  const host = await TaskHost.open(bus, {
    worker: name,
    clock,
    openRepository: (id) => repositories.open(id),
    execute: (task, context) => runTask(task, { ...context, clock, openCloud: (target) => clouds.open(target) }),
    onEvent: ({ message, ...facts }) => logger.info(facts, message),
  });
  const stop = new AbortController();
  const { signal } = stop;
  const loops = Array.from({ length: config.slots }, () => host.loop(signal));
  await lifecycle.onStop("tasks", () => {
    stop.abort(new CodedError("STOPPING", "The worker stops", { retry: "later" }));
    return Promise.all(loops);
  });
  const server = await startServer({
    listen: config.listen,
    tokenFile: config.tokenFile,
    ...(config.tls === undefined ? {} : { tls: config.tls }),
    services: [serve(control.InputServiceDefinition, inputService({ host, repositories, clock, signal }))],
    logger,
    drainMs: 1_000,
  });
  await lifecycle.onStop("input API", () => server.stop());
  const announcing = (await WorkerTable.open(bus, clock)).announce(name, config.advertise ?? server.address, signal);
  await lifecycle.onStop("announcement", () => {
    stop.abort(new CodedError("STOPPING", "The worker stops", { retry: "later" }));
    return announcing;
  });
  logger.info({ address: server.address, slots: config.slots }, "Listening");
  return { address: server.address };
}

/** `worker --config FILE`. */
export async function main(argv: readonly string[]): Promise<void> {
  await runService(
    async (lifecycle) => {
      const { values } = parseArgs({ args: [...argv], options: { config: { type: "string" } } });
      if (values.config === undefined) throw new CodedError("USAGE", "A worker needs --config FILE");
      await startWorker(
        loadConfig(workerConfig, values.config, { env: readEnvironment(), envPrefix: "PERMAFROST_WORKER_" }),
        lifecycle,
      );
    },
    { name: "worker" },
  );
}
