/** What Keystone's handlers share: errors, filters, the admin rule, lists, and how its resources are shown. */

import { type Call, json, Refusal, type Reply } from "./http.ts";
import type { Project, Role, TokenRecord, User } from "./tokens.ts";

export type Body = Record<string, unknown>;

/** Keystone's refusal when the token is no admin's. */
export function needAdmin(token: TokenRecord, action: string): Reply | undefined {
  if (token.roles.has("admin")) return undefined;
  return fault(403, `You are not authorized to perform the requested action: identity:${action}.`, "Forbidden");
}

export function listOf(call: Call, key: string, rows: unknown[]): Reply {
  if (call.method !== "GET" && call.method !== "HEAD")
    throw new Refusal(fault(405, "The method is not allowed for the requested URL.", "Method Not Allowed"));
  return json(200, { [key]: rows, links: { next: null, self: `${call.origin}${call.target}`, previous: null } });
}

export function fault(code: number, message: string, title: string): Reply {
  return json(code, { error: { code, message, title } });
}

export function accepts(call: Call, fields: Record<string, string>): boolean {
  return Object.entries(fields).every(([key, value]) => (call.query.get(key) ?? value) === value);
}

export function pick(from: Body, keys: readonly string[]): Body {
  return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)));
}

export const projectView = (call: Call) => (project: Project) => ({
  id: project.id,
  name: project.name,
  domain_id: project.domainId,
  description: project.description,
  enabled: project.enabled,
  parent_id: project.parentId,
  is_domain: false,
  tags: project.tags,
  options: project.options ?? {},
  links: { self: `${call.origin}/v3/projects/${project.id}` },
});

export const userView = (call: Call) => (user: User) => ({
  id: user.id,
  name: user.name,
  domain_id: user.domainId,
  enabled: user.enabled,
  password_expires_at: null,
  options: user.options ?? {},
  ...(user.description === undefined ? {} : { description: user.description }),
  ...(user.email === undefined ? {} : { email: user.email }),
  ...(user.defaultProjectId === undefined ? {} : { default_project_id: user.defaultProjectId }),
  links: { self: `${call.origin}/v3/users/${user.id}` },
});

export const roleView = (call: Call) => (role: Role) => ({
  id: role.id,
  name: role.name,
  domain_id: null,
  description: null,
  options: {},
  links: { self: `${call.origin}/v3/roles/${role.id}` },
});
