/**
 * A gRPC server as every Permafrost service runs one: bound safely, authenticated, errors mapped, with health and reflection,
 * stopped in bounded time.
 *
 * Promises: no service call runs without the token when there is one, and with the read token only what reads; no stack or foreign error text reaches a client; a failed
 * call with an unknown error is logged here, since the client will not see it.
 */

import { readFileSync } from "node:fs";
import { isLoopback, readTokenFile } from "@permafrost/runtime";
import { type Clock, CodedError, systemClock } from "@permafrost/std";
import { type CompatServiceDefinition, createServer, type ServiceImplementation } from "nice-grpc";
import { type CallContext, ServerError, type ServerMiddleware, type ServerMiddlewareCall } from "nice-grpc-common";
import { HealthDefinition, HealthServiceImpl, HealthState } from "nice-grpc-server-health";
import { ServerReflection, ServerReflectionService } from "nice-grpc-server-reflection";
import { bearerMatches, hostOf, serverCredentials, type TlsFiles } from "./credentials.ts";
import { statusOf } from "./error-table.ts";
import { ERROR_METADATA_KEY, encodeError, publicError } from "./error-wire.ts";
import { CALLS_PER_CONNECTION_MAX, KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS, MESSAGE_BYTES_MAX } from "./limits.ts";
import { serverWindow } from "./server-window.ts";

/** What a server needs of a logger; pino's has it. */
export interface RpcLogger {
  error(fields: object, message: string): void;
}

/** A service and who answers for it; make one with `serve`. */
export interface ServiceBinding {
  readonly definition: CompatServiceDefinition;
  readonly implementation: ServiceImplementation<CompatServiceDefinition>;
  readonly fullName: string;
  /** Names of the methods that only read, as the proto has them: all that the read token opens. */
  readonly readMethods?: readonly string[];
}

/** Binds generated definition and implementation, checked against each other. */
export function serve<Definition extends CompatServiceDefinition & { readonly fullName: string }>(
  definition: Definition,
  implementation: ServiceImplementation<Definition>,
  readMethods: readonly string[] = [],
): ServiceBinding {
  return {
    readMethods,
    definition,
    implementation: implementation as ServiceImplementation<CompatServiceDefinition>,
    fullName: definition.fullName,
  };
}

export interface ServerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string;
  /** Mutual TLS; needed beyond loopback. */
  readonly tls?: TlsFiles;
  /** Callers must send this bearer token. At most one of the two. */
  readonly token?: string;
  readonly tokenFile?: string;
  /** Another token, for callers that may only call the services' `readMethods`. Needs the token beside it. */
  readonly readTokenFile?: string;
  readonly services: readonly ServiceBinding[];
  /** Default true. Beyond loopback it needs the token like any service. */
  readonly reflection?: boolean;
  /** Default true. */
  readonly health?: boolean;
  readonly logger?: RpcLogger;
  /** How long `stop` waits for running calls; default 10,000. */
  readonly drainMs?: number;
  readonly clock?: Clock;
}

export interface RunningServer {
  /** `host:port` with the port that was bound. */
  readonly address: string;
  readonly port: number;
  /** What the health service answers for the whole server and each of its services. */
  setHealthy(isHealthy: boolean): void;
  /** Connections whose receive window was enlarged. */
  tunedConnections(): number;
  /** Health says no, no new calls, running ones get `drainMs`, then all end. Idempotent. */
  stop(): Promise<void>;
}

