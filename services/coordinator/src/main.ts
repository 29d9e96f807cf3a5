/** The coordinator as a process: bus, stores, the coordinator's logic, the control API. Stops in reverse; running sessions wait for the next leader. */

import { parseArgs } from "node:util";
import type { ReplicaEvent } from "@permafrost/blocks";
import { Coordinator, type Site, Sites } from "@permafrost/control";
import { connectBus } from "@permafrost/jobs";
import { clusterStore, control, serve, startServer } from "@permafrost/rpc";
import { checkListen, createLogger, type Lifecycle, loadConfig, readEnvironment, runService } from "@permafrost/runtime";
import { type Clock, CodedError, randomId, systemClock, systemRandom } from "@permafrost/std";
import { type CoordinatorConfig, coordinatorConfig } from "./config.ts";
import { policyService } from "./policy-service.ts";
import { repositoryService } from "./repository-service.ts";
import { sessionService } from "./session-service.ts";

/** Starts the coordinator; returns where it listens. Parts are stopped by `lifecycle`. */
export async function startCoordinator(config: CoordinatorConfig, lifecycle: Lifecycle): Promise<{ readonly address: string }> {
  checkListen(config);
  const [clock, random] = [systemClock, systemRandom];
  const name = config.name ?? `coordinator-${randomId(random).slice(0, 8)}`;
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
  const sites = new Sites(mapSites(config.sites, logger, clock));
  await lifecycle.onStop("sites", () => sites.close());
  const coordinator = await Coordinator.open({
    name,
    bus,
    store,
    keyring: config.keyring,
    clock,
    random,
    sites,
    onEvent: ({ message, ...facts }) => logger.info(facts, message),
  });
  const stop = new AbortController();
  const leading = coordinator.run(stop.signal);
  await lifecycle.onStop("sessions", () => {
    stop.abort(new CodedError("STOPPING", "The coordinator stops"));
    return leading;
  });
  const server = await startServer({
    listen: config.listen,
    tokenFile: config.tokenFile,
    ...(config.tls === undefined ? {} : { tls: config.tls }),
    services: [
      serve(control.SessionServiceDefinition, sessionService(coordinator, clock)),
      serve(control.PolicyServiceDefinition, policyService(coordinator.policies)),
      serve(
        control.RepositoryServiceDefinition,
        repositoryService({ coordinator, store, keyring: config.keyring, clock, random }),
      ),
    ],
    logger,
    drainMs: 1_000,
  });
  await lifecycle.onStop("control API", () => server.stop());
  logger.info({ address: server.address }, "Listening");
  return { address: server.address };
}

function mapSites(
  sites: CoordinatorConfig["sites"],
  logger: { warn(fields: object, message: string): void },
  clock: Clock,
): Record<string, Site> {
  return Object.fromEntries(
    Object.entries(sites).map(([name, { keyring, ...cluster }]) => {
      const onEvent = ({ kind, ...facts }: ReplicaEvent) => logger.warn({ site: name, ...facts }, kind);
      return [name, { keyring, open: () => clusterStore({ ...cluster, clock, isReadOnly: true, onEvent }) }];
    }),
  );
}

/** `coordinator --config FILE`. */
export async function main(argv: readonly string[]): Promise<void> {
  await runService(
    async (lifecycle) => {
      const { values } = parseArgs({ args: [...argv], options: { config: { type: "string" } } });
      if (values.config === undefined) throw new CodedError("USAGE", "The coordinator needs --config FILE");
      await startCoordinator(
        loadConfig(coordinatorConfig, values.config, { env: readEnvironment(), envPrefix: "PERMAFROST_COORDINATOR_" }),
        lifecycle,
      );
    },
    { name: "coordinator" },
  );
}
