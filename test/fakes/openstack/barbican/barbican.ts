/**
 * Barbican v1 of the fake cloud: secrets, containers, access lists, free metadata, consumers, quotas. Shaped after Barbican 20 (2025.1)
 * with its default policy. An object's address is the URL it is given by; a payload is written once and never journalled.
 */

import { type Call, json, type Reply, type ServiceHandler } from "../http.ts";
import { UUID } from "../ids.ts";
import type { Identities, TokenRecord } from "../tokens.ts";
import { type Action, mayCreate, mayDo, mayList } from "./key-policy.ts";
import type { Acl, KeyStore, Secret, SecretContainer } from "./key-store.ts";
import {
  checkAcl,
  checkContainer,
  checkMetadata,
  checkSecret,
  checkSize,
  contentType,
  type Fields,
  fault,
  refuse,
  stripped,
} from "./secret-schema.ts";

const PAGE = 10;
const PAGE_MAX = 100;

const timeText = (ms: number) => new Date(ms).toISOString().slice(0, 19);

export class Barbican implements ServiceHandler {
  readonly #store: KeyStore;
  readonly #ids: Identities;
  readonly #keystoneUrl: () => string;

  constructor(store: KeyStore, ids: Identities, keystoneUrl: () => string) {
    this.#store = store;
    this.#ids = ids;
    this.#keystoneUrl = keystoneUrl;
  }

  unauthorized(): Reply {
    const error = { code: 401, title: "Unauthorized", message: "The request you have made requires authentication." };
    return json(401, { error }, { "www-authenticate": `Keystone uri="${this.#keystoneUrl()}"` });
  }

