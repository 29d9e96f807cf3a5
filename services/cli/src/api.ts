/**
 * What the CLI asks of a cluster: the part of `permafrost.control.v1` that it calls, as an interface.
 * `connect.ts` fills it with `@permafrost/client`; tests fill it with `testing/fake-cluster.ts`.
 * Every call throws CodedError.
 */

import type { control } from "@permafrost/rpc";

export type DownloadRequest = control.DownloadRequest;
export type DownloadResponse = control.DownloadResponse;
export type Failure = control.Failure;
export type GetPlanResponse = control.GetPlanResponse;
export type InputEntry = control.InputEntry;
export type NameMap = control.NameMap;
export type OneTimePassword = control.OneTimePassword;
export type Origin = control.Origin;
export type PlanReference = control.PlanReference;
export type Policy = control.Policy;
export type PruneReport = control.PruneReport;
export type RepairReport = control.RepairReport;
export type Repository = control.Repository;
export type Resource = control.Resource;
export type Secret = control.Secret;
export type Session = control.Session;
export type StartBackupRequest = control.StartBackupRequest;
export type StartCheckRequest = control.StartCheckRequest;
export type StartRestoreRequest = control.StartRestoreRequest;
export type Stats = control.Stats;
export type UploadRequest = control.UploadRequest;
export type VerifyLevel = control.VerifyLevel;
export type WatchSessionResponse = control.WatchSessionResponse;

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface RepositoryApi {
  initRepository(request: control.InitRepositoryRequest, options?: CallOptions): Promise<control.InitRepositoryResponse>;
  listRepositories(request: control.ListRepositoriesRequest, options?: CallOptions): Promise<control.ListRepositoriesResponse>;
  unlockRepository(request: control.UnlockRepositoryRequest, options?: CallOptions): Promise<control.UnlockRepositoryResponse>;
}

export interface SessionApi {
  startBackup(request: control.StartBackupRequest, options?: CallOptions): Promise<control.StartBackupResponse>;
  startRestore(request: control.StartRestoreRequest, options?: CallOptions): Promise<control.StartRestoreResponse>;
  startApply(request: control.StartApplyRequest, options?: CallOptions): Promise<control.StartApplyResponse>;
  startVerify(request: control.StartVerifyRequest, options?: CallOptions): Promise<control.StartVerifyResponse>;
  startUndo(request: control.StartUndoRequest, options?: CallOptions): Promise<control.StartUndoResponse>;
  getPlan(request: control.GetPlanRequest, options?: CallOptions): Promise<control.GetPlanResponse>;
  listPasswords(request: control.ListPasswordsRequest, options?: CallOptions): Promise<control.ListPasswordsResponse>;
  listOrigins(request: control.ListOriginsRequest, options?: CallOptions): Promise<control.ListOriginsResponse>;
  startCopy(request: control.StartCopyRequest, options?: CallOptions): Promise<control.StartCopyResponse>;
  startRepair(request: control.StartRepairRequest, options?: CallOptions): Promise<control.StartRepairResponse>;
  startPrune(request: control.StartPruneRequest, options?: CallOptions): Promise<control.StartPruneResponse>;
  startCheck(request: control.StartCheckRequest, options?: CallOptions): Promise<control.StartCheckResponse>;
  listSessions(request: control.ListSessionsRequest, options?: CallOptions): Promise<control.ListSessionsResponse>;
  getSession(request: control.GetSessionRequest, options?: CallOptions): Promise<control.GetSessionResponse>;
  listResources(request: control.ListResourcesRequest, options?: CallOptions): AsyncIterable<control.ListResourcesResponse>;
  watchSession(request: control.WatchSessionRequest, options?: CallOptions): AsyncIterable<control.WatchSessionResponse>;
  locateWorker(request: control.LocateWorkerRequest, options?: CallOptions): Promise<control.LocateWorkerResponse>;
  lockSession(request: control.LockSessionRequest, options?: CallOptions): Promise<control.LockSessionResponse>;
  cancelSession(request: control.CancelSessionRequest, options?: CallOptions): Promise<control.CancelSessionResponse>;
  forgetSession(request: control.ForgetSessionRequest, options?: CallOptions): Promise<control.ForgetSessionResponse>;
}

export interface PolicyApi {
  putPolicy(request: control.PutPolicyRequest, options?: CallOptions): Promise<control.PutPolicyResponse>;
  pausePolicy(request: control.PausePolicyRequest, options?: CallOptions): Promise<control.PausePolicyResponse>;
  listPolicies(request: control.ListPoliciesRequest, options?: CallOptions): Promise<control.ListPoliciesResponse>;
  deletePolicy(request: control.DeletePolicyRequest, options?: CallOptions): Promise<control.DeletePolicyResponse>;
}

export interface InputApi {
  upload(steps: AsyncIterable<control.UploadRequest>, options?: CallOptions): Promise<control.UploadResponse>;
  download(request: control.DownloadRequest, options?: CallOptions): AsyncIterable<control.DownloadResponse>;
}

/** A connection to a coordinator. */
export interface Cluster {
  readonly repositories: RepositoryApi;
  readonly sessions: SessionApi;
  readonly policies: PolicyApi;
  /** The byte service of the worker at `address`. */
  input(address: string): InputApi;
  close(): void;
}

/** Where the coordinator is and what proves who asks. */
export interface Endpoint {
  /** `host:port`. */
  readonly address: string;
  readonly token?: string;
  /** Set for every address beyond loopback. */
  readonly tls?: TlsFiles;
}

/** Paths of PEM files. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

export type Connect = (endpoint: Endpoint) => Promise<Cluster>;
