/** One merged entry of clouds.yaml as a checked CloudConfig. Nothing is guessed: what is missing is CLOUD_CONFIG_INVALID and names the field. */

import { CodedError } from "@permafrost/std";
import type { CloudConfig, Credential, DomainRef, EndpointInterface, Scope } from "./cloud-config.ts";

export type RawValue = string | number | boolean | null | readonly RawValue[] | { readonly [key: string]: RawValue };
export type RawCloud = Readonly<Record<string, RawValue>>;

/** Checks the entry and reads the certificates it names. `file` is for messages. */
export async function buildConfig(
  name: string,
  raw: RawCloud,
  file: string,
  readFile: (path: string) => Promise<string | undefined>,
): Promise<CloudConfig> {
  const fields = new Fields(name, raw, file);
  const certificate = async (field: string): Promise<string | undefined> => {
    const path = fields.top(field);
    if (path === undefined) return undefined;
    const text = await readFile(path);
    if (text === undefined) throw fields.invalid(field, `${path} is not there`);
    return text;
  };
  const credential = readCredential(fields);
  const regions = raw.regions;
  const firstRegion = Array.isArray(regions) && typeof regions[0] === "string" ? regions[0] : undefined;
  return {
    name,
    authUrl: authUrl(fields),
    credential,
    scope: credential.kind === "applicationCredential" ? { kind: "unscoped" } : readScope(fields),
    regionName: fields.top("region_name") ?? firstRegion,
    interface: readInterface(fields),
    verify: raw.verify !== false && !(raw.insecure === true || raw.insecure === "true") && raw.verify !== "false",
    caCertificate: await certificate("cacert"),
    clientCertificate: await certificate("cert"),
    clientKey: await certificate("key"),
    endpointOverrides: readOverrides(raw),
  };
}

class Fields {
  readonly #name: string;
  readonly #raw: RawCloud;
  readonly #auth: RawCloud;
  readonly #file: string;

  constructor(name: string, raw: RawCloud, file: string) {
    this.#name = name;
    this.#raw = raw;
    this.#file = file;
    const auth = raw.auth;
    this.#auth = typeof auth === "object" && auth !== null && !Array.isArray(auth) ? (auth as RawCloud) : {};
  }

  top(field: string): string | undefined {
    return text(this.#raw[field]);
  }

  auth(...fields: readonly string[]): string | undefined {
    for (const field of fields) {
      const value = text(this.#auth[field]);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  need(...fields: readonly string[]): string {
    const value = this.auth(...fields);
    if (value === undefined) throw this.invalid(`auth.${fields[0]}`, "is missing");
    return value;
  }

  invalid(field: string, problem: string): CodedError {
    return new CodedError("CLOUD_CONFIG_INVALID", `cloud ${this.#name} in ${this.#file}: ${field} ${problem}`, {
      facts: { name: this.#name, field, file: this.#file },
      hint: `Correct ${field} of cloud ${this.#name}.`,
    });
  }
}

/** Numbers too: YAML reads an all-digit password or id as one. */
function text(value: RawValue | undefined): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" ? String(value) : undefined;
}

function authUrl(fields: Fields): string {
  const url = fields.need("auth_url").replace(/\/+$/, "");
  if (!/^https?:\/\/[^/]+/i.test(url)) throw fields.invalid("auth.auth_url", "is no http or https URL");
  return /\/v3$/.test(url) ? url : `${url.replace(/\/v2\.0$/, "")}/v3`;
}

function readInterface(fields: Fields): EndpointInterface {
  // `publicURL` is how Keystone v2 clients wrote it.
  const value = (fields.top("interface") ?? fields.top("endpoint_type") ?? "public").replace(/URL$/, "");
  if (value === "public" || value === "internal" || value === "admin") return value;
  throw fields.invalid("interface", `is ${value}, not public, internal or admin`);
}

function readCredential(fields: Fields): Credential {
  const kind = credentialKind(fields);
  if (kind === "token") return { kind, label: "the token", token: fields.need("token") };
  if (kind === "password") {
    const id = fields.auth("user_id");
    const password = fields.need("password");
    if (id !== undefined) return { kind, label: `user ${id}`, user: { id }, password };
    const name = fields.need("username");
    return { kind, label: `user ${name}`, user: { name, ...userDomain(fields) }, password };
  }
  const id = fields.auth("application_credential_id");
  const secret = fields.need("application_credential_secret");
  if (id !== undefined) return { kind, label: `application credential ${id}`, credential: { id }, secret };
  const name = fields.need("application_credential_name", "application_credential_id");
  const userId = fields.auth("user_id");
  const user = userId !== undefined ? { id: userId } : { name: fields.need("username"), ...userDomain(fields) };
  return { kind, label: `application credential ${name}`, credential: { name, user }, secret };
}

function credentialKind(fields: Fields): Credential["kind"] {
  const type = fields.top("auth_type");
  switch (type) {
    case "password":
    case "v3password":
      return "password";
    case "token":
    case "v3token":
      return "token";
    case "v3applicationcredential":
      return "applicationCredential";
    case undefined:
      if (fields.auth("application_credential_secret") !== undefined) return "applicationCredential";
      return fields.auth("token") !== undefined && fields.auth("password") === undefined ? "token" : "password";
    default:
      throw fields.invalid("auth_type", `is ${type}, not password, token or v3applicationcredential`);
  }
}

function userDomain(fields: Fields): DomainRef {
  const id = fields.auth("user_domain_id", "domain_id");
  if (id !== undefined) return { domainId: id };
  const name = fields.auth("user_domain_name", "domain_name");
  return name === undefined ? defaultDomain(fields) : { domainName: name };
}

/** Keystone's domain with the id `default` is there unless an operator removed it. */
function defaultDomain(fields: Fields): DomainRef {
  return { domainId: fields.auth("default_domain") ?? "default" };
}

function readScope(fields: Fields): Scope {
  if (fields.auth("system_scope") !== undefined) return { kind: "system" };
  const projectId = fields.auth("project_id", "tenant_id");
  if (projectId !== undefined) return { kind: "project", project: { id: projectId } };
  const projectName = fields.auth("project_name", "tenant_name");
  if (projectName !== undefined) return { kind: "project", project: { name: projectName, ...projectDomain(fields) } };
  const domainId = fields.auth("domain_id");
  if (domainId !== undefined) return { kind: "domain", domain: { domainId } };
  const domainName = fields.auth("domain_name");
  return domainName === undefined ? { kind: "unscoped" } : { kind: "domain", domain: { domainName } };
}

function projectDomain(fields: Fields): DomainRef {
  const id = fields.auth("project_domain_id");
  if (id !== undefined) return { domainId: id };
  const name = fields.auth("project_domain_name");
  // A project is nearly always looked for beside its user.
  return name === undefined ? userDomain(fields) : { domainName: name };
}

function readOverrides(raw: RawCloud): Record<string, string> {
  const overrides: Record<string, string> = {};
  for (const [key, value] of Object.entries(raw)) {
    const match = /^(.+)_endpoint_override$/.exec(key);
    if (match?.[1] !== undefined && typeof value === "string" && value !== "") overrides[match[1].replaceAll("_", "-")] = value;
  }
  return overrides;
}
