export { type LoadConfigOptions, loadConfig } from "./config.ts";
export {
  addressSetting,
  checkListen,
  clusterSettings,
  isLoopback,
  listenSetting,
  logSetting,
  natsSetting,
  nodeSetting,
  nodesSetting,
  pathSetting,
  replicationSetting,
  serviceSettings,
  sitesSetting,
  tlsSetting,
} from "./config-schema.ts";
export { type Directories, defaultDirectories, type Environment, readEnvironment } from "./environment.ts";
export { Lifecycle } from "./lifecycle.ts";
export { createLogger, type Logger, type LoggerOptions, type LogLevel } from "./logger.ts";
export { type PeriodicOptions, type PeriodicStatus, type PeriodicTask, runPeriodically } from "./periodic.ts";
export { redact } from "./redact.ts";
export { formatFatal, type ProcessHost, type RunServiceOptions, runService } from "./run-service.ts";
export { ensureTokenFile, readTokenFile } from "./token-file.ts";
export { z } from "./zod.ts";