  async handle(call: Call): Promise<Reply> {
    const parts = decodeURIComponent(call.path)
      .split("/")
      .filter((part) => part !== "");
    if (parts.length === 0) return json(300, { versions: { values: [version(call)] } });
    const token = this.#ids.check(call.header("x-auth-token"));
    if (token === undefined || token.project === undefined) return this.unauthorized();
    call.identify(token);
    const [root, collection, id, sub, subId] = parts;
    if (root !== "v1") return fault(404, "");
    if (collection === undefined) return json(200, { version: version(call) });
    if (collection === "secrets") return await this.#secrets(call, token, id, sub, subId);
    if (collection === "containers") return await this.#containers(call, token, id, sub);
    if (collection === "quotas") return json(200, { quotas: this.#store.quotas(token.project.id) });
    if (collection === "project-quotas") return await this.#projectQuotas(call, token, id ?? "");
    return fault(404, "");
  }

  async #secrets(
    call: Call,
    token: TokenRecord,
    id: string | undefined,
    sub: string | undefined,
    subId: string | undefined,
  ): Promise<Reply> {
    const projectId = token.project?.id ?? "";
    if (id === undefined) {
      const what = call.method === "POST" ? "Secret creation" : "Secret(s) retrieval";
      if (!(call.method === "POST" ? mayCreate : mayList)(token)) return forbidden(what);
      if (call.method === "GET") {
        const { query } = call;
        const rows = this.#store
          .secretsOf(projectId)
          .filter(
            (each) =>
              like(query.get("name"), each.name) &&
              like(query.get("alg"), each.algorithm) &&
              like(query.get("mode"), each.mode) &&
              (query.get("bits") === null || String(each.bitLength) === query.get("bits")) &&
              (query.get("secret_type") === null || each.secretType === query.get("secret_type")),
          );
        return page(
          call,
          "secrets",
          rows.map((each) => secretView(call, each)),
        );
      }
      if (call.method !== "POST") return fault(405, "");
      needType(call, ["application/json"]);
      const asked = checkSecret(stripped(await needJson(call)), this.#store.nowMs());
      this.#checkQuota("secrets", "Secret creation", projectId, this.#store.secretsOf(projectId).length);
      const secret = this.#store.addSecret({ ...asked, projectId, creatorId: token.user.id });
      call.created("secret", secret.id);
      const secret_ref = refOf(call, "secrets", secret.id);
      return json(201, { secret_ref }, { location: secret_ref });
    }
    if (!UUID.test(id)) return fault(404, "Not Found. Provided secret id is invalid.");
    const secret = this.#store.secret(id);
    if (secret === undefined) return fault(404, "Secret not found.");
    const may = (action: Action) => mayDo(token, secret, action);
    if (sub === "acl") return await this.#acl(call, token, secret, "secrets", "SecretACL(s)");
    if (sub === "metadata") return await this.#metadata(call, secret, may(call.method === "GET" ? "see" : "change"), subId);
    if (sub === "consumers") return await this.#consumers(call, secret, may("see"), secretView);
    if (sub === "payload" || (sub === undefined && call.method === "GET" && !wantsJson(call))) {
      if (call.method !== "GET") return fault(405, "");
      const what = sub === undefined ? "Secret retrieval" : "Secret payload retrieval";
      return may("decrypt") ? payloadOf(call, secret, what) : forbidden(what);
    }
    if (sub !== undefined) return fault(404, "");
    if (call.method === "GET") return may("see") ? json(200, secretView(call, secret)) : forbidden("Secret retrieval");
    if (call.method === "PUT") return may("fill") ? await this.#fill(call, secret) : forbidden("Secret update");
    if (call.method !== "DELETE") return fault(405, "");
    if (!may("delete")) return forbidden("Secret deletion");
    this.#store.removeSecret(id);
    call.deleted("secret", id);
    return { status: 204 };
  }

  /** The payload of a secret that has none yet, as bytes. */
  async #fill(call: Call, secret: Secret): Promise<Reply> {
    needType(call, ["application/octet-stream", "text/plain"]);
    const pieces: Buffer[] = [];
    // Read as it comes: the journal must not see it.
    for await (const piece of call.pieces()) pieces.push(piece);
    const payload = Buffer.concat(pieces);
    if (payload.length === 0) return fault(400, "Secret update issue seen - No data supplied to process..");
    checkSize(payload, "Secret update");
    if (secret.payload !== undefined) return fault(409, "Secret already has data, cannot modify it.");
    const isBase64 = call.header("content-encoding") === "base64";
    secret.payload = isBase64 ? Buffer.from(payload.toString("latin1"), "base64") : payload;
    secret.contentType = contentType(call.header("content-type") ?? "");
    secret.updatedMs = this.#store.nowMs();
    return { status: 204 };
  }

  async #metadata(call: Call, secret: Secret, isAllowed: boolean, key: string | undefined): Promise<Reply> {
    if (!isAllowed) return forbidden("Secret metadata retrieval");
    if (key !== undefined) {
      const value = secret.metadata[key];
      if (value === undefined) return fault(404, "Secret metadata not found.");
      if (call.method === "GET") return json(200, { key, value });
      if (call.method !== "DELETE") return fault(405, "");
      delete secret.metadata[key];
      return { status: 204 };
    }
    if (call.method === "GET") return json(200, { metadata: secret.metadata });
    if (call.method !== "PUT") return fault(405, "");
    needType(call, ["application/json"]);
    secret.metadata = checkMetadata(stripped(await needJson(call)));
    return json(201, { metadata_ref: `${refOf(call, "secrets", secret.id)}/metadata` });
  }

