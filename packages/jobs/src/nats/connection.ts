/**
 * One connection to NATS: options, start-up checks, and the translation of its errors into ours.
 *
 * It reconnects for ever, and rereads token and credentials each time, so that they can be rotated. `call` repeats work only when the
 * server said that the stream or consumer does not exist (so nothing was done) after making it again: this is how every
 * handle survives a server whose store was wiped. An unanswered request is never repeated here: it may have been done.
 */

import { readFileSync } from "node:fs";
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { jserrors } from "@nats-io/jetstream/internal";
import {
  AuthorizationError,
  ClosedConnectionError,
  ConnectionError,
  connect,
  credsAuthenticator,
  DrainingConnectionError,
  type NatsConnection,
  PermissionViolationError,
  RequestError,
  TimeoutError,
  tokenAuthenticator,
  UserAuthenticationExpiredError,
} from "@nats-io/transport-node";
import { CodedError } from "@permafrost/std";
import { busClosed, busUnreachable } from "../errors.ts";
import { VALUE_BYTES_MAX } from "../limits.ts";

export interface ConnectOptions {
  /** `host:port` or URLs of one cluster's members. */
  readonly servers: string | readonly string[];
  readonly token?: string;
  /** A file whose only content is the token. */
  readonly tokenFile?: string;
  /** A NATS credentials file (JWT and seed). */
  readonly credsFile?: string;
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  /** Shown by the server for this connection: role and node. */
  readonly name: string;
  /** Copies of every stream: 1, 3 or 5, not more than the cluster has servers. Default 1. */
  readonly replicas?: number;
}

const REQUEST_TIMEOUT_MS = 5_000;
const VERSION_MINIMUM = [2, 9, 10] as const;
/** Room in a message for headers. */
const HEADER_BYTES = 4_096;

/** Compares the first three numbers of `version`, such as `2.9.10` or `2.12.0-beta.1`. */
export function isVersionEnough(version: string, wanted: readonly [number, number, number] = VERSION_MINIMUM): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [index, minimum] of wanted.entries()) {
    const part = parts[index] ?? 0;
    if (part !== minimum) return part > minimum;
  }
  return true;
}

export class BusConnection {
  readonly nats: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly servers: string;
  readonly replicas: number;
  isConnected = true;
  #isClosing = false;
  readonly #listeners = new Set<(isConnected: boolean) => void>();

  private constructor(nats: NatsConnection, js: JetStreamClient, jsm: JetStreamManager, servers: string, replicas: number) {
    this.nats = nats;
    this.js = js;
    this.jsm = jsm;
    this.servers = servers;
    this.replicas = replicas;
    void this.#follow();
  }

  /** Connects and checks the server. Throws BUS_UNREACHABLE, BUS_DENIED, BUS_TOO_OLD or BUS_NO_JETSTREAM. */
  static async open(options: ConnectOptions): Promise<BusConnection> {
    const servers = typeof options.servers === "string" ? [options.servers] : [...options.servers];
    const shown = servers.map((server) => server.replace(/\/\/[^@/]*@/, "//")).join(", ");
    const { tokenFile, credsFile, token, tls } = options;
    const authenticators = [
      ...(token === undefined ? [] : [tokenAuthenticator(token)]),
      ...(tokenFile === undefined ? [] : [tokenAuthenticator(() => readFileSync(tokenFile, "utf8").trim())]),
      ...(credsFile === undefined ? [] : [credsAuthenticator(() => readFileSync(credsFile))]),
    ];
    // A file that cannot be read is said as such, not as an unreachable server.
    for (const file of [tokenFile, credsFile]) if (file !== undefined) readSecret(file);
    let nats: NatsConnection;
    try {
      nats = await connect({
        servers,
        name: options.name,
        timeout: REQUEST_TIMEOUT_MS,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 250,
        reconnectJitter: 250,
        reconnectJitterTLS: 250,
        pingInterval: 10_000,
        maxPingOut: 2,
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
        ...(authenticators.length === 0 ? {} : { authenticator: authenticators }),
        ...(tls === undefined ? {} : { tls }),
      });
    } catch (error) {
      throw translate(error, shown);
    }
    try {
      checkServer(nats, shown);
      const jsm = await jetstreamManager(nats, { timeout: REQUEST_TIMEOUT_MS });
      return new BusConnection(nats, jetstream(nats, { timeout: REQUEST_TIMEOUT_MS }), jsm, shown, options.replicas ?? 1);
    } catch (error) {
      await nats.close();
      throw translate(error, shown);
    }
  }

