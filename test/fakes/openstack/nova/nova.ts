/**
 * Nova v2.1 of the fake cloud: routing and microversions 2.1 to 2.100, after Nova 31 (2025.1) with libvirt.
 * Servers use the fake Glance, Cinder and Neutron of the same cloud.
 */

import { type Call, json, Refusal, type Reply, type ServiceHandler } from "../http.ts";
import { Attachments } from "./attachments.ts";
import { ImageCreation } from "./create-image.ts";
import { Disks } from "./disks.ts";
import { Flavors } from "./flavors.ts";
import { KeyPairs } from "./key-pairs.ts";
import { fail, type NovaCall, noRoute, novaFault } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";
import { Quotas } from "./quotas.ts";
import { ServerActions } from "./server-actions.ts";
import { Builder } from "./server-build.ts";
import { ServerCreation } from "./server-create.ts";
import { ServerGroups } from "./server-groups.ts";
import { Servers } from "./servers.ts";

const VERSION_HEADERS = "OpenStack-API-Version, X-OpenStack-Nova-API-Version";

export class Nova implements ServiceHandler {
  readonly #state: NovaState;
  readonly #keystoneUrl: () => string;
  readonly #maxMinor: number;
  readonly #servers: Servers;
  readonly #creation: ServerCreation;
  readonly #actions: ServerActions;
  readonly #attachments: Attachments;
  readonly #keyPairs: KeyPairs;
  readonly #groups: ServerGroups;
  readonly #flavors: Flavors;
  readonly #quotas: Quotas;

  constructor(state: NovaState, keystoneUrl: () => string, maxMinor: number) {
    this.#state = state;
    this.#keystoneUrl = keystoneUrl;
    this.#maxMinor = maxMinor;
    const disks = new Disks(state);
    const builder = new Builder(state, disks);
    this.#servers = new Servers(state, builder);
    this.#creation = new ServerCreation(state, disks, builder);
    this.#actions = new ServerActions(state, new ImageCreation(state));
    this.#attachments = new Attachments(state, disks, this.#actions);
    this.#keyPairs = new KeyPairs(state);
    this.#groups = new ServerGroups(state);
    this.#flavors = new Flavors(state);
    this.#quotas = new Quotas(state);
  }

  unauthorized(): Reply {
    const error = { code: 401, title: "Unauthorized", message: "The request you have made requires authentication." };
    return json(401, { error }, { "www-authenticate": `Keystone uri="${this.#keystoneUrl()}"` });
  }

  async handle(call: Call): Promise<Reply> {
    const parts = call.path
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent);
    if (parts.length === 0) return this.#versions(call);
    if (parts[0] !== "v2.1") return json(404, { message: "The resource could not be found." });
    if (parts.length === 1) return json(200, { version: this.#version(call) });
    const token = this.#state.identities.check(call.header("x-auth-token"));
    if (token === undefined) return this.unauthorized();
    call.identify(token);
    const version = this.#microversion(call);
    if (typeof version !== "number") return version;
    const projectId = token.project?.id ?? "";
    // The project in the URL is of older catalogues; Nova ignores it.
    const rest = parts.slice(parts[1] === projectId ? 2 : 1);
    const context: NovaCall = {
      call,
      token,
      projectId,
      userId: token.user.id,
      admin: token.roles.has("admin"),
      version,
      parts: rest,
    };
    try {
      return this.#stamp(await this.#route(context), version);
    } catch (error) {
      if (error instanceof Refusal) return this.#stamp(error.reply, version);
      throw error;
    }
  }

  async #route(context: NovaCall): Promise<Reply> {
    const [top = "", id] = context.parts;
    switch (top) {
      case "servers":
        return this.#server(context);
      case "flavors":
        return this.#flavors.route(context);
      case "os-keypairs":
        return this.#keyPairs.route(context, id);
      case "os-server-groups":
        return this.#groups.route(context, id);
      case "limits":
        return this.#quotas.limits(context);
      case "os-quota-sets":
        return this.#quotas.quotaSet(context);
      case "os-availability-zone":
        return this.#quotas.zones(context, id);
      case "extensions":
        return json(200, { extensions: [] });
      default:
        return noRoute();
    }
  }

  async #server(context: NovaCall): Promise<Reply> {
    const [, id, sub, key] = context.parts;
    const { method } = context.call;
    if (id === undefined) {
      if (method === "POST") return this.#creation.run(context);
      return method === "GET" ? this.#servers.list(context, false) : noRoute();
    }
    if (id === "detail" && method === "GET") return this.#servers.list(context, true);
    if (sub === undefined) {
      if (method === "GET") return this.#servers.show(context, id);
      if (method === "PUT") return this.#servers.update(context, id);
      return method === "DELETE" ? this.#servers.remove(context, id) : noRoute();
    }
    if (sub === "metadata") return this.#servers.metadata(context, id, key);
    if (sub === "tags") return this.#servers.tags(context, id, key);
    if (sub === "ips") return this.#servers.addresses(context, id, key);
    await this.#state.transitions.settle(id);
    const server = this.#servers.find(context, id);
    if (sub === "os-volume_attachments") return this.#attachments.volumes(context, server, key);
    if (sub === "os-interface") return this.#attachments.interfaces(context, server, key);
    return sub === "action" && method === "POST" ? this.#actions.run(context, server) : noRoute();
  }

  #stamp(reply: Reply, version: number): Reply {
    const stamp = {
      "openstack-api-version": `compute 2.${version}`,
      "x-openstack-nova-api-version": `2.${version}`,
      vary: VERSION_HEADERS,
    };
    return { ...reply, headers: { ...reply.headers, ...stamp } };
  }

  #microversion(call: Call): number | Reply {
    const asked =
      (call.header("openstack-api-version") ?? "")
        .split(",")
        .map((each) => each.trim().split(/\s+/))
        .find(([service]) => service === "compute")?.[1] ?? call.header("x-openstack-nova-api-version");
    if (asked === undefined) return 1;
    if (asked === "latest") return this.#maxMinor;
    const match = /^([1-9]\d*)\.([1-9]\d*|0)$/.exec(asked);
    if (match === null)
      return novaFault(400, `API Version String ${asked} is of invalid format. Must be of format MajorNum.MinorNum.`);
    const [major, minor] = [Number(match[1]), Number(match[2])];
    if (major === 2 && minor >= 1 && minor <= this.#maxMinor) return minor;
    return novaFault(406, `Version ${asked} is not supported by the API. Minimum is 2.1 and maximum is 2.${this.#maxMinor}.`);
  }

  #version(call: Call): Record<string, unknown> {
    return {
      id: "v2.1",
      status: "CURRENT",
      version: `2.${this.#maxMinor}`,
      min_version: "2.1",
      updated: "2013-07-23T11:33:21Z",
      links: [
        { rel: "self", href: `${call.origin}/v2.1/` },
        { rel: "describedby", type: "text/html", href: "http://docs.openstack.org/" },
      ],
      "media-types": [{ base: "application/json", type: "application/vnd.openstack.compute+json;version=2.1" }],
    };
  }

  #versions(call: Call): Reply {
    if (call.method !== "GET") fail(404, "The resource could not be found.");
    const { "media-types": _types, ...version } = this.#version(call);
    const links = [{ rel: "self", href: `${call.origin}/v2.1/` }];
    const old = {
      id: "v2.0",
      status: "SUPPORTED",
      version: "",
      min_version: "",
      updated: "2011-01-21T11:33:21Z",
      links: [{ rel: "self", href: `${call.origin}/v2/` }],
    };
    return json(200, { versions: [old, { ...version, links }] });
  }
}
