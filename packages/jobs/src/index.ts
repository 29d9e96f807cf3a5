export type { Bus, ClaimedJob, JobQueue, Lease, Table, TableEntry } from "./jobs.ts";
export { DUPLICATE_WINDOW_MS, VALUE_BYTES_MAX } from "./limits.ts";
export { memoryBus } from "./memory.ts";
export { connectBus } from "./nats/bus.ts";
export type { ConnectOptions } from "./nats/connection.ts";
export { type NatsServer, type NatsServerOptions, startNatsServer } from "./nats-server.ts";
