/** Keystone's part of the contract. */

import type { Check, World } from "./contract.ts";

const DOMAIN = { name: "Default" };

function login(world: World, password = world.password) {
  return { methods: ["password"], password: { user: { name: world.userName, domain: DOMAIN, password } } };
}

export const keystoneChecks: readonly Check[] = [
  {
    name: "keystone: version documents",
    async run(world) {
      const root = world.urls.identity.replace(/\/v3$/, "/");
      const many = await world.expect(300, "GET", root, { as: "nobody" });
      world.keys("root", many.json?.versions?.values?.[0], ["id", "status", "updated", "links", "media-types"]);
      const one = await world.expect(200, "GET", world.urls.identity, { as: "nobody" });
      world.same("id", one.json?.version?.id, "v3.14");
    },
  },
  {
    name: "keystone: password, project scope, catalog",
    async run(world) {
      const answer = await world.expect(201, "POST", `${world.urls.identity}/auth/tokens`, {
        as: "nobody",
        json: { auth: { identity: login(world), scope: { project: { id: world.projectId } } } },
      });
      const { token } = answer.json;
      world.keys("token", token, [
        "methods",
        "user",
        "audit_ids",
        "expires_at",
        "issued_at",
        "project",
        "is_domain",
        "roles",
        "catalog",
      ]);
      world.same("roles", token.roles.map((role: { name: string }) => role.name).sort(), ["member", "reader"]);
      world.same("has subject token", (answer.headers.get("x-subject-token") ?? "").length > 80, true);
      const volume = token.catalog.find((entry: { type: string }) => entry.type === "volumev3");
      world.keys("service", volume, ["endpoints", "id", "type", "name"]);
      world.keys("endpoint", volume.endpoints[0], ["id", "interface", "region_id", "url", "region"]);
      world.contains("the URL has the project", volume.endpoints[0].url, `/v3/${world.projectId}`);
      world.contains(
        "Swift's too",
        token.catalog.find((entry: { type: string }) => entry.type === "object-store").endpoints[0].url,
        `/v1/AUTH_${world.projectId}`,
      );
      world.same("expires", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(token.expires_at), true);
    },
  },
  {
    name: "keystone: unscoped token, then scoped by token",
    async run(world) {
      const unscoped = await world.expect(201, "POST", `${world.urls.identity}/auth/tokens`, {
        as: "nobody",
        json: { auth: { identity: login(world) } },
      });
      world.keys("unscoped", unscoped.json?.token, ["methods", "user", "audit_ids", "expires_at", "issued_at"]);
      const token = unscoped.headers.get("x-subject-token") ?? "";
      const projects = await world.expect(200, "GET", `${world.urls.identity}/auth/projects`, { as: { token } });
      world.same(
        "own projects",
        projects.json?.projects?.map((project: { id: string }) => project.id),
        [world.projectId],
      );
      const identity = { methods: ["token"], token: { id: token } };
      const scoped = await world.expect(201, "POST", `${world.urls.identity}/auth/tokens`, {
        as: "nobody",
        json: { auth: { identity, scope: { project: { id: world.projectId } } } },
      });
      world.same("methods", [...(scoped.json?.token?.methods ?? [])].sort(), ["password", "token"]);
      world.same("expiry is not prolonged", scoped.json?.token?.expires_at, unscoped.json?.token?.expires_at);
      await world.expect(204, "DELETE", `${world.urls.identity}/auth/tokens`, { headers: { "x-subject-token": token } });
      // That it is refused from now on is not checked: Keystone's workers cache it for a while.
    },
  },
  {
    name: "keystone: refused logins",
    async run(world) {
      const url = `${world.urls.identity}/auth/tokens`;
      const wrong = await world.expect(401, "POST", url, { as: "nobody", json: { auth: { identity: login(world, "wrong") } } });
      world.same("body", wrong.json, {
        error: { code: 401, message: "The request you have made requires authentication.", title: "Unauthorized" },
      });
      world.contains("challenge", wrong.headers.get("www-authenticate") ?? "", 'Keystone uri="');
      await world.expect(401, "POST", url, {
        as: "nobody",
        json: { auth: { identity: login(world), scope: { project: { name: "no-such-project", domain: DOMAIN } } } },
      });
      await world.expect(400, "POST", url, { as: "nobody", json: { auth: {} } });
      await world.expect(400, "POST", url, { as: "nobody", body: "junk" });
      await world.expect(401, "GET", `${world.urls.identity}/projects`, { as: "nobody" });
      await world.expect(401, "GET", `${world.urls.identity}/projects`, { as: { token: "junk" } });
    },
  },
  {
    name: "keystone: validate a token",
    async run(world) {
      const url = `${world.urls.identity}/auth/tokens`;
      const subject = { "x-subject-token": world.tokens.member };
      const valid = await world.expect(200, "GET", `${url}?nocatalog`, { headers: subject });
      world.keys("token", valid.json?.token, [
        "methods",
        "user",
        "audit_ids",
        "expires_at",
        "issued_at",
        "project",
        "is_domain",
        "roles",
      ]);
      await world.expect(200, "HEAD", url, { headers: subject });
      const unknown = await world.expect(404, "GET", url, { headers: { "x-subject-token": "junk" } });
      world.same("error", unknown.json?.error?.title, "Not Found");
    },
  },
  {
    name: "keystone: a member sees itself and no more",
    async run(world) {
      const base = world.urls.identity;
      const project = await world.expect(200, "GET", `${base}/projects/${world.projectId}`);
      world.keys("project", project.json?.project, [
        "id",
        "name",
        "domain_id",
        "description",
        "enabled",
        "parent_id",
        "is_domain",
        "tags",
        "options",
        "links",
      ]);
      const user = await world.expect(200, "GET", `${base}/users/${world.userId}`);
      world.keys("user", user.json?.user, ["id", "name", "domain_id", "enabled", "password_expires_at", "options", "links"]);
      await world.expect(200, "GET", `${base}/users/${world.userId}/projects`);
      for (const [path, action] of [
        ["projects", "list_projects"],
        ["users", "list_users"],
        ["roles", "list_roles"],
        ["role_assignments", "list_role_assignments"],
      ]) {
        const refused = await world.expect(403, "GET", `${base}/${path}`);
        world.same(
          `${path} error`,
          refused.json?.error?.message,
          `You are not authorized to perform the requested action: identity:${action}.`,
        );
      }
      await world.expect(403, "POST", `${base}/projects`, { json: { project: { name: "fake-never" } } });
    },
  },
  {
    name: "keystone: an admin manages projects, users and grants",
    async run(world) {
      const base = world.urls.identity;
      const name = `${world.userName}-sub`;
      const made = await world.expect(201, "POST", `${base}/projects`, { as: "admin", json: { project: { name } } });
      const id = made.json?.project?.id;
      await world.expect(409, "POST", `${base}/projects`, { as: "admin", json: { project: { name } } });
      await world.expect(400, "POST", `${base}/projects`, { as: "admin", json: { project: {} } });
      const listed = await world.expect(200, "GET", `${base}/projects?name=${name}`, { as: "admin" });
      world.same(
        "listed",
        listed.json?.projects?.map((project: { id: string }) => project.id),
        [id],
      );
      world.keys("list", listed.json, ["projects", "links"]);
      const role = (await world.expect(200, "GET", `${base}/roles`, { as: "admin" })).json.roles.find(
        (each: { name: string }) => each.name === "member",
      ).id;
      const grant = `${base}/projects/${id}/users/${world.userId}/roles`;
      await world.expect(204, "PUT", `${grant}/${role}`, { as: "admin" });
      const assignments = await world.expect(
        200,
        "GET",
        `${base}/role_assignments?user.id=${world.userId}&scope.project.id=${id}&include_names=true`,
        { as: "admin" },
      );
      world.keys("assignment", assignments.json?.role_assignments?.[0], ["links", "scope", "user", "role"]);
      world.same("role", assignments.json?.role_assignments?.[0]?.role?.name, "member");
      await world.expect(404, "PUT", `${grant}/nosuch`, { as: "admin" });
      await world.expect(204, "DELETE", `${grant}/${role}`, { as: "admin" });
      await world.expect(404, "DELETE", `${grant}/${role}`, { as: "admin" });
      await world.expect(200, "PATCH", `${base}/projects/${id}`, { as: "admin", json: { project: { description: "changed" } } });
      await world.expect(204, "DELETE", `${base}/projects/${id}`, { as: "admin" });
      const gone = await world.expect(404, "GET", `${base}/projects/${id}`, { as: "admin" });
      world.same("error", gone.json?.error?.message, `Could not find project: ${id}.`);
    },
  },
  {
    name: "keystone: application credentials",
    async run(world) {
      const url = `${world.urls.identity}/users/${world.userId}/application_credentials`;
      const made = await world.expect(201, "POST", url, { json: { application_credential: { name: "fake-ac" } } });
      const credential = made.json?.application_credential;
      world.keys("created", credential, [
        "id",
        "name",
        "description",
        "user_id",
        "project_id",
        "system",
        "expires_at",
        "unrestricted",
        "roles",
        "secret",
        "links",
      ]);
      await world.expect(409, "POST", url, { json: { application_credential: { name: "fake-ac" } } });
      const auth = (secret: string) => ({
        auth: { identity: { methods: ["application_credential"], application_credential: { id: credential.id, secret } } },
      });
      const token = await world.expect(201, "POST", `${world.urls.identity}/auth/tokens`, {
        as: "nobody",
        json: auth(credential.secret),
      });
      world.same("project", token.json?.token?.project?.id, world.projectId);
      await world.expect(401, "POST", `${world.urls.identity}/auth/tokens`, { as: "nobody", json: auth("wrong") });
      const listed = await world.expect(200, "GET", url);
      world.same("no secret in lists", listed.json?.application_credentials?.[0]?.secret, undefined);
      await world.expect(204, "DELETE", `${url}/${credential.id}`);
      await world.expect(404, "POST", `${world.urls.identity}/auth/tokens`, { as: "nobody", json: auth(credential.secret) });
      const dead = token.headers.get("x-subject-token") ?? "";
      await world.expect(404, "GET", `${world.urls.identity}/auth/projects`, { as: { token: dead } });
    },
  },
  {
    name: "keystone: groups, their members and inherited roles",
    async run(world) {
      const base = world.urls.identity;
      const admin = { as: "admin" } as const;
      const name = `fake-contract-group-${world.projectId.slice(0, 8)}`;
      await world.expect(403, "GET", `${base}/groups`);
      const made = await world.expect(201, "POST", `${base}/groups`, {
        ...admin,
        json: { group: { name, domain_id: "default" } },
      });
      const id = made.json?.group?.id;
      world.later(() => world.ask("DELETE", `${base}/groups/${id}`, admin));
      world.keys("group", made.json?.group, ["id", "name", "domain_id", "description", "links"]);
      await world.expect(409, "POST", `${base}/groups`, { ...admin, json: { group: { name, domain_id: "default" } } });
      const changed = await world.expect(200, "PATCH", `${base}/groups/${id}`, {
        ...admin,
        json: { group: { description: "d" } },
      });
      world.same("description", changed.json?.group?.description, "d");
      const listed = await world.expect(200, "GET", `${base}/groups?name=${name}&domain_id=default`, admin);
      world.same("by name", listed.json?.groups?.length, 1);
      const member = `${base}/groups/${id}/users/${world.userId}`;
      await world.expect(404, "DELETE", member, admin);
      for (let time = 0; time < 2; time++) await world.expect(204, "PUT", member, admin);
      const members = await world.expect(200, "GET", `${base}/groups/${id}/users`, admin);
      world.same(
        "members",
        members.json?.users?.map((u: { id: string }) => u.id),
        [world.userId],
      );
      const roles = (await world.expect(200, "GET", `${base}/roles`, admin)).json.roles;
      const role = roles.find((each: { name: string }) => each.name === "reader").id;
      const direct = `${base}/projects/${world.projectId}/groups/${id}/roles/${role}`;
      const inherited = `${base}/OS-INHERIT/projects/${world.projectId}/groups/${id}/roles/${role}/inherited_to_projects`;
      for (const url of [direct, inherited]) await world.expect(204, "PUT", url, admin);
      const query = `role_assignments?group.id=${id}&scope.project.id=${world.projectId}&include_names=true`;
      const rows = (await world.expect(200, "GET", `${base}/${query}`, admin)).json?.role_assignments ?? [];
      world.same("rows", rows.length, 2);
      const heir = rows.find((r: { scope: Record<string, unknown> }) => r.scope["OS-INHERIT:inherited_to"] === "projects");
      world.keys("inherited", heir, ["links", "scope", "group", "role"]);
      world.same("group's name", heir?.group?.name, name);
      for (const url of [direct, inherited]) await world.expect(204, "DELETE", url, admin);
      await world.expect(404, "DELETE", inherited, admin);
      await world.expect(204, "DELETE", `${base}/groups/${id}`, admin);
      const gone = await world.expect(404, "GET", `${base}/groups/${id}`, admin);
      world.same("error", gone.json?.error?.message, `Could not find group: ${id}.`);
    },
  },
];
