/**
 * How Octavia's API checks a body before it looks at it: every field against its WSME type, unknown ones refused, the
 * defaults of the type filled in. Texts are those of WSME and Octavia 16; the first problem found answers 400.
 */

import { isIP } from "node:net";
import { json, Refusal, type Reply } from "../http.ts";
import { UUID } from "../ids.ts";

export type Fields = Record<string, unknown>;

/** Checks one value and returns it as stored; throws a complaint. */
type Check = (value: unknown, where: string) => unknown;

export interface Field {
  readonly check: Check;
  readonly required?: boolean;
  readonly default?: unknown;
}

export type Schema = Readonly<Record<string, Field>>;

/** Octavia's error body. */
export function octaviaFault(status: number, text: string): Reply {
  return json(status, { faultcode: status < 500 ? "Client" : "Server", faultstring: text, debuginfo: null });
}

export function refuse(status: number, text: string): never {
  throw new Refusal(octaviaFault(status, text));
}

class Complaint extends Error {}

function complain(text: string): never {
  throw new Complaint(text);
}

export const required = (field: Field): Field => ({ ...field, required: true });
export const defaulting = (field: Field, value: unknown): Field => ({ ...field, default: value });

export function text(max?: number, pattern?: RegExp, min = 0): Field {
  return {
    check: (value) => {
      if (typeof value !== "string") return complain("Value should be string");
      if (max !== undefined && value.length > max) return complain(`Value should have a maximum character requirement of ${max}`);
      if (value.length < min) return complain(`Value should have a minimum character requirement of ${min}`);
      if (pattern !== undefined && !pattern.test(value)) return complain(`Value should match the pattern ${pattern.source}`);
      return value;
    },
  };
}

export function whole(min?: number, max?: number): Field {
  return {
    check: (value) => {
      const number = typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : value;
      if (typeof number !== "number" || !Number.isInteger(number)) return complain("Value should be integer");
      if (min !== undefined && number < min) return complain(`Value should be greater or equal to ${min}`);
      if (max !== undefined && number > max) return complain(`Value should be lower or equal to ${max}`);
      return number;
    },
  };
}

export const flag: Field = {
  check: (value) => {
    if (typeof value === "boolean") return value;
    const word = String(value).trim().toLowerCase();
    if (["true", "t", "yes", "y", "on", "1"].includes(word)) return true;
    if (["false", "f", "no", "n", "off", "0"].includes(word)) return false;
    throw new AmbiguousBoolean(String(value));
  },
};

class AmbiguousBoolean extends Error {}

export function oneOf(...values: readonly (string | number)[]): Field {
  return {
    check: (value) => (values.includes(value as string) ? value : complain(`Value should be one of: ${values.join(", ")}`)),
  };
}

function matching(test: (value: string) => boolean, complaint: string): Field {
  return { check: (value) => (typeof value === "string" && test(value) ? value : complain(complaint)) };
}

export const uuidField = matching((value) => UUID.test(value), "Value should be UUID format");
export const address = matching((value) => isIP(value) !== 0, "Value should be IPv4 or IPv6 format");
export const cidr = matching((value) => {
  const [ip = "", bits = ""] = value.split("/");
  return isIP(ip) !== 0 && (bits === "" || (/^\d+$/.test(bits) && Number(bits) <= (isIP(ip) === 4 ? 32 : 128)));
}, "Value should be IPv4 or IPv6 CIDR format");
export const urlField = matching((value) => /^https?:\/\/[^\s/]+/.test(value), "Value must be a valid URL string");
export const urlPath = matching((value) => /^\/[^\s]*$/.test(value), "Value must be a valid URL Path string");
export const alpn = matching(
  (value) => ["h2", "http/1.1", "http/1.0"].includes(value),
  "Value should be a valid ALPN protocol ID",
);

export function listOf(item: Field): Field {
  return {
    check: (value, where) => (Array.isArray(value) ? value.map((each) => item.check(each, where)) : complain("Not an array")),
  };
}

/** Header names to true or false, kept as the strings that Octavia gives back. */
export const stringMap: Field = {
  check: (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return complain("Not a dictionary");
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, String(each)]));
  },
};

export function object(schema: () => Schema): Field {
  return { check: (value, where) => checkFields(value, schema(), where) };
}

function invalid(name: string, value: unknown, complaint: string): never {
  const shown =
    value === null || value === undefined ? "None" : typeof value === "object" ? JSON.stringify(value) : String(value);
  refuse(400, `Invalid input for field/attribute ${name}. Value: '${shown}'. ${complaint}`);
}

/** The fields of an object by its schema, defaults filled in. `where` is the path WSME names an unknown field by. */
export function checkFields(value: unknown, schema: Schema, where: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return complain("Value should be an object");
  const given = value as Fields;
  const out: Fields = {};
  const unknown = Object.keys(given).filter((key) => schema[key] === undefined);
  for (const [name, field] of Object.entries(schema)) {
    const each = given[name];
    if (each === undefined || each === null) {
      if (field.required === true) invalid(name, undefined, "Mandatory field missing.");
      if (each === null) out[name] = null;
      else if (field.default !== undefined) out[name] = field.default;
      continue;
    }
    try {
      out[name] = field.check(each, `${where}.${name}`);
    } catch (error) {
      if (error instanceof Complaint) invalid(name, each, error.message);
      throw error;
    }
  }
  if (unknown.length > 0) refuse(400, `Unknown attribute for argument ${where}: ${unknown.join(", ")}`);
  return out;
}

/** The object under `key` of a request body. `argument` is the name of the controller's parameter, which errors tell. */
export function checkBody(body: unknown, argument: string, key: string, schema: Schema): Fields {
  if (typeof body !== "object" || body === null) refuse(400, "Request is not in valid JSON format");
  const other = Object.keys(body).find((each) => each !== key);
  if (other !== undefined) refuse(400, `Unknown attribute for argument ${argument}: ${other}`);
  try {
    return checkFields((body as Fields)[key] ?? {}, schema, `${argument}.${key}`);
  } catch (error) {
    if (error instanceof Complaint) refuse(400, `Invalid input for field/attribute ${key}. ${error.message}`);
    if (error instanceof AmbiguousBoolean)
      refuse(
        400,
        `Invalid input for field/attribute ${argument}. Value: '${pythonText(body)}'. Value not an unambiguous boolean: ${error.message}`,
      );
    throw error;
  }
}

/** A JSON value as Python prints it. */
function pythonText(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return `'${value}'`;
  if (Array.isArray(value)) return `[${value.map(pythonText).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value)
      .map(([key, each]) => `'${key}': ${pythonText(each)}`)
      .join(", ")}}`;
  return String(value);
}
