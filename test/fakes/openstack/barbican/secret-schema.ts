/** How Barbican checks the bodies that make secrets, containers and access lists; its texts (barbican/common/validators.py). */

import { json, Refusal, type Reply } from "../http.ts";
import type { ContentType } from "./key-store.ts";

export type Fields = Record<string, unknown>;

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  409: "Conflict",
  413: "Request Entity Too Large",
  415: "Unsupported Media Type",
};

export function fault(status: number, description: string): Reply {
  return json(status, { code: status, title: TITLES[status] ?? "Error", description });
}

export function refuse(status: number, description: string): never {
  throw new Refusal(fault(status, description));
}

const PAYLOAD_BYTES_MAX = 20_000;
const TYPES = ["symmetric", "passphrase", "private", "public", "certificate", "opaque"];
const SUPPORTED =
  "['text/plain', 'text/plain;charset=utf-8', 'text/plain; charset=utf-8', 'application/octet-stream', 'application/pkcs8']";

function invalid(schema: string, reason: string, property: string): never {
  refuse(400, `Provided object does not match schema '${schema}': ${reason}. Invalid property: '${property}'`);
}

/** The normalized form of a content type, or undefined if Barbican has none for it. */
export function contentType(said: string): ContentType | undefined {
  const [mime = "", parameter] = said.split(";").map((part) => part.trim().toLowerCase());
  if (parameter !== undefined && !/^charset=utf-8$/.test(parameter)) return undefined;
  return (["text/plain", "application/octet-stream", "application/pkcs8"] as const).find((each) => each === mime);
}

export function checkSize(payload: Uint8Array, operation?: string): void {
  if (payload.length <= PAYLOAD_BYTES_MAX) return;
  const text = "Provided information too large to process";
  refuse(413, operation === undefined ? text : `${operation} issue seen - ${text}.`);
}

/** A body with every string stripped, as Barbican reads it. */
export function stripped(value: unknown): unknown {
  if (typeof value === "string") return value.trim();
  if (Array.isArray(value)) return value.map(stripped);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, stripped(each)]));
}

function text(schema: string, body: Fields, name: string, { max = 255, nullable = false } = {}): void {
  const value = body[name];
  if (value === undefined || (nullable && value === null)) return;
  const types = nullable ? "'string', 'null'" : "'string'";
  if (typeof value !== "string") invalid(schema, `${python(value)} is not of type ${types}`, name);
  if (value.length > max) invalid(schema, `'${value}' is too long`, name);
}

export interface AskedSecret {
  readonly name: string | null;
  readonly secretType: string;
  readonly algorithm: string | null;
  readonly bitLength: number | null;
  readonly mode: string | null;
  readonly expirationMs: number | undefined;
  readonly payload: Uint8Array | undefined;
  readonly contentType: ContentType | undefined;
}

export function checkSecret(body: unknown, nowMs: number): AskedSecret {
  const schema = "Secret";
  if (typeof body !== "object" || body === null || Array.isArray(body)) refuse(400, "Malformed JSON");
  const asked = body as Fields;
  text(schema, asked, "name", { nullable: true });
  for (const name of ["algorithm", "mode", "expiration", "payload_content_encoding"]) text(schema, asked, name);
  text(schema, asked, "payload_content_type", { nullable: true });
  text(schema, asked, "payload", { max: Number.POSITIVE_INFINITY });
  const { bit_length: bits, secret_type: type, payload, payload_content_type: mime, payload_content_encoding: encoding } = asked;
  if (bits !== undefined && !Number.isInteger(bits)) invalid(schema, `${python(bits)} is not of type 'integer'`, "bit_length");
  if (Number(bits ?? 1) < 1) invalid(schema, `${bits} is less than the minimum of 1`, "bit_length");
  if (Number(bits ?? 1) > 32_767) invalid(schema, `${bits} is greater than the maximum of 32767`, "bit_length");
  if (type !== undefined && !TYPES.includes(String(type)))
    invalid(schema, `${python(type)} is not one of [${TYPES.map((each) => `'${each}'`).join(", ")}]`, "secret_type");
  if (encoding !== undefined && encoding !== "base64")
    invalid(schema, `${python(encoding)} is not one of ['base64']`, "payload_content_encoding");
  const expirationMs = timeOf(asked.expiration as string | undefined);
  if (expirationMs !== undefined && expirationMs <= nowMs) invalid(schema, "'expiration' is before current time", "expiration");
  let bytes: Uint8Array | undefined;
  const normalized = typeof mime === "string" ? contentType(mime) : undefined;
  if (payload !== undefined) {
    if (mime === undefined || mime === null)
      invalid(schema, "If 'payload' is supplied, 'payload_content_type' must also be supplied.", "payload_content_type");
    if (normalized === undefined) invalid(schema, `payload_content_type is not one of ${SUPPORTED}`, "payload_content_type");
    const isText = normalized === "text/plain";
    if (isText ? encoding !== undefined : encoding !== "base64")
      invalid(
        schema,
        `payload_content_encoding is not one of ${isText ? "None" : "['base64', 'binary']"}`,
        "payload_content_encoding",
      );
    if (payload === "") invalid(schema, "If 'payload' specified, must be non empty", "payload");
    bytes = Buffer.from(String(payload), isText ? "utf8" : "base64");
    checkSize(Buffer.from(String(payload)));
  } else if (mime !== undefined) invalid(schema, "payload must be provided when payload_content_type is specified", "payload");
  return {
    name: (asked.name as string | null | undefined) ?? null,
    secretType: String(type ?? "opaque"),
    algorithm: (asked.algorithm as string | undefined) ?? null,
    bitLength: (bits as number | undefined) ?? null,
    mode: (asked.mode as string | undefined) ?? null,
    expirationMs,
    payload: bytes,
    contentType: bytes === undefined ? undefined : normalized,
  };
}

