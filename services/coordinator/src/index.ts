export { type CoordinatorConfig, coordinatorConfig } from "./config.ts";
export { main, startCoordinator } from "./main.ts";