/** Throws LISTEN_NEEDS_TLS, CONFIG_INVALID (unreadable files), TOKEN_FILE_* (see readTokenFile), LISTEN_FAILED (address in use or not ours). */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { listen, services, logger, drainMs = 10_000, clock = systemClock } = options;
  const credentials = serverCredentials(listen, options.tls);
  const token = options.token ?? (options.tokenFile === undefined ? undefined : await readTokenFile(options.tokenFile));
  const readToken = options.readTokenFile === undefined ? undefined : await readTokenFile(options.readTokenFile);
  if (readToken !== undefined && (token === undefined || readToken === token))
    throw new CodedError("CONFIG_INVALID", "readTokenFile needs a token of its own, beside that of tokenFile", {
      hint: "make another one: openssl rand -hex 32",
    });
  const readPaths = services.flatMap(({ fullName, readMethods = [] }) => readMethods.map((name) => `/${fullName}/${name}`));
  const window = serverWindow();
  const grpcOptions = {
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
    "grpc.max_concurrent_streams": CALLS_PER_CONNECTION_MAX,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    interceptors: [window.interceptor],
  };
  const server = createServer(grpcOptions).use(errorMiddleware(logger));
  const authenticated = token === undefined ? server : server.with(tokenMiddleware(token, readToken, new Set(readPaths)));
  for (const { definition, implementation } of services) authenticated.add(definition, implementation);

  const state = HealthState();
  const setHealthy = (isHealthy: boolean) => {
    for (const name of ["", ...services.map((service) => service.fullName)])
      state.setStatus(isHealthy ? "healthy" : "unhealthy", name);
  };
  setHealthy(true);
  if (options.health ?? true) server.add(HealthDefinition, HealthServiceImpl(state));
  if (options.reflection ?? true) {
    const descriptors = readFileSync(new URL("./gen/descriptors.binpb", import.meta.url));
    const names = services.map((service) => service.fullName);
    (isLoopback(listen) ? server : authenticated).add(ServerReflectionService, ServerReflection(descriptors, names));
  }

  let port: number;
  try {
    port = await server.listen(listen, credentials);
  } catch (cause) {
    throw new CodedError("LISTEN_FAILED", `cannot listen on ${listen}: ${(cause as Error).message}`, {
      facts: { listen },
      hint: "is another process listening there? Does the address belong to this machine?",
      cause,
    });
  }

  const stop = async () => {
    setHealthy(false);
    const drained = new AbortController();
    const limit = clock.sleep(drainMs, drained.signal).then(
      () => server.forceShutdown(),
      () => undefined, // drained in time
    );
    await server.shutdown();
    drained.abort();
    await limit;
  };
  let stopping: Promise<void> | undefined;
  const host = hostOf(listen);
  return {
    address: `${host.includes(":") ? `[${host}]` : host}:${port}`,
    port,
    setHealthy,
    tunedConnections: window.tuned,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** Both tokens are compared with whatever was sent, so that the time tells nothing of which it may have been. */
function tokenMiddleware(token: string, readToken: string | undefined, readPaths: ReadonlySet<string>): ServerMiddleware {
  return async function* authenticate<Request, Response>(call: ServerMiddlewareCall<Request, Response>, context: CallContext) {
    const sent = context.metadata.get("authorization");
    const isReader = readToken !== undefined && bearerMatches(sent, readToken);
    if (!bearerMatches(sent, token) && !isReader) {
      throw new CodedError("UNAUTHENTICATED", "this service needs a bearer token, and not the one that was sent", {
        facts: { method: call.method.path },
        hint: "set the token of this cluster (tokenFile in the configuration)",
      });
    }
    if (isReader && !readPaths.has(call.method.path)) {
      throw new CodedError("READ_ONLY_TOKEN", "the token that was sent may only read", { facts: { method: call.method.path } });
    }
    return yield* call.next(call.request, context);
  };
}

function errorMiddleware(logger: RpcLogger | undefined): ServerMiddleware {
  return async function* mapErrors<Request, Response>(call: ServerMiddlewareCall<Request, Response>, context: CallContext) {
    try {
      return yield* call.next(call.request, context);
    } catch (error) {
      if (context.signal.aborted || error instanceof ServerError) throw error; // the client has gone, or gRPC's own words
      const said = publicError(error);
      if (said.code === "INTERNAL") logger?.error({ err: error, method: call.method.path }, "a call failed unexpectedly");
      context.trailer.set(ERROR_METADATA_KEY, encodeError(said));
      throw new ServerError(statusOf(said), said.message);
    }
  };
}