  async #acl(
    call: Call,
    token: TokenRecord,
    of: Secret | SecretContainer,
    kind: "secrets" | "containers",
    what: string,
  ): Promise<Reply> {
    if (!mayDo(token, of, call.method === "GET" ? "see-acl" : "change"))
      return forbidden(`${what} ${call.method === "GET" ? "retrieval" : "Update"}`);
    if (call.method === "GET") return json(200, aclView(of.acl));
    if (call.method === "DELETE") {
      of.acl = undefined;
      return { status: 200 };
    }
    if (call.method !== "PUT" && call.method !== "PATCH") return fault(405, "");
    needType(call, ["application/json"]);
    const read = checkAcl(stripped(await needJson(call)));
    if (read !== undefined && call.method === "PUT") this.#store.setAcl(of, read.users ?? [], read["project-access"] ?? true);
    else if (read !== undefined) this.#store.setAcl(of, read.users, read["project-access"] ?? of.acl?.projectAccess ?? true);
    else if (call.method === "PUT") of.acl = undefined;
    return json(200, { acl_ref: `${refOf(call, kind, of.id)}/acl` });
  }

  async #containers(call: Call, token: TokenRecord, id: string | undefined, sub: string | undefined): Promise<Reply> {
    const projectId = token.project?.id ?? "";
    if (id === undefined) {
      const what = call.method === "POST" ? "Container creation" : "Containers(s) retrieval";
      if (!(call.method === "POST" ? mayCreate : mayList)(token)) return forbidden(what);
      if (call.method === "GET") {
        const [name, type] = [call.query.get("name"), call.query.get("type")];
        const rows = this.#store
          .containersOf(projectId)
          .filter((each) => (name === null || each.name === name) && (type === null || each.type === type));
        return page(
          call,
          "containers",
          rows.map((each) => containerView(call, each)),
        );
      }
      if (call.method !== "POST") return fault(405, "");
      needType(call, ["application/json"]);
      const asked = checkContainer(stripped(await needJson(call)), call.origin);
      this.#checkQuota("containers", "Container creation", projectId, this.#store.containersOf(projectId).length);
      for (const { name, secretId } of asked.secrets)
        if (this.#store.secret(secretId)?.projectId !== projectId)
          return fault(404, `Secret provided for '${name ?? "None"}' doesn't exist.`);
      const container = this.#store.addContainer({
        ...asked,
        secrets: [...asked.secrets],
        projectId,
        creatorId: token.user.id,
      });
      call.created("secret-container", container.id);
      const container_ref = refOf(call, "containers", container.id);
      return json(201, { container_ref }, { location: container_ref });
    }
    if (!UUID.test(id)) return fault(404, "Not Found. Provided container id is invalid.");
    const container = this.#store.containers.get(id);
    if (container === undefined) return fault(404, "Secrets container not found.");
    if (sub === "acl") return await this.#acl(call, token, container, "containers", "ContainerACL(s)");
    if (sub === "consumers") return await this.#consumers(call, container, mayDo(token, container, "see"), containerView);
    if (sub !== undefined) return fault(404, "");
    if (call.method === "GET")
      return mayDo(token, container, "see") ? json(200, containerView(call, container)) : forbidden("Container retrieval");
    if (call.method !== "DELETE") return fault(405, "");
    if (!mayDo(token, container, "delete")) return forbidden("Container deletion");
    this.#store.containers.delete(id);
    call.deleted("secret-container", id);
    return { status: 204 };
  }

  async #consumers<T extends Secret | SecretContainer>(
    call: Call,
    of: T,
    isAllowed: boolean,
    view: (call: Call, of: T) => Fields,
  ): Promise<Reply> {
    if (!isAllowed) return forbidden("Consumer retrieval");
    if (call.method === "GET") return page(call, "consumers", of.consumers);
    const asked = stripped(await needJson(call)) as Record<string, string>;
    const at = of.consumers.findIndex((each) => Object.entries(asked).every(([key, value]) => each[key] === value));
    if (call.method === "POST" && at < 0) of.consumers.push(asked);
    else if (call.method === "DELETE" && at < 0) return fault(404, "Not Found. Consumer not found.");
    else if (call.method === "DELETE") of.consumers.splice(at, 1);
    return json(200, view(call, of));
  }

  async #projectQuotas(call: Call, token: TokenRecord, projectId: string): Promise<Reply> {
    if (!token.roles.has("key-manager:service-admin")) return forbidden("Project Quotas");
    if (call.method === "GET") return json(200, { project_quotas: this.#store.quotas(projectId) });
    if (call.method === "DELETE") this.#store.setQuotas(projectId, undefined);
    else {
      const { project_quotas } = ((await needJson(call)) ?? {}) as { project_quotas?: Record<string, number> };
      this.#store.setQuotas(projectId, project_quotas ?? {});
    }
    return { status: 204 };
  }

  #checkQuota(resource: string, operation: string, projectId: string, used: number): void {
    const limit = this.#store.quotas(projectId)[resource] ?? -1;
    if (limit >= 0 && used >= limit)
      refuse(403, `${operation} issue seen - Creation not allowed because a quota has been reached.`);
  }
}

function forbidden(operation: string): Reply {
  return fault(403, `${operation} attempt not allowed - please review your user/project privileges`);
}

function wantsJson(call: Call): boolean {
  const accept = call.header("accept");
  return accept === undefined || accept === "application/json" || accept === "*/*";
}

