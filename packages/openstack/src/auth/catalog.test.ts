/** Which endpoint is chosen, and the bodies of logins. */

import { CodedError } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { type CatalogEntry, findEndpoint, requireEndpoint } from "./catalog.ts";
import { authBody } from "./keystone.ts";
import { SERVICE_KINDS, versionDocumentUrl, versionedEndpoint } from "./service-types.ts";

const endpoint = (url: string, regionId = "R", face: "public" | "internal" = "public") => ({ interface: face, regionId, url });
const entry = (type: string, ...endpoints: CatalogEntry["endpoints"]): CatalogEntry => ({ type, name: undefined, endpoints });
const choice = { name: "c", regionName: "R", interface: "public" as const, endpointOverrides: {} };

describe("findEndpoint", () => {
  it("prefers the newer name and makes old versions new ones", () => {
    const catalog = [entry("volumev2", endpoint("http://c/v2/p")), entry("volumev3", endpoint("http://c/v3/p"))];
    expect(findEndpoint(catalog, "block-storage", choice)).toBe("http://c/v3/p");
    expect(findEndpoint(catalog.slice(0, 1), "block-storage", choice)).toBe("http://c/v3/p");
  });

  it("looks at region and interface", () => {
    const catalog = [entry("image", endpoint("http://a", "Q"), endpoint("http://b", "R", "internal"), endpoint("http://d/"))];
    expect(findEndpoint(catalog, "image", choice)).toBe("http://d/v2");
    expect(findEndpoint(catalog, "image", { ...choice, interface: "internal" })).toBe("http://b/v2");
    expect(findEndpoint(catalog, "image", { ...choice, regionName: undefined })).toBe("http://a/v2");
    expect(findEndpoint(catalog, "image", { ...choice, endpointOverrides: { image: "http://o/v2/" } })).toBe("http://o/v2");
  });

  it("says SERVICE_MISSING with what there is", () => {
    expect(() => requireEndpoint([entry("image", endpoint("http://a", "Q"))], "image", choice)).toThrow(CodedError);
    try {
      requireEndpoint([entry("image", endpoint("http://a", "Q"))], "image", choice);
    } catch (error) {
      expect(CodedError.from(error).facts).toMatchObject({ service: "image", region: "R", regions: "Q", known: "image" });
    }
  });
});

it.each([
  ["image", "http://h:9292", "http://h:9292/v2"],
  ["image", "http://h/image/v2/", "http://h/image/v2"],
  ["image", "http://h/image/v1", "http://h/image/v2"],
  ["block-storage", "http://h/volume/v1/p", "http://h/volume/v3/p"],
  ["block-storage", "http://h/volume", "http://h/volume/v3"],
  ["object-store", "http://h/v1/AUTH_p/", "http://h/v1/AUTH_p"],
  ["network", "http://h:9696", "http://h:9696/v2.0"],
] as const)("%s at %s is %s", (type, url, expected) => {
  expect(versionedEndpoint(SERVICE_KINDS[type], url)).toBe(expected);
});

it("finds the version document before the project", () => {
  expect(versionDocumentUrl("http://h/volume/v3/p")).toBe("http://h/volume/v3/");
  expect(versionDocumentUrl("http://h:8774/v2.1")).toBe("http://h:8774/v2.1/");
});

it("writes login bodies as Keystone reads them", () => {
  const password = { kind: "password", label: "", user: { id: "i" }, password: "s" } as const;
  const identity = { methods: ["password"], password: { user: { id: "i", password: "s" } } };
  expect(authBody(password, { kind: "system" })).toEqual({ auth: { identity, scope: { system: { all: true } } } });
  expect(authBody(password, { kind: "domain", domain: { domainId: "d" } })).toEqual({
    auth: { identity, scope: { domain: { id: "d" } } },
  });
  expect(authBody(password, { kind: "unscoped" })).toEqual({ auth: { identity, scope: "unscoped" } });
  const credential = { kind: "applicationCredential", label: "", credential: { id: "a" }, secret: "s" } as const;
  const scope = { kind: "project", project: { id: "p" } } as const;
  expect(authBody(credential, scope)).toEqual({
    auth: { identity: { methods: ["application_credential"], application_credential: { id: "a", secret: "s" } } },
  });
  expect(authBody({ kind: "token", label: "", token: "t" }, scope)).toEqual({
    auth: { identity: { methods: ["token"], token: { id: "t" } }, scope: { project: { id: "p" } } },
  });
});
