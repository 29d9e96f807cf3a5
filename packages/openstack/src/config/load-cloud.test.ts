/** Where a cloud's configuration comes from, and what it may look like. */

import { CodedError } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { listClouds, loadCloud } from "./load-cloud.ts";

const CLOUDS = `
clouds:
  one:
    region_name: R1
    interface: internal
    cacert: /ca.pem
    image_endpoint_override: https://glance.example/v2
    auth:
      auth_url: https://keystone.example:5000/
      username: u
      project_name: p
      user_domain_name: D
`;

function files(content: Record<string, string>) {
  return { cwd: "/here", home: "/home/me", readFile: async (path: string) => content[path] };
}

async function failure(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    return CodedError.from(error);
  }
  throw new Error("did not fail");
}

describe("clouds.yaml", () => {
  it("is merged with secure.yaml, and its certificate read", async () => {
    const config = await loadCloud("one", {
      env: {},
      ...files({
        "/home/me/.config/openstack/clouds.yaml": CLOUDS,
        "/etc/openstack/secure.yaml": "clouds: {one: {auth: {password: 1234}}}",
        "/ca.pem": "PEM",
      }),
    });
    expect(config).toEqual({
      name: "one",
      authUrl: "https://keystone.example:5000/v3",
      credential: { kind: "password", label: "user u", user: { name: "u", domainName: "D" }, password: "1234" },
      scope: { kind: "project", project: { name: "p", domainName: "D" } },
      regionName: "R1",
      interface: "internal",
      verify: true,
      caCertificate: "PEM",
      clientCertificate: undefined,
      clientKey: undefined,
      endpointOverrides: { image: "https://glance.example/v2" },
    });
  });

  it("is taken from the first place that has one", async () => {
    const named = (name: string) => `clouds: {${name}: {auth: {auth_url: "http://k", token: t}}}`;
    const all = {
      "/x.yaml": named("x"),
      "/here/clouds.yaml": named("cwd"),
      "/home/me/.config/openstack/clouds.yaml": named("home"),
      "/etc/openstack/clouds.yaml": named("etc"),
    };
    expect((await listClouds({ env: { OS_CLIENT_CONFIG_FILE: "/x.yaml" }, ...files(all) })).names).toEqual(["x"]);
    expect((await listClouds({ env: {}, ...files(all) })).file).toBe("/here/clouds.yaml");
    expect((await loadCloud(undefined, { env: {}, ...files({ "/etc/openstack/clouds.yaml": named("etc") }) })).name).toBe("etc");
    expect((await loadCloud(undefined, { env: { OS_CLOUD: "cwd" }, ...files(all) })).name).toBe("cwd");
  });

  it("may use a public profile", async () => {
    const config = await loadCloud("a", {
      env: {},
      ...files({
        "/here/clouds.yaml": "clouds: {a: {profile: pub, auth: {token: t}}}",
        "/etc/openstack/clouds-public.yaml": "public-clouds: {pub: {auth: {auth_url: 'https://pub.example/v3'}, region_name: Z}}",
      }),
    });
    expect([config.authUrl, config.regionName, config.credential.kind]).toEqual(["https://pub.example/v3", "Z", "token"]);
  });

  it("without the cloud is CLOUD_UNKNOWN, with the known names", async () => {
    const error = await failure(loadCloud("two", { env: {}, ...files({ "/here/clouds.yaml": CLOUDS }) }));
    expect([error.code, error.facts]).toEqual(["CLOUD_UNKNOWN", { name: "two", known: "one", file: "/here/clouds.yaml" }]);
    expect((await failure(loadCloud("two", { env: {}, ...files({}) }))).facts.file).toBeUndefined();
    expect((await failure(loadCloud("envvars", { env: {}, ...files({}) }))).code).toBe("CLOUD_UNKNOWN");
  });

  it("that is no YAML is CLOUD_CONFIG_INVALID and does not quote a secret", async () => {
    const error = await failure(
      loadCloud("one", { env: {}, ...files({ "/here/clouds.yaml": "clouds:\n  one: {auth: {password: hunter2\n" }) }),
    );
    expect([error.code, error.facts.file]).toEqual(["CLOUD_CONFIG_INVALID", "/here/clouds.yaml"]);
    expect(JSON.stringify([error.message, error.facts, error.hint])).not.toContain("hunter2");
    expect(error.cause).toBeUndefined();
  });

  it("that cannot be read is CLOUD_CONFIG_INVALID", async () => {
    const error = await failure(
      loadCloud("one", { env: { OS_CLIENT_CONFIG_FILE: import.meta.dirname }, cwd: "/nowhere", home: "/nowhere" }),
    );
    expect(error.code).toBe("CLOUD_CONFIG_INVALID");
  });

  it.each([
    ["auth: {username: u, password: p}", "auth.auth_url"],
    ["auth: {auth_url: 'ftp://k', username: u, password: p}", "auth.auth_url"],
    ["auth: {auth_url: 'http://k', username: u}", "auth.password"],
    ["auth: {auth_url: 'http://k', password: p}", "auth.username"],
    ["{auth_type: v3oidcpassword, auth: {auth_url: 'http://k'}}", "auth_type"],
    ["{interface: inside, auth: {auth_url: 'http://k', token: t}}", "interface"],
    ["{cacert: /none.pem, auth: {auth_url: 'http://k', token: t}}", "cacert"],
    [
      "{auth_type: v3applicationcredential, auth: {auth_url: 'http://k', application_credential_id: i}}",
      "auth.application_credential_secret",
    ],
  ])("with %s names the field %s", async (entry, field) => {
    const yaml = entry.startsWith("{") ? `clouds: {c: ${entry}}` : `clouds: {c: {${entry}}}`;
    const error = await failure(loadCloud("c", { env: {}, ...files({ "/here/clouds.yaml": yaml }) }));
    expect([error.code, error.facts.field]).toEqual(["CLOUD_CONFIG_INVALID", field]);
  });
});