function timeOf(said: string | undefined): number | undefined {
  if (said === undefined || said === "") return undefined;
  // Without a zone it is UTC.
  const ms = Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(said) ? said : `${said}${said.includes("T") ? "Z" : "T00:00:00Z"}`);
  if (Number.isNaN(ms)) invalid("Secret", "Invalid date for 'expiration'", "expiration");
  return ms;
}

export interface AskedContainer {
  readonly name: string | null;
  readonly type: "generic" | "rsa" | "certificate";
  readonly secrets: readonly { readonly name: string | null; readonly secretId: string }[];
}

/** `origin` is what a reference must begin with. */
export function checkContainer(body: unknown, origin: string): AskedContainer {
  const schema = "Container";
  if (typeof body !== "object" || body === null || Array.isArray(body)) refuse(400, "Malformed JSON");
  const asked = body as Fields;
  text(schema, asked, "name", { nullable: true });
  const { type } = asked;
  if (type === undefined) invalid(schema, "'type' is a required property", "None");
  if (!["generic", "rsa", "certificate"].includes(String(type)))
    invalid(schema, `${python(type)} is not one of ['generic', 'rsa', 'certificate']`, "type");
  const refs = (asked.secret_refs ?? []) as readonly Fields[];
  if (!Array.isArray(refs)) invalid(schema, `${python(refs)} is not of type 'array'`, "secret_refs");
  for (const ref of refs)
    if (typeof ref.secret_ref !== "string") invalid(schema, "'secret_ref' is a required property", "secret_refs");
  const names = new Set(refs.map((ref) => (ref.name as string | null | undefined) ?? ""));
  if (names.size !== refs.length) invalid(schema, "Duplicate reference names are not allowed", "secret_refs");
  const ids = refs.map((ref) => String(ref.secret_ref).replace(/\/$/, "").replace(/^.*\//, ""));
  if (new Set(ids).size !== refs.length) invalid(schema, "Duplicate secret ids are not allowed", "secret_refs");
  if (refs.some((ref) => !String(ref.secret_ref).startsWith(origin))) refuse(400, "Provided field value is not supported");
  if (refs.length > 0 && type === "rsa") {
    if ([...names].some((name) => !["public_key", "private_key", "private_key_passphrase"].includes(name)))
      invalid(
        schema,
        "only 'private_key', 'public_key' and 'private_key_passphrase' reference names are allowed for RSA type",
        "secret_refs",
      );
    if (!names.has("public_key") || !names.has("private_key"))
      invalid(schema, "The minimum required reference names are 'public_key' and'private_key' for RSA type", "secret_refs");
  }
  if (refs.length > 0 && type === "certificate") {
    if ([...names].some((name) => !["certificate", "private_key", "private_key_passphrase", "intermediates"].includes(name)))
      invalid(
        schema,
        "only 'private_key', 'certificate' , 'private_key_passphrase',  or 'intermediates' reference names are allowed for Certificate type",
        "secret_refs",
      );
    if (!names.has("certificate"))
      invalid(schema, "The minimum required reference name is 'certificate' for Certificate type", "secret_refs");
  }
  return {
    name: (asked.name as string | null | undefined) ?? null,
    type: type as AskedContainer["type"],
    secrets: refs.map((ref, at) => ({ name: (ref.name as string | undefined) ?? null, secretId: ids[at] ?? "" })),
  };
}

/** The `read` rule of an access list, the only one there is. */
export function checkAcl(body: unknown): { readonly users?: readonly string[]; readonly "project-access"?: boolean } | undefined {
  if (typeof body !== "object" || body === null || Array.isArray(body)) refuse(400, "Malformed JSON");
  for (const operation of Object.keys(body))
    if (operation !== "read") invalid("ACL", `Additional properties are not allowed ('${operation}' was unexpected)`, "None");
  const { read } = body as { read?: Fields };
  if (read === undefined) return undefined;
  const unknown = Object.keys(read).find((name) => name !== "users" && name !== "project-access");
  if (unknown !== undefined) invalid("ACL", `Additional properties are not allowed ('${unknown}' was unexpected)`, "read");
  if (read.users !== undefined && !Array.isArray(read.users))
    invalid("ACL", `${python(read.users)} is not of type 'array'`, "read");
  return read;
}

/** Free keys and values of a secret: keys in lower case. */
export function checkMetadata(body: unknown): Record<string, string> {
  const { metadata } = (body ?? {}) as { metadata?: Fields };
  if (typeof metadata !== "object" || metadata === null)
    invalid("SecretMetadata", "'metadata' is a required property", "metadata");
  const result: Record<string, string> = {};
  for (const [key, value] of Object.entries(metadata)) {
    if (!/^[A-Za-z0-9_-]*$/.test(key)) refuse(400, "Invalid Key. Key must be URL safe.");
    if (typeof value !== "string") refuse(400, "Invalid Metadata. Keys and Values must be Strings.");
    result[key.toLowerCase()] = value;
  }
  return result;
}

function python(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "string" ? `'${value}'` : JSON.stringify(value);
}