  /** Largest value that this server takes in one message. */
  get valueBytesMax(): number {
    return Math.min(VALUE_BYTES_MAX, (this.nats.info?.max_payload ?? 1024 * 1024) - HEADER_BYTES);
  }

  /** Does `work`; when its stream or consumer is gone, has `ensure` make it again and repeats. */
  async call<T>(work: () => Promise<T>, ensure: () => Promise<void>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (attempt >= 3 || !isMissing(error)) throw this.translate(error);
      }
      await ensure();
    }
  }

  translate(error: unknown): CodedError {
    return this.#isClosing ? busClosed() : translate(error, this.servers);
  }

  /** Tells `listener` of each loss and return of the connection, until the returned function is called. */
  onChange(listener: (isConnected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get isClosed(): boolean {
    return this.#isClosing;
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#tell(false);
    await this.nats.close();
  }

  async #follow(): Promise<void> {
    for await (const status of this.nats.status()) {
      if (status.type === "disconnect") this.#tell(false);
      if (status.type === "reconnect") this.#tell(true);
    }
  }

  #tell(isConnected: boolean): void {
    this.isConnected = isConnected;
    for (const listener of [...this.#listeners]) listener(isConnected);
  }
}

function readSecret(file: string): void {
  try {
    readFileSync(file);
  } catch (cause) {
    throw new CodedError("BUS_DENIED", `the credentials file ${file} cannot be read`, {
      facts: { file },
      hint: "Check the path and that this user may read it.",
      cause,
    });
  }
}

function checkServer(nats: NatsConnection, servers: string): void {
  const version = nats.info?.version ?? "0";
  const minimum = VERSION_MINIMUM.join(".");
  if (!isVersionEnough(version)) {
    throw new CodedError("BUS_TOO_OLD", `nats-server ${version} at ${servers} is older than ${minimum}`, {
      facts: { servers, version, minimum },
      hint: `Upgrade nats-server to ${minimum} or later; 2.12.7 or later is right for production.`,
    });
  }
  if (nats.info?.jetstream !== true) throw noJetStream(servers);
}

function noJetStream(servers: string, cause?: unknown): CodedError {
  return new CodedError("BUS_NO_JETSTREAM", `nats-server at ${servers} runs without JetStream`, {
    facts: { servers },
    hint: "Start nats-server with a `jetstream { store_dir: ... }` block (or -js), and enable it for this account.",
    retry: "later",
    cause,
  });
}

function isNoResponders(error: unknown): boolean {
  return error instanceof RequestError && error.isNoResponders();
}

/** The server knows no such stream or consumer; nothing was done. */
export function isMissing(error: unknown): boolean {
  if (error instanceof jserrors.StreamNotFoundError || error instanceof jserrors.ConsumerNotFoundError) return true;
  // A subject that no stream listens to has no responders; the client takes that for JetStream being off.
  if (error instanceof jserrors.JetStreamNotEnabled) return isNoResponders(error.cause);
  return isNoResponders(error);
}

function translate(error: unknown, servers: string): CodedError {
  if (error instanceof CodedError) return error;
  if (error instanceof jserrors.JetStreamNotEnabled || isNoResponders(error)) return noJetStream(servers, error);
  if (
    error instanceof AuthorizationError ||
    error instanceof PermissionViolationError ||
    error instanceof UserAuthenticationExpiredError
  ) {
    return new CodedError("BUS_DENIED", `nats-server at ${servers} refused this client: ${error.message}`, {
      facts: { servers },
      hint: "Check the token or credentials file of the nats block, and the permissions of its user.",
      cause: error,
    });
  }
  const isTransport =
    error instanceof TimeoutError ||
    error instanceof RequestError ||
    error instanceof ConnectionError ||
    error instanceof ClosedConnectionError ||
    error instanceof DrainingConnectionError;
  if (isTransport) return busUnreachable(servers, error);
  if (error instanceof jserrors.JetStreamApiError) {
    // 503: no leader at the moment, or starting.
    if (error.status === 503) return busUnreachable(servers, error);
    return new CodedError("BUS_FAILED", `nats-server at ${servers}: ${error.message}`, {
      facts: { servers, apiCode: error.code },
      hint: "See the log of nats-server; a full disk, an account limit or fewer servers than `replicas` are usual causes.",
      retry: "later",
      cause: error,
    });
  }
  if (isNetworkError(error)) return busUnreachable(servers, error);
  return CodedError.from(error);
}

function isNetworkError(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" && /^E[A-Z]+$/.test(code);
}