describe("OS_* variables", () => {
  const base = { OS_AUTH_URL: "http://k:5000/v2.0", OS_USERNAME: "u", OS_PASSWORD: "p" };

  it("form the cloud envvars, OS_TENANT_NAME being an old name of the project", async () => {
    const config = await loadCloud(undefined, {
      env: { ...base, OS_TENANT_NAME: "old", OS_ENDPOINT_TYPE: "internalURL", OS_INSECURE: "true", OS_REGION_NAME: "R" },
      ...files({}),
    });
    expect([config.name, config.authUrl, config.interface, config.verify, config.regionName]).toEqual([
      "envvars",
      "http://k:5000/v3",
      "internal",
      false,
      "R",
    ]);
    expect(config.scope).toEqual({ kind: "project", project: { name: "old", domainId: "default" } });
    const both = await loadCloud("envvars", {
      env: { ...base, OS_TENANT_NAME: "old", OS_PROJECT_NAME: "new", OS_PROJECT_DOMAIN_NAME: "D" },
      ...files({}),
    });
    expect(both.scope).toEqual({ kind: "project", project: { name: "new", domainName: "D" } });
  });

  it("know application credentials, by id and by name, which bring their project", async () => {
    const secret = { OS_AUTH_URL: "http://k", OS_AUTH_TYPE: "v3applicationcredential", OS_APPLICATION_CREDENTIAL_SECRET: "s" };
    const byId = await loadCloud("envvars", {
      env: { ...secret, OS_APPLICATION_CREDENTIAL_ID: "i", OS_PROJECT_NAME: "p" },
      ...files({}),
    });
    expect([byId.credential, byId.scope]).toEqual([
      { kind: "applicationCredential", label: "application credential i", credential: { id: "i" }, secret: "s" },
      { kind: "unscoped" },
    ]);
    const byName = await loadCloud("envvars", {
      env: { ...secret, OS_APPLICATION_CREDENTIAL_NAME: "n", OS_USERNAME: "u", OS_USER_DOMAIN_ID: "d" },
      ...files({}),
    });
    expect(byName.credential).toMatchObject({ credential: { name: "n", user: { name: "u", domainId: "d" } } });
  });

  it.each([
    [{ OS_SYSTEM_SCOPE: "all" }, { kind: "system" }],
    [{ OS_PROJECT_ID: "i" }, { kind: "project", project: { id: "i" } }],
    [{ OS_DOMAIN_NAME: "D" }, { kind: "domain", domain: { domainName: "D" } }],
    [{}, { kind: "unscoped" }],
  ])("with %o scope to %o", async (more, scope) => {
    expect((await loadCloud("envvars", { env: { ...base, ...more }, ...files({}) })).scope).toEqual(scope);
  });
});
