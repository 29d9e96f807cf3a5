/**
 * HTTP plumbing of the fake services: request in, journal entry, faults, handler, reply out.
 *
 * A handler gets a `Call` and returns a `Reply`, or throws one. Bodies are byte sources read piece by piece with
 * back-pressure, so an image of a gibibyte costs one piece of memory. Every fault that touches bytes on the wire is
 * applied here, and the journal counts what was really written.
 */

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "@permafrost/std";
import type { FaultAction, Faults } from "./faults.ts";
import { type Journal, type JournalEntry, type ServiceName, summarise } from "./journal.ts";
import type { TokenRecord } from "./tokens.ts";

const PIECE_BYTES = 262_144;

export interface ByteSource {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** For HEAD the body is not sent, but its length is. */
  readonly body?: string | Uint8Array | ByteSource;
  /** No Content-Length: chunked. */
  readonly chunked?: boolean;
}

/** Thrown by a handler to answer at once. */
export class Refusal extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super(`refused with ${reply.status}`);
    this.reply = reply;
  }
}

export function json(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}

/** One request as handlers and fault hooks see it. */
export class Call {
  readonly service: ServiceName;
  readonly method: string;
  /** Path as sent, still percent-encoded. */
  readonly path: string;
  /** Path and query as sent. */
  readonly target: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly origin: string;
  readonly entry: JournalEntry;
  readonly request: IncomingMessage;
  /** Set by the service once the token was checked. */
  token: TokenRecord | undefined;
  /** What a `fail` fault asks: the work this request starts shall end in an error. */
  fails = false;
  #body: Promise<Buffer> | undefined;

  constructor(service: ServiceName, request: IncomingMessage, origin: string, entry: JournalEntry) {
    this.service = service;
    this.request = request;
    this.method = request.method ?? "GET";
    this.target = request.url ?? "/";
    const cut = this.target.indexOf("?");
    this.path = cut < 0 ? this.target : this.target.slice(0, cut);
    this.query = new URLSearchParams(cut < 0 ? "" : this.target.slice(cut + 1));
    this.headers = { ...request.headers };
    this.origin = origin;
    this.entry = entry;
  }

  header(name: string): string | undefined {
    const value = this.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  identify(token: TokenRecord): TokenRecord {
    this.token = token;
    this.entry.project = token.project?.id ?? "";
    this.entry.user = token.user.id;
    return token;
  }

  created(kind: string, id: string): void {
    this.entry.created.push({ kind, id });
  }

  deleted(kind: string, id: string): void {
    this.entry.deleted.push({ kind, id });
  }

  /** The body in pieces, counted in the journal. An upload that breaks off throws. */
  async *pieces(): AsyncGenerator<Buffer> {
    for await (const piece of this.request) {
      this.entry.requestBytes += piece.length;
      yield piece;
    }
  }

  body(): Promise<Buffer> {
    this.#body ??= (async () => {
      const parts: Buffer[] = [];
      for await (const piece of this.pieces()) parts.push(piece);
      const whole = Buffer.concat(parts);
      if (whole[0] === 0x7b || whole[0] === 0x5b) this.entry.body = summarise(whole.subarray(0, 65_536).toString("utf8"));
      return whole;
    })();
    return this.#body;
  }

  /** The JSON body; `undefined` when it is not JSON. */
  async json(): Promise<unknown> {
    const body = await this.body();
    try {
      return JSON.parse(body.toString("utf8"));
    } catch {
      return undefined;
    }
  }
}

export interface ServiceHandler {
  handle(call: Call): Promise<Reply> | Reply;
  unauthorized(call: Call): Reply;
}

