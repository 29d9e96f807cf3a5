/**
 * The typed way into a running Permafrost: the coordinator's services, and a worker's for plain inputs.
 *
 * Every call fails with a CodedError only: the service's own, or NODE_UNREACHABLE, DEADLINE, UNAUTHENTICATED, CANCELLED. Unary calls
 * have a deadline; streams end with their `signal`.
 */

import { type ConnectOptions, control, type DeadlineOptions, openChannel } from "@permafrost/rpc";

export interface ControlConnection {
  readonly address: string;
  readonly sessions: control.SessionServiceClient<DeadlineOptions>;
  readonly repositories: control.RepositoryServiceClient<DeadlineOptions>;
  readonly policies: control.PolicyServiceClient<DeadlineOptions>;
  /** Whether the service says that it serves. */
  health(): Promise<boolean>;
  close(): void;
}

export interface InputConnection {
  readonly address: string;
  readonly input: control.InputServiceClient<DeadlineOptions>;
  /** Whether the service says that it serves. */
  health(): Promise<boolean>;
  close(): void;
}

/** The coordinator at `address`; connects with the first call. CONFIG_INVALID when a TLS or token file cannot be read. */
export function connectControl(options: ConnectOptions): ControlConnection {
  const channel = openChannel(options);
  return {
    address: channel.address,
    sessions: channel.client(control.SessionServiceDefinition),
    repositories: channel.client(control.RepositoryServiceDefinition),
    policies: channel.client(control.PolicyServiceDefinition),
    health: channel.isServing,
    close: channel.close,
  };
}

/** The worker at `address`, for InputService; connects with the first call. */
export function connectInput(options: ConnectOptions): InputConnection {
  const channel = openChannel(options);
  return {
    address: channel.address,
    input: channel.client(control.InputServiceDefinition),
    health: channel.isServing,
    close: channel.close,
  };
}
