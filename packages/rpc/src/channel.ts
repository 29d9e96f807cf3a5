/**
 * A connection to a Permafrost service and typed clients over it.
 *
 * Every failure of a call is a CodedError: the server's own, or NODE_UNREACHABLE, DEADLINE, CANCELLED and the like. Unary calls have a
 * deadline. gRPC's own retries are off: they would buffer a megabyte per call, and who calls knows better what may be repeated.
 */

import { type Clock, CodedError, systemClock } from "@permafrost/std";
import { type Client, type CompatServiceDefinition, createChannel, createClientFactory } from "nice-grpc";
import { type CallOptions, ClientError, type ClientMiddleware, type ClientMiddlewareCall, Metadata } from "nice-grpc-common";
import { HealthDefinition } from "nice-grpc-server-health";
import { channelCredentials, type TlsFiles } from "./credentials.ts";
import { decodeError, ERROR_METADATA_KEY } from "./error-wire.ts";
import {
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
  MESSAGE_BYTES_MAX,
  RECONNECT_MS,
  RECONNECT_MS_MAX,
  STREAM_WINDOW_BYTES,
  UNARY_TIMEOUT_MS,
} from "./limits.ts";

export interface ConnectOptions {
  /** `host:port`. */
  readonly address: string;
  readonly tls?: TlsFiles;
  /** Sent as bearer token. */
  readonly token?: string;
  /** Deadline of unary calls; default 30,000. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

/** `SERVING` of grpc.health.v1, whose enum the library does not export. */
const HEALTH_SERVING = 1;

/** What a call takes beside gRPC's options. */
export interface DeadlineOptions {
  /** Deadline of this call; the default of unary calls is the channel's, streams have none. */
  readonly timeoutMs?: number;
}

export interface RpcChannel {
  readonly address: string;
  /** A client whose calls fail with CodedErrors only. */
  client<Definition extends CompatServiceDefinition>(definition: Definition): Client<Definition, DeadlineOptions>;
  /** Whether the health service there says that all of it serves. */
  isServing(): Promise<boolean>;
  close(): void;
}

/** Connects when the first call is made. Throws CONFIG_INVALID when a file cannot be read. */
export function openChannel(options: ConnectOptions): RpcChannel {
  const { address, token, timeoutMs = UNARY_TIMEOUT_MS, clock = systemClock } = options;
  const security = channelCredentials(address, options.tls);
  const channel = createChannel(address, security.credentials, {
    ...security.options,
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
    "grpc-node.flow_control_window": STREAM_WINDOW_BYTES,
    "grpc.enable_retries": 0,
    "grpc.use_local_subchannel_pool": 1, // one connection of its own, so that streams of two stores do not share a window
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc.initial_reconnect_backoff_ms": RECONNECT_MS,
    "grpc.max_reconnect_backoff_ms": RECONNECT_MS_MAX,
  });
  const factory = createClientFactory().use(callMiddleware(address, token, timeoutMs, clock));
  const health = factory.create(HealthDefinition, channel);
  return {
    address,
    isServing: async () => (await health.check({ service: "" })).status === HEALTH_SERVING,
    client: (definition) => factory.create(definition, channel),
    close: () => channel.close(),
  };
}

function callMiddleware(
  address: string,
  token: string | undefined,
  unaryTimeoutMs: number,
  clock: Clock,
): ClientMiddleware<DeadlineOptions> {
  return async function* callWithErrors<Request, Response>(
    call: ClientMiddlewareCall<Request, Response>,
    options: CallOptions & DeadlineOptions,
  ) {
    const isUnary = !call.requestStream && !call.responseStream;
    const timeoutMs = options.timeoutMs ?? (isUnary ? unaryTimeoutMs : undefined);
    const done = new AbortController();
    const deadline = timeoutMs === undefined ? undefined : deadlineAfter(timeoutMs, done.signal, clock);
    const signals = [options.signal, deadline].filter((signal) => signal !== undefined);
    let trailer: Uint8Array | undefined;
    try {
      return yield* call.next(call.request, {
        ...options,
        ...(signals.length > 0 && { signal: AbortSignal.any(signals) }),
        metadata:
          token === undefined
            ? (options.metadata ?? Metadata())
            : Metadata(options.metadata).set("authorization", `Bearer ${token}`),
        onTrailer(metadata) {
          trailer = metadata.get(ERROR_METADATA_KEY);
          options.onTrailer?.(metadata);
        },
      });
    } catch (error) {
      if (error instanceof ClientError) throw decodeError(error.code, error.details, trailer, address);
      if (options.signal?.aborted) {
        throw new CodedError("CANCELLED", `the call to ${address} was cancelled`, { facts: { peer: address }, cause: error });
      }
      if (deadline?.aborted) {
        throw new CodedError("DEADLINE", `${address} did not answer ${call.method.path} in ${timeoutMs} ms`, {
          facts: { peer: address, method: call.method.path, timeoutMs },
          hint: "the service may be overloaded; try again",
          retry: "later",
          cause: error,
        });
      }
      throw CodedError.from(error);
    } finally {
      done.abort();
    }
  };
}

/** A signal that is aborted after `timeoutMs`, unless `done` comes first. */
function deadlineAfter(timeoutMs: number, done: AbortSignal, clock: Clock): AbortSignal {
  const deadline = new AbortController();
  clock.sleep(timeoutMs, done).then(
    () => deadline.abort(),
    () => undefined, // answered in time
  );
  return deadline.signal;
}