export interface FakeServer {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

export interface ServerContext {
  readonly service: ServiceName;
  readonly handler: ServiceHandler;
  readonly journal: Journal;
  readonly faults: Faults;
  readonly clock: Clock;
  /** Expires a token at once. */
  readonly expireToken: (id: string) => void;
  readonly freeze: (id: string, polls: number) => void;
}

export async function listen(context: ServerContext, host: string, port: number): Promise<FakeServer> {
  const server: Server = createServer((request, response) => {
    void serve(context, request, response).catch((error: unknown) => {
      // A body that cannot go on, such as a large object whose segment has gone, ends with the connection.
      if (response.headersSent) {
        response.destroy();
        return;
      }
      response.writeHead(500, { "content-type": "text/plain" });
      response.end(`fake cloud: ${error instanceof Error ? error.stack : String(error)}`);
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${host}:${bound}`,
    port: bound,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(context: ServerContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { journal, clock, service } = context;
  const target = request.url ?? "/";
  const [path = "/", query = ""] = target.split(/\?(.*)/s);
  const entry = journal.open({ atMs: clock.now(), service, method: request.method ?? "GET", path, query });
  const call = new Call(service, request, `http://${request.headers.host ?? "127.0.0.1"}`, entry);
  response.on("error", () => {});
  const action = context.faults.take(call, entry) ?? {};
  if (action.delayMs !== undefined) await clock.sleep(action.delayMs);
  await action.hook?.(call);
  if (action.drop === "before") {
    entry.outcome = "dropped";
    request.socket.destroy();
    return;
  }
  if (action.ignoreRange === true) delete call.headers.range;
  if (action.paginationLoop === true) call.query.delete("marker");
  call.fails = action.fail ?? false;
  const reply = await answer(context, call, action);
  entry.status = reply.status;
  if (action.freeze !== undefined) for (const id of frozenIds(call)) context.freeze(id, action.freeze.polls);
  await action.hookAfter?.(call, reply);
  if (action.drop === "after") {
    entry.outcome = "dropped";
    request.socket.destroy();
    return;
  }
  if (!request.readableEnded) request.resume();
  await send(context, call, reply, action, response);
}

async function answer(context: ServerContext, call: Call, action: FaultAction): Promise<Reply> {
  if (action.unauthorized === true) return context.handler.unauthorized(call);
  if (action.html === true) {
    return { status: 200, headers: { "content-type": "text/html" }, body: "<html><body><h1>Maintenance</h1></body></html>" };
  }
  if (action.status !== undefined) {
    const type = action.body?.startsWith("{") === true ? "application/json" : "text/html; charset=UTF-8";
    return { status: action.status, headers: { "content-type": type, ...action.headers }, body: action.body ?? "" };
  }
  try {
    const reply = await context.handler.handle(call);
    return action.headers === undefined ? reply : { ...reply, headers: { ...reply.headers, ...action.headers } };
  } catch (error) {
    if (error instanceof Refusal) return error.reply;
    throw error;
  }
}

function frozenIds(call: Call): string[] {
  if (call.entry.created.length > 0) return call.entry.created.map((ref) => ref.id);
  return call.path.match(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g) ?? [];
}

async function send(
  context: ServerContext,
  call: Call,
  reply: Reply,
  action: FaultAction,
  response: ServerResponse,
): Promise<void> {
  const { entry } = call;
  const source = sourceOf(reply.body);
  const headers: Record<string, string> = { ...reply.headers };
  const bodiless = reply.status === 204 || reply.status === 304;
  const clean = action.endCleanly === true && action.truncateAfterBytes !== undefined;
  if (reply.chunked !== true && !clean && !(bodiless && headers["content-length"] === undefined)) {
    headers["content-length"] ??= String(source.size + (action.contentLengthDelta ?? 0));
  }
  if (action.contentLengthDelta !== undefined) headers.connection = "close";
  response.writeHead(reply.status, headers);
  if (call.method === "HEAD" || bodiless) {
    response.end();
    entry.outcome = "sent";
    return;
  }
  const cutAt = Math.min(
    action.truncateAfterBytes ?? Number.POSITIVE_INFINITY,
    action.expireTokenAtByte ?? Number.POSITIVE_INFINITY,
    source.size,
  );
  const stops = [action.midBody?.atByte, action.corruptByteAt, cutAt].filter((at) => at !== undefined);
  entry.outcome = "cut";
  for (let at = 0; ; ) {
    if (action.midBody?.atByte === at) await action.midBody.run();
    if (at >= cutAt) break;
    const stop = Math.min(at + PIECE_BYTES, cutAt, ...stops.filter((edge) => edge > at));
    const piece = at === action.corruptByteAt ? Buffer.from(source.read(at, stop - at)) : source.read(at, stop - at);
    if (at === action.corruptByteAt) piece[0] = (piece[0] ?? 0) ^ 0xff;
    if (!(await write(response, piece))) return;
    entry.responseBytes += piece.length;
    at = stop;
  }
  if (action.expireTokenAtByte !== undefined && call.token !== undefined) context.expireToken(call.token.id);
  const short = action.truncateAfterBytes !== undefined || action.expireTokenAtByte !== undefined;
  entry.outcome = short ? "cut" : "sent";
  if ((short && !clean) || (action.contentLengthDelta ?? 0) > 0) {
    // Bytes already written must reach the client before the connection breaks.
    await new Promise<void>((resolve) => (response.socket === null ? resolve() : response.socket.write("", () => resolve())));
    response.destroy();
    return;
  }
  response.end();
}

function write(response: ServerResponse, piece: Uint8Array): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  if (response.write(piece)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const settle = (alive: boolean) => () => {
      response.off("drain", onDrain);
      response.off("close", onClose);
      resolve(alive);
    };
    const onDrain = settle(true);
    const onClose = settle(false);
    response.once("drain", onDrain);
    response.once("close", onClose);
  });
}

function sourceOf(body: Reply["body"]): ByteSource {
  if (body === undefined) return { size: 0, read: () => new Uint8Array(0) };
  if (typeof body === "string") return sourceOf(Buffer.from(body, "utf8"));
  if (body instanceof Uint8Array) return { size: body.length, read: (offset, length) => body.subarray(offset, offset + length) };
  return body;
}

/** What a Range header asks of `size` bytes: `[first, last]`, all, or nothing that exists. */
export function parseRange(
  header: string | undefined,
  size: number,
): { first: number; last: number } | "whole" | "malformed" | "multiple" | "outside" {
  if (header === undefined) return "whole";
  if (/^bytes=.*,/.test(header)) return "multiple";
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (match === null || (match[1] === "" && match[2] === "")) return "malformed";
  if (match[1] === "") {
    const length = Number(match[2]);
    return length === 0 || size === 0 ? "outside" : { first: Math.max(0, size - length), last: size - 1 };
  }
  const first = Number(match[1]);
  const last = match[2] === "" ? size - 1 : Number(match[2]);
  if (match[2] !== "" && last < first) return "malformed";
  return first >= size ? "outside" : { first, last: Math.min(last, size - 1) };
}

/** A part of a byte source. */
export function slice(source: ByteSource, first: number, last: number): ByteSource {
  return {
    size: last - first + 1,
    read: (offset, length) => source.read(first + offset, Math.min(length, last - first + 1 - offset)),
  };
}
