export { type WorkerConfig, workerConfig } from "./config.ts";
export { main, startWorker } from "./main.ts";
