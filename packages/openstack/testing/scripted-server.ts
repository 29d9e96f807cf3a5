/**
 * A node:http server that answers from a script, for the behaviours of the transport: each request takes the next step of its path.
 * Keystone's part is answered by itself; every token has the serial number of its issue.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock, Random } from "@permafrost/std";
import type { AgentOptions } from "../src/index.ts";
import { type Cloud, type CloudConfig, openCloud } from "../src/index.ts";

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export type Step = (request: Seen, response: ServerResponse, raw: IncomingMessage) => void | Promise<void>;

export class ScriptedServer {
  readonly seen: Seen[] = [];
  /** Life of issued tokens; and what the next logins answer instead of a token. */
  tokenLifeMs = 3_600_000;
  readonly logins: Step[] = [];
  issued = 0;
  readonly #steps = new Map<string, Step[]>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Steps for requests whose path (without query) is `path`; the last one stays. */
  on(path: string, ...steps: Step[]): void {
    this.#steps.set(path, steps);
  }

  to(path: string): Seen[] {
    return this.seen.filter((one) => one.url.split("?")[0] === path);
  }

  config(): CloudConfig {
    return {
      name: "scripted",
      authUrl: `${this.url}/identity/v3`,
      credential: { kind: "password", label: "user u", user: { name: "u", domainId: "default" }, password: "hunter2" },
      scope: { kind: "project", project: { name: "p", domainId: "default" } },
      regionName: "R",
      interface: "public",
      verify: true,
      endpointOverrides: {},
    };
  }

  async open(clock: Clock, random: Random, agentOptions: AgentOptions = {}): Promise<Cloud> {
    return await openCloud(this.config(), { clock, random, agentOptions });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(raw: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of raw) parts.push(part as Buffer);
    } catch {
      // the client broke off: recorded with what came
    }
    const request: Seen = { method: raw.method ?? "", url: raw.url ?? "", headers: raw.headers, body: Buffer.concat(parts) };
    this.seen.push(request);
    const path = request.url.split("?")[0] ?? "";
    const steps = this.#steps.get(path);
    if (steps !== undefined) {
      const step = steps.length > 1 ? steps.shift() : steps[0];
      await step?.(request, response, raw);
    } else if (path === "/identity/v3/auth/tokens") {
      await (this.logins.shift() ?? ((_, r) => this.#issue(r)))(request, response, raw);
    } else if (path === "/volume/v3/") {
      await answer(200, { versions: [{ id: "v3.0", version: "3.71", min_version: "3.0" }] })(request, response, raw);
    } else {
      response.writeHead(404).end("no script");
    }
  }

  #issue(response: ServerResponse): void {
    const issuedAt = Date.UTC(2026, 0, 1);
    const endpoint = (type: string, path: string) => ({
      type,
      endpoints: [{ interface: "public", region_id: "R", url: `${this.url}${path}` }],
    });
    const token = {
      user: { id: "user-1", name: "u", domain: { id: "default", name: "Default" } },
      project: { id: "project-1", name: "p", domain: { id: "default", name: "Default" } },
      roles: [{ id: "r", name: "member" }],
      methods: ["password"],
      issued_at: new Date(issuedAt).toISOString(),
      expires_at: new Date(issuedAt + this.tokenLifeMs).toISOString(),
      catalog: [
        endpoint("image", "/image"),
        endpoint("volumev3", "/volume/v3/project-1"),
        endpoint("object-store", "/v1/AUTH_project-1"),
      ],
    };
    this.issued++;
    response
      .writeHead(201, { "x-subject-token": `token-${this.issued}`, "content-type": "application/json" })
      .end(JSON.stringify({ token }));
  }
}

/** A whole answer; objects as JSON. */
export function answer(status: number, body: unknown = "", headers: Record<string, string> = {}): Step {
  return (_, response) => {
    const text = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    response
      .writeHead(status, {
        ...(typeof body === "object" && !Buffer.isBuffer(body) ? { "content-type": "application/json" } : {}),
        ...headers,
      })
      .end(text);
  };
}

/** Ends the connection without an answer. */
export const hangUp: Step = (_, __, raw) => {
  raw.socket.destroy();
};

/** Announces `length` bytes, sends `sent` of them and ends the connection. */
export function cutAfter(status: number, bytes: Buffer, sent: number, headers: Record<string, string> = {}): Step {
  return (_, response, raw) => {
    response.writeHead(status, { "content-length": String(bytes.length), ...headers });
    response.write(bytes.subarray(0, sent), () => setImmediate(() => raw.socket.destroy()));
    if (sent === 0) response.flushHeaders();
  };
}

/** Answers Range as a store does. */
export function ranged(bytes: Buffer, headers: Record<string, string> = {}): Step {
  return (request, response) => {
    const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (match === null) return void response.writeHead(200, { "content-length": String(bytes.length), ...headers }).end(bytes);
    const start = Number(match[1]);
    const end = match[2] === "" ? bytes.length : Number(match[2]) + 1;
    response
      .writeHead(206, {
        "content-length": String(end - start),
        "content-range": `bytes ${start}-${end - 1}/${bytes.length}`,
        ...headers,
      })
      .end(bytes.subarray(start, end));
  };
}

/** A clock whose sleeps pass at once; they are kept in `slept`. */
export class InstantClock implements Clock {
  nowMs = Date.UTC(2026, 0, 1);
  readonly slept: number[] = [];
  now(): number {
    return this.nowMs;
  }
  monotonic(): number {
    return this.nowMs;
  }
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.slept.push(ms);
    this.nowMs += ms;
  }
}

/** Full jitter at its upper bound. */
export const steadyRandom: Random = { bytes: (length) => new Uint8Array(length), fraction: () => 1 };
