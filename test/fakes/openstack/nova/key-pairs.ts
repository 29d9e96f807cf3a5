/** os-keypairs: each user's own public keys. Nova can no longer make a pair from 2.92 on; then it only imports. */

import { createHash, generateKeyPairSync } from "node:crypto";
import { json, type Reply } from "../http.ts";
import type { KeyPair } from "./compute.ts";
import { check } from "./json-schema.ts";
import { bodyOf, databaseTime, fail, forbid, NO_CONTENT, type NovaCall, noRoute, pageOf } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";
import { createKeyPair } from "./schemas.ts";

export class KeyPairs {
  readonly #state: NovaState;

  constructor(state: NovaState) {
    this.#state = state;
  }

  async route(context: NovaCall, name: string | undefined): Promise<Reply> {
    const { method, query } = context.call;
    if (name === undefined && method === "POST") return this.#create(context);
    const userId = (context.version >= 10 ? query.get("user_id") : null) ?? context.userId;
    const verb = method === "DELETE" ? "delete" : name === undefined ? "index" : "show";
    if (userId !== context.userId && !context.admin) forbid(`os-keypairs:${verb}`);
    if (name === undefined) return method === "GET" ? this.#list(context, userId) : noRoute();
    const pair = this.#state.compute.keyPairs.get(`${userId}/${name}`);
    if (pair === undefined) fail(404, `Keypair ${name} not found for user ${userId}`);
    if (method === "GET") return json(200, { keypair: view(context, pair, "show") });
    if (method !== "DELETE") return noRoute();
    this.#state.compute.keyPairs.delete(`${userId}/${name}`);
    context.call.deleted("keypair", `${userId}/${name}`);
    return context.version === 1 ? { status: 202, headers: { "content-length": "0" } } : NO_CONTENT;
  }

  #list(context: NovaCall, userId: string): Reply {
    const all = this.#state.compute.keyPairsOf(userId);
    const paged = context.version >= 35;
    const { shown, next } = paged
      ? pageOf(
          context,
          all,
          this.#state.pageSize,
          (pair) => pair.name,
          (marker) => `Marker ${marker} could not be found.`,
        )
      : { shown: all, next: undefined };
    const answer: Record<string, unknown> = { keypairs: shown.map((pair) => ({ keypair: view(context, pair, "list") })) };
    if (next !== undefined) answer.keypairs_links = [{ rel: "next", href: next }];
    return json(200, answer);
  }

  async #create(context: NovaCall): Promise<Reply> {
    const { compute } = this.#state;
    const body = await bodyOf(context);
    check(createKeyPair(context.version), body);
    const wanted = body.keypair as { name: string; public_key?: string; type?: "ssh" | "x509"; user_id?: string };
    const allowed = context.version >= 92 ? /^[\w .@-]+$/ : /^[\w .-]+$/;
    const characters = context.version >= 92 ? "'@._- '" : "'_- '";
    if (!allowed.test(wanted.name) || (context.version < 92 && wanted.name.includes(".")))
      fail(
        400,
        `An invalid 'name' value was provided. The name must be: Only expected characters: ${characters}, letters and digits`,
      );
    const userId = wanted.user_id ?? context.userId;
    if (userId !== context.userId && !context.admin) forbid("os-keypairs:create");
    const limit = compute.quota(context.projectId).key_pairs ?? -1;
    if (limit >= 0 && compute.keyPairsOf(userId).length >= limit) fail(403, "Quota exceeded, too many key pairs.");
    let publicKey = wanted.public_key;
    let privateKey: string | undefined;
    if (publicKey === undefined) {
      const made = generateKeyPairSync("rsa", { modulusLength: 1024 });
      privateKey = String(made.privateKey.export({ type: "pkcs1", format: "pem" }));
      publicKey = `ssh-rsa ${Buffer.from(made.publicKey.export({ type: "spki", format: "der" })).toString("base64")} Generated-by-Nova`;
    }
    const fingerprint = fingerprintOf(publicKey, wanted.type ?? "ssh");
    if (fingerprint === undefined) fail(400, "Keypair data is invalid: failed to generate fingerprint");
    if (compute.keyPairs.has(`${userId}/${wanted.name}`)) fail(409, `Key pair '${wanted.name}' already exists.`);
    const pair = compute.addKeyPair({ userId, name: wanted.name, type: wanted.type ?? "ssh", publicKey, fingerprint });
    context.call.created("keypair", `${userId}/${pair.name}`);
    const shown = view(context, pair, "create");
    return json(context.version === 1 ? 200 : 201, {
      keypair: privateKey === undefined ? shown : { private_key: privateKey, ...shown },
    });
  }
}

/** MD5 of the key's bytes, in pairs; undefined when it is no key. */
export function fingerprintOf(publicKey: string, type: "ssh" | "x509"): string | undefined {
  if (type === "x509") {
    const body = /-----BEGIN CERTIFICATE-----([\s\S]+)-----END CERTIFICATE-----/.exec(publicKey)?.[1];
    return body === undefined ? undefined : pairs(createHash("sha1").update(Buffer.from(body, "base64")).digest("hex"));
  }
  const [kind = "", encoded = ""] = publicKey.trim().split(/\s+/);
  const bytes = Buffer.from(encoded, "base64");
  if (!/^(ssh|ecdsa|sk-)/.test(kind) || bytes.length < 8) return undefined;
  return pairs(createHash("md5").update(bytes).digest("hex"));
}

function pairs(hex: string): string {
  return hex.match(/../g)?.join(":") ?? "";
}

function view(context: NovaCall, pair: KeyPair, stage: "list" | "create" | "show"): Record<string, unknown> {
  return {
    name: pair.name,
    public_key: pair.publicKey,
    fingerprint: pair.fingerprint,
    ...(context.version >= 2 ? { type: pair.type } : {}),
    ...(stage === "list" ? {} : { user_id: pair.userId }),
    ...(stage === "show"
      ? { created_at: databaseTime(pair.createdMs), deleted: false, deleted_at: null, id: pair.id, updated_at: null }
      : {}),
  };
}