function payloadOf(call: Call, secret: Secret, what: string): Reply {
  const { payload } = secret;
  if (payload === undefined) return fault(404, "Not Found. Sorry but your secret has no payload.");
  const accept = call.header("accept") ?? "application/octet-stream";
  const type = accept === "*/*" ? secret.contentType : contentType(accept);
  const isText = type === "text/plain";
  const wrong = () => fault(406, `${what} issue seen - Wrong payload content-type.`);
  if (type === undefined) return wrong();
  if (isText && !Buffer.from(Buffer.from(payload).toString("utf8"), "utf8").equals(payload)) return wrong();
  return { status: 200, headers: { "content-type": isText ? "text/plain; charset=UTF-8" : type }, body: payload };
}

function refOf(call: Call, kind: "secrets" | "containers", id: string): string {
  return `${call.origin}/v1/${kind}/${id}`;
}

/** Consumers of secrets came with microversion 1.1. */
function hasConsumers(call: Call): boolean {
  return /key-manager 1\.[1-9]/.test(call.header("openstack-api-version") ?? "");
}

function secretView(call: Call, secret: Secret): Fields {
  return {
    created: timeText(secret.createdMs),
    updated: timeText(secret.updatedMs),
    status: "ACTIVE",
    name: secret.name,
    secret_type: secret.secretType,
    expiration: secret.expirationMs === undefined ? null : timeText(secret.expirationMs),
    algorithm: secret.algorithm,
    bit_length: secret.bitLength,
    mode: secret.mode,
    creator_id: secret.creatorId,
    ...(secret.contentType === undefined ? {} : { content_types: { default: secret.contentType } }),
    ...(hasConsumers(call) ? { consumers: secret.consumers } : {}),
    secret_ref: refOf(call, "secrets", secret.id),
  };
}

function containerView(call: Call, container: SecretContainer): Fields {
  return {
    created: timeText(container.createdMs),
    updated: timeText(container.updatedMs),
    status: "ACTIVE",
    name: container.name,
    type: container.type,
    creator_id: container.creatorId,
    secret_refs: container.secrets.map(({ name, secretId }) => ({ name, secret_ref: refOf(call, "secrets", secretId) })),
    consumers: container.consumers,
    container_ref: refOf(call, "containers", container.id),
  };
}

function aclView(acl: Acl | undefined): Fields {
  if (acl === undefined) return { read: { "project-access": true } };
  return {
    read: {
      "project-access": acl.projectAccess,
      users: acl.users,
      created: timeText(acl.createdMs),
      updated: timeText(acl.updatedMs),
    },
  };
}

/** `limit` and `offset`, with links to the pages before and after. */
function page(call: Call, collection: string, rows: readonly unknown[]): Reply {
  const number = (name: string, otherwise: number) => {
    const said = call.query.get(name);
    return said === null || !/^-?\d+$/.test(said) ? otherwise : Number(said);
  };
  const offset = Math.max(0, number("offset", 0));
  const limit = Math.min(PAGE_MAX, Math.max(1, number("limit", PAGE)));
  if (rows.length === 0) return json(200, { [collection]: [], total: 0 });
  const link = (at: number) => {
    const more = new URLSearchParams([...call.query].filter(([key]) => key !== "limit" && key !== "offset")).toString();
    return `${call.origin}/v1/${collection}?limit=${limit}&offset=${at}${more === "" ? "" : `&${more}`}`;
  };
  return json(200, {
    [collection]: rows.slice(offset, offset + limit),
    ...(offset > 0 ? { previous: link(Math.max(0, offset - limit)) } : {}),
    ...(rows.length > offset + limit ? { next: link(offset + limit) } : {}),
    total: rows.length,
  });
}

function like(wanted: string | null, actual: string | null): boolean {
  return wanted === null || wanted === "" || wanted.toLowerCase() === actual?.toLowerCase();
}

function needType(call: Call, expected: readonly string[]): void {
  const said = (call.header("content-type") ?? "").split(";")[0]?.trim() ?? "";
  if (!expected.includes(said))
    refuse(415, `Unexpected content type. Expected content types are: [${expected.map((each) => `'${each}'`).join(", ")}]`);
}

async function needJson(call: Call): Promise<unknown> {
  return (await call.json()) ?? refuse(400, "Malformed JSON");
}

function version(call: Call): Fields {
  return {
    id: "v1",
    status: "stable",
    links: [
      { rel: "self", href: `${call.origin}/v1/` },
      { rel: "describedby", type: "text/html", href: "https://docs.openstack.org/" },
    ],
    "media-types": [{ base: "application/json", type: "application/vnd.openstack.key-manager-v1+json" }],
  };
}
