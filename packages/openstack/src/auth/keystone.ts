/**
 * Keystone's `POST /v3/auth/tokens`: request bodies for each kind of credential and scope, and what a refusal means.
 * Keystone answers 401 with one and the same text for a wrong password, an unknown user, an unknown project and a
 * missing role (keystone/api/_shared/authentication.py hides which). To say which, a refused project is tried
 * once more without a scope: if that works the credential is good and the project is not.
 */

import { CodedError } from "@permafrost/std";
import type { CloudConfig, Credential, DomainRef, ProjectRef, Scope } from "../config/cloud-config.ts";
import { type ExchangeReply, readText, safeUrl } from "../http/exchange.ts";
import { serviceMessage, statusError } from "../http/status-error.ts";
import { deliver, errorText, type Transport } from "../http/transport.ts";
import { parseToken, type Token } from "./token.ts";

const TOKEN_BYTES_MAX = 8 * 1024 * 1024;

/** A token for the configuration's scope. Throws AUTH_FAILED, PROJECT_UNKNOWN, and the transport's errors. */
export async function authenticate(transport: Transport, config: CloudConfig, signal?: AbortSignal): Promise<Token> {
  const scope = config.scope;
  if (scope.kind === "project" && "nameOrId" in scope.project) {
    const { nameOrId, ...domain } = scope.project;
    const byName = await tryScope(transport, config, { kind: "project", project: { name: nameOrId, ...domain } }, signal);
    if (byName !== undefined) return byName;
    const byId = await tryScope(transport, config, { kind: "project", project: { id: nameOrId } }, signal);
    if (byId !== undefined) return byId;
  } else {
    const token = await tryScope(transport, config, scope, signal);
    if (token !== undefined) return token;
  }
  throw await explainRefusal(transport, config, signal);
}

/** The token, or undefined when Keystone refuses the credential. */
async function tryScope(
  transport: Transport,
  config: CloudConfig,
  scope: Scope,
  signal?: AbortSignal,
): Promise<Token | undefined> {
  const url = `${config.authUrl}/auth/tokens`;
  const reply = await deliver(transport, {
    method: "POST",
    url,
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(authBody(config.credential, scope)),
    // A second token harms nobody, so a lost answer is simply asked for again.
    idempotent: true,
    // A token that does not exist or has expired is 404 here (keystone/token/provider.py `TokenNotFound`).
    expect: config.credential.kind === "token" ? [201, 404] : [201],
    signal,
  });
  if (reply.status !== 201) {
    await errorText(reply, { method: "POST", url });
    return undefined;
  }
  return parseToken(reply.headers["x-subject-token"], await json(reply, url), transport.clock.monotonic(), safeUrl(url));
}

async function explainRefusal(transport: Transport, config: CloudConfig, signal?: AbortSignal): Promise<CodedError> {
  const url = safeUrl(config.authUrl);
  const facts = { cloud: config.name, user: config.credential.label, url };
  const refused = new CodedError("AUTH_FAILED", `${config.credential.label} was refused by cloud ${config.name} (${url})`, {
    facts,
    hint: authHint(config),
  });
  if (config.scope.kind !== "project" || config.credential.kind === "applicationCredential") return refused;
  const unscoped = await tryScope(transport, config, { kind: "unscoped" }, signal);
  if (unscoped === undefined) return refused;
  const project = projectLabel(config.scope.project);
  const known = await projectNames(transport, config, unscoped, signal);
  return new CodedError("PROJECT_UNKNOWN", `${config.credential.label} has no project ${project} on cloud ${config.name}`, {
    facts: { ...facts, project, known },
    hint: "Check the project's name and domain, and that the user has a role on it.",
  });
}

/** Names of the user's own projects, for the message only: `GET /v3/auth/projects` needs no role. */
async function projectNames(transport: Transport, config: CloudConfig, token: Token, signal?: AbortSignal): Promise<string> {
  const url = `${config.authUrl}/auth/projects`;
  const reply = await deliver(transport, {
    method: "GET",
    url,
    headers: { "x-auth-token": token.id, accept: "application/json" },
    idempotent: true,
    expect: [200],
    signal,
  });
  if (reply.status !== 200)
    throw statusError({
      method: "GET",
      url,
      status: reply.status,
      headers: reply.headers,
      bodyText: await errorText(reply, { method: "GET", url }),
    });
  const body = (await json(reply, url)) as { projects?: { name?: string }[] };
  return (body.projects ?? [])
    .map((project) => project.name ?? "")
    .sort()
    .slice(0, 20)
    .join(", ");
}

function authHint(config: CloudConfig): string {
  switch (config.credential.kind) {
    case "password":
      return `Check user name, domain and password of cloud ${config.name}.`;
    case "token":
      return "The token is invalid or has expired: get a new one.";
    case "applicationCredential":
      return "The application credential is wrong, expired or deleted; it dies with its user's role on the project.";
  }
}

/** The body of an authentication request. */
export function authBody(credential: Credential, scope: Scope): unknown {
  const identity = identityBody(credential);
  // An application credential carries its project; Keystone refuses any scope beside it.
  if (credential.kind === "applicationCredential") return { auth: { identity } };
  switch (scope.kind) {
    case "project":
      return { auth: { identity, scope: { project: projectBody(scope.project) } } };
    case "domain":
      return { auth: { identity, scope: { domain: domainBody(scope.domain) } } };
    case "system":
      return { auth: { identity, scope: { system: { all: true } } } };
    case "unscoped":
      // Without this word a user with a default project would get a token for that one.
      return { auth: { identity, scope: "unscoped" } };
  }
}

function identityBody(credential: Credential): unknown {
  switch (credential.kind) {
    case "password":
      return { methods: ["password"], password: { user: { ...userBody(credential.user), password: credential.password } } };
    case "token":
      return { methods: ["token"], token: { id: credential.token } };
    case "applicationCredential": {
      const named = credential.credential;
      const body = "id" in named ? { id: named.id } : { name: named.name, user: userBody(named.user) };
      return { methods: ["application_credential"], application_credential: { ...body, secret: credential.secret } };
    }
  }
}

function userBody(user: { readonly id: string } | ({ readonly name: string } & DomainRef)): Record<string, unknown> {
  return "id" in user ? { id: user.id } : { name: user.name, domain: domainBody(user) };
}

function projectBody(project: ProjectRef): Record<string, unknown> {
  if ("id" in project) return { id: project.id };
  return { name: "name" in project ? project.name : project.nameOrId, domain: domainBody(project) };
}

function domainBody(domain: DomainRef): Record<string, unknown> {
  return "domainId" in domain ? { id: domain.domainId } : { name: domain.domainName };
}

/** A project as its owner wrote it. */
export function projectLabel(project: ProjectRef): string {
  if ("id" in project) return project.id;
  return "name" in project ? project.name : project.nameOrId;
}

async function json(reply: ExchangeReply, url: string): Promise<unknown> {
  const text = await readText(reply, { method: "POST", url }, TOKEN_BYTES_MAX);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CodedError("BAD_RESPONSE", `Keystone at ${safeUrl(url)} answered no JSON: ${serviceMessage(text).slice(0, 200)}`, {
      facts: { url: safeUrl(url), status: reply.status },
      hint: "Check that auth_url points at Keystone's v3 API.",
      cause,
    });
  }
}
