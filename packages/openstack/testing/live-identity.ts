/** Keystone for real: credentials good and bad, projects, ourselves. */

import { type Cloud, type CloudConfig, openCloud } from "../src/index.ts";
import { check, code, parts, same } from "./live-checks.ts";

export async function identityChecks(admin: Cloud, config: CloudConfig): Promise<void> {
  await check("whoAmI", async () => {
    const me = await admin.identity.whoAmI();
    same([me.user.name, me.project?.name, me.isAdmin], ["admin", "admin", true], "user");
    return `${me.catalog.length} services, expires ${me.expiresAt}`;
  });
  await check("wrong password is AUTH_FAILED", async () => {
    if (config.credential.kind !== "password") return;
    const wrong = { ...config, credential: { ...config.credential, password: "wrong" } };
    same(await code(() => openCloud(wrong, parts)), "AUTH_FAILED", "code");
  });
  await check("unknown project is PROJECT_UNKNOWN", async () => {
    same(await code(() => openCloud(config, { ...parts, project: "os-client-nowhere" })), "PROJECT_UNKNOWN", "code");
  });
  await check("application credential", async () => {
    const user = (await admin.identity.whoAmI()).user.id;
    const client = admin.service("identity");
    const made = await client.json<{ application_credential: { id: string; secret: string } }>({
      method: "POST",
      path: `/users/${user}/application_credentials`,
      json: { application_credential: { name: "os-client-credential" } },
      expect: [201],
    });
    const { id, secret } = made.application_credential;
    try {
      const credential = {
        kind: "applicationCredential",
        label: `application credential ${id}`,
        credential: { id },
        secret,
      } as const;
      const own = await openCloud({ ...config, credential, scope: { kind: "unscoped" } }, parts);
      same(own.projectName, "admin", "project");
      await own.close();
      same(
        await code(() => openCloud({ ...config, credential }, { ...parts, project: "os-client-nowhere" })),
        "PROJECT_UNKNOWN",
        "other project",
      );
      same(
        await code(() => openCloud({ ...config, credential: { kind: "token", label: "the token", token: "wrong" } }, parts)),
        "AUTH_FAILED",
        "wrong token",
      );
    } finally {
      await client.send({ method: "DELETE", path: `/users/${user}/application_credentials/${id}`, expect: [204] });
    }
  });
  await check("a token as credential", async () => {
    if (config.credential.kind !== "password" || !("name" in config.credential.user)) return;
    const { name: userName } = config.credential.user;
    const user = { name: userName, domain: { name: "Default" }, password: config.credential.password };
    const login = { identity: { methods: ["password"], password: { user } }, scope: "unscoped" };
    const reply = await admin
      .service("identity")
      .send({ method: "POST", path: "/auth/tokens", json: { auth: login }, expect: [201] });
    const token = reply.headers["x-subject-token"] ?? "";
    const own = await openCloud({ ...config, credential: { kind: "token", label: "the token", token } }, parts);
    same(own.projectName, "admin", "project");
    await own.close();
  });
  await check("own projects and all projects", async () => {
    const own = await Array.fromAsync(admin.identity.ownProjects(), (p) => p.name);
    const all = await Array.fromAsync(admin.identity.listProjects(), (p) => p.name);
    same([own.includes("admin"), all.includes("service") || all.length >= own.length], [true, true], "projects");
    return `${own.length} of ${all.length}`;
  });
}
