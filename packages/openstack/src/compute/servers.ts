/** Nova v2.1 servers, as the API gives them. https://docs.openstack.org/api-ref/compute/#servers-servers */

import type { JsonObject } from "@permafrost/std";
import { listAll, nextOf } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";
import type { ApiObject } from "../rest/collection.ts";
import { type WaitOptions, waitForStatus, waitUntilGone } from "../wait.ts";

export interface ServersApi {
  /** With details. A server whose cell is down comes with `id`, `status` (`UNKNOWN`) and little else. */
  listServers(query?: { readonly name?: string }): AsyncIterable<ApiObject>;
  getServer(id: string): Promise<ApiObject>;
  /** `hints` are the scheduler's. Status `BUILD`. Throws QUOTA_EXCEEDED, CONFLICT (a port is in use), OUTCOME_UNKNOWN. */
  createServer(fields: JsonObject, hints?: JsonObject): Promise<{ readonly id: string }>;
  /** Name, description, hostname, access addresses. */
  updateServer(id: string, changes: JsonObject): Promise<ApiObject>;
  /** Accepted, or already gone. CONFLICT while it is locked, unless an administrator asks. */
  deleteServer(id: string): Promise<void>;
  /** In a wanted status and with no task under way. */
  waitForServer(id: string, wanted: readonly string[], options?: WaitOptions): Promise<ApiObject>;
  waitForServerGone(id: string, options?: WaitOptions): Promise<void>;
}

/** A status of Nova's may be reached while a task still goes on; that is shown as this. */
const BUSY = "busy";
const PASSING = ["BUILD", BUSY, "ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "REBOOT", "HARD_REBOOT", "UNKNOWN"];
/** One that cannot be removed goes back to what it was: it is asked for until the deadline. */
const GOING = [...PASSING, "ERROR", "SOFT_DELETED", "RESCUE", "SHELVED", "SHELVED_OFFLOADED", "VERIFY_RESIZE", "RESIZE"];

interface ServerPage {
  servers: ApiObject[];
  servers_links?: { rel?: string; href?: string }[];
}

export function serversApi(client: ServiceClient): ServersApi {
  const path = (id: string) => `/servers/${encodeURIComponent(id)}`;

  async function getServer(id: string): Promise<ApiObject> {
    return (await client.json<{ server: ApiObject }>({ method: "GET", path: path(id), expect: [200] })).server;
  }

  async function* listServers(query: { readonly name?: string } = {}): AsyncGenerator<ApiObject> {
    const found = listAll<ServerPage, ApiObject>(client, {
      path: "/servers/detail",
      // A regular expression for Nova: compared here again.
      query: query.name === undefined ? {} : { name: `^${query.name.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")}$` },
      expect: [200],
      items: (page) => page.servers,
      next: (page) => nextOf(page.servers_links),
    });
    for await (const server of found) if (query.name === undefined || server.name === query.name) yield server;
  }

  return {
    listServers,
    getServer,
    async createServer(fields, hints) {
      const body = await client.json<{ server: { id: string } }>({
        method: "POST",
        path: "/servers",
        json: { server: fields, ...(hints === undefined ? {} : { "os:scheduler_hints": hints }) },
        expect: [202],
      });
      return { id: body.server.id };
    },
    async updateServer(id, changes) {
      const call = { method: "PUT", path: path(id), json: { server: changes }, expect: [200] } as const;
      return (await client.json<{ server: ApiObject }>(call)).server;
    },
    async deleteServer(id) {
      await client.send({ method: "DELETE", path: path(id), expect: [204, 404] });
    },
    waitForServer: (id, wanted, options = {}) =>
      waitForStatus({
        clock: client.clock,
        random: client.random,
        kind: "server",
        id,
        get: () => getServer(id),
        status: (s) => (taskOf(s) === "" ? String(s.status) : BUSY),
        wanted,
        passing: PASSING,
        options,
      }),
    waitForServerGone: (id, options = {}) =>
      waitUntilGone({
        clock: client.clock,
        random: client.random,
        kind: "server",
        id,
        get: () => getServer(id),
        status: (s) => (s.status === "DELETED" ? "deleted" : String(s.status)),
        passing: GOING,
        options,
      }),
  };
}

/** What Nova is doing with the server at this moment; empty for nothing. One in error has nothing going on, whatever it says. */
function taskOf(server: ApiObject): string {
  const task = server["OS-EXT-STS:task_state"];
  return server.status === "ERROR" || typeof task !== "string" ? "" : task;
}
