export { blockService } from "./block-service.ts";
export { type ConnectOptions, type DeadlineOptions, openChannel, type RpcChannel } from "./channel.ts";
export { type ClusterStoreOptions, clusterStore } from "./cluster-store.ts";
export type { TlsFiles } from "./credentials.ts";
export { STATUS_BY_CODE } from "./error-table.ts";
export * as block from "./gen/permafrost/block/v1/block.ts";
export * as control from "./gen/permafrost/control/v1/control.ts";
export { type RemoteStoreOptions, remoteBlockStore } from "./remote-store.ts";
export { type RpcLogger, type RunningServer, type ServerOptions, type ServiceBinding, serve, startServer } from "./server.ts";
