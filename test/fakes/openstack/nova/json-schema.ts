/**
 * The part of JSON Schema that Nova's request checks use, with the complaints of Python's `jsonschema` and the
 * sentence Nova makes of them. Keywords are tried in the order they are written; the first complaint counts.
 */

import { fail } from "./nova-call.ts";

export interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly format?: "uuid" | "name" | "ip" | "base64";
  readonly oneOf?: readonly Schema[];
}

interface Complaint {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
  readonly message: string;
}

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const IP = /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f:]*:[0-9a-f:.]*)$/i;
const NAME_RULE =
  "An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace.";

/** Refuses with Nova's 400 what the schema does not allow. */
export function check(schema: Schema, value: unknown): void {
  const found = complaint(schema, value, []);
  if (found === undefined) return;
  if (found.path.length === 0 || found.message === NAME_RULE) fail(400, found.message);
  const shown = typeof found.value === "string" ? found.value : python(found.value);
  fail(400, `Invalid input for field/attribute ${found.path.at(-1)}. Value: ${shown}. ${found.message}`);
}

/** A value as Python's `repr` writes it. */
export function python(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string")
    return value.includes("'") && !value.includes('"') ? `"${value}"` : `'${value.replaceAll("'", "\\'")}'`;
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value !== "object") return String(value);
  return `{${Object.entries(value)
    .map(([key, each]) => `${python(key)}: ${python(each)}`)
    .join(", ")}}`;
}

function complaint(schema: Schema, value: unknown, path: readonly (string | number)[]): Complaint | undefined {
  const say = (message: string): Complaint => ({ path, value, message });
  if (schema.type !== undefined) {
    const types = [schema.type].flat();
    if (!types.some((type) => isOf(type, value))) return say(`${python(value)} is not of type ${types.map(python).join(", ")}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const found = inObject(schema, value as Record<string, unknown>, path, say);
    if (found !== undefined) return found;
  }
  if (Array.isArray(value)) {
    if (schema.minItems !== undefined && value.length < schema.minItems) return say(`${python(value)} is too short`);
    if (schema.maxItems !== undefined && value.length > schema.maxItems) return say(`${python(value)} is too long`);
    for (const [index, each] of value.entries()) {
      const found = schema.items === undefined ? undefined : complaint(schema.items, each, [...path, index]);
      if (found !== undefined) return found;
    }
  }
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return say(`${python(value)} is not one of ${python([...schema.enum])}`);
  const wrong = typeof value === "string" ? ofText(schema, value) : undefined;
  if (wrong !== undefined) return say(wrong);
  if (schema.minimum !== undefined && Number(value) < schema.minimum)
    return say(`${python(Number(value))} is less than the minimum of ${schema.minimum}`);
  if (schema.oneOf !== undefined && !schema.oneOf.some((each) => complaint(each, value, []) === undefined))
    return say(`${python(value)} is not valid under any of the given schemas`);
  return undefined;
}

function inObject(
  schema: Schema,
  value: Record<string, unknown>,
  path: readonly (string | number)[],
  say: (message: string) => Complaint,
): Complaint | undefined {
  const patterns = Object.entries(schema.patternProperties ?? {});
  for (const [key, each] of Object.entries(schema.properties ?? {})) {
    const found = value[key] === undefined ? undefined : complaint(each, value[key], [...path, key]);
    if (found !== undefined) return found;
  }
  for (const [pattern, each] of patterns) {
    for (const key of Object.keys(value).filter((name) => new RegExp(pattern).test(name))) {
      const found = complaint(each, value[key], [...path, key]);
      if (found !== undefined) return found;
    }
  }
  for (const key of schema.required ?? []) if (value[key] === undefined) return say(`'${key}' is a required property`);
  if (schema.additionalProperties !== false) return undefined;
  const extra = Object.keys(value).filter(
    (key) => schema.properties?.[key] === undefined && !patterns.some(([pattern]) => new RegExp(pattern).test(key)),
  );
  if (extra.length === 0) return undefined;
  const names = extra.map(python).join(", ");
  if (patterns.length === 0)
    return say(`Additional properties are not allowed (${names} ${extra.length === 1 ? "was" : "were"} unexpected)`);
  const verb = extra.length === 1 ? "does" : "do";
  return say(`${names} ${verb} not match any of the regexes: ${patterns.map(([pattern]) => python(pattern)).join(", ")}`);
}

function ofText(schema: Schema, value: string): string | undefined {
  if (schema.minLength !== undefined && value.length < schema.minLength) return `${python(value)} is too short`;
  if (schema.maxLength !== undefined && value.length > schema.maxLength) return `${python(value)} is too long`;
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value))
    return `${python(value)} does not match ${python(schema.pattern)}`;
  if (schema.format === "uuid" && !UUID.test(value)) return `${python(value)} is not a 'uuid'`;
  if (schema.format === "ip" && !IP.test(value)) return `${python(value)} is not valid under any of the given schemas`;
  if (schema.format === "base64" && !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value)) return `${python(value)} is not a 'base64'`;
  if (schema.format === "name" && (value.trim() !== value || /\p{C}/u.test(value))) return NAME_RULE;
  return undefined;
}

function isOf(type: string, value: unknown): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}
