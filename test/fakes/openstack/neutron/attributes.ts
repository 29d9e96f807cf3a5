/**
 * Attributes of Neutron's resources and what the API layer does with them before a plugin sees a request: unknown ones are refused,
 * defaults filled in, values converted and validated, with the server's messages (neutron-lib `api/attributes.py`).
 */

import { badRequest } from "./error.ts";

export type Fields = Record<string, unknown>;

/** Neutron's ATTR_NOT_SPECIFIED: the plugin decides. */
export const UNSET: unique symbol = Symbol("ATTR_NOT_SPECIFIED");

/** Says what is wrong with a value. */
export type Validator = (value: unknown) => string | undefined;

export interface Attribute {
  readonly post: boolean;
  readonly put: boolean;
  readonly visible: boolean;
  readonly filter: boolean;
  readonly sort: boolean;
  /** Absent: required in a POST. */
  readonly default?: unknown;
  readonly convert?: (value: unknown) => unknown;
  readonly validate?: Validator;
  /** The extension that adds it; without it the attribute is unknown. */
  readonly extension?: string;
}

export type Attributes = Readonly<Record<string, Attribute>>;

/**
 * `flags`: c POST, u PUT, f filter, s sort key, h never shown. `rest.default` absent makes an attribute that POST takes a required one.
 */
export function attribute(
  flags: string,
  rest: Pick<Attribute, "default" | "convert" | "validate" | "extension"> = {},
): Attribute {
  const has = (flag: string) => flags.includes(flag);
  return { post: has("c"), put: has("u"), visible: !has("h"), filter: has("f"), sort: has("s"), ...rest };
}

export const ID = attribute("fs");
export const PROJECT = attribute("cfs", { default: UNSET });

/** Of every resource with standard attributes. */
export const STANDARD: Attributes = {
  description: attribute("cufs", { default: "", validate: maxText(255), extension: "standard-attr-description" }),
  created_at: attribute("s", { extension: "standard-attr-timestamp" }),
  updated_at: attribute("s", { extension: "standard-attr-timestamp" }),
  revision_number: attribute("fs", { extension: "standard-attr-revisions" }),
};
export const TAGS: Attributes = {
  tags: attribute("f", { extension: "standard-attr-tag" }),
};

export function maxText(length: number): Validator {
  return (value) => {
    if (typeof value !== "string") return `'${pythonText(value)}' is not a valid string`;
    return value.length > length ? `'${value}' exceeds maximum length of ${length}` : undefined;
  };
}

/** As Python prints a value in a message. */
export function pythonText(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(quoted).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value)
      .map(([k, v]) => `'${k}': ${quoted(v)}`)
      .join(", ")}}`;
  return String(value);
}

function quoted(value: unknown): string {
  return typeof value === "string" ? `'${value}'` : pythonText(value);
}

/** The attributes of a POST with defaults filled in, or of a PUT as they are; converted and checked. `tenant_id` is read as `project_id`. */
export function checkBody(attributes: Attributes, body: Fields, isCreate: boolean): Fields {
  const asked: Fields = { ...body };
  const unknown = Object.keys(asked).filter((name) => name !== "tenant_id" && attributes[name] === undefined);
  if (unknown.length > 0) badRequest(`Unrecognized attribute(s) '${unknown.join(", ")}'`);
  const filled: Fields = {};
  for (const [name, spec] of Object.entries(attributes)) {
    const given = name === "project_id" ? (asked.project_id ?? asked.tenant_id) : asked[name];
    const isGiven = given !== undefined;
    if (isCreate) {
      if (!spec.post) {
        if (isGiven) badRequest(`Attribute '${name}' not allowed in POST`);
        continue;
      }
      if (!isGiven && !("default" in spec)) badRequest(`Failed to parse request. Required attribute '${name}' not specified`);
      filled[name] = isGiven ? given : spec.default;
    } else {
      if (!isGiven) continue;
      if (!spec.put) badRequest(`Cannot update read-only attribute ${name}`);
      filled[name] = given;
    }
  }
  for (const [name, spec] of Object.entries(attributes)) {
    if (filled[name] === undefined || filled[name] === UNSET) continue;
    if (spec.convert !== undefined) filled[name] = spec.convert(filled[name]);
    const problem = spec.validate?.(filled[name]);
    if (problem !== undefined) badRequest(`Invalid input for ${name}. Reason: ${problem}.`);
  }
  return filled;
}

/** Without what was not specified. */
export function settled(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value === UNSET ? null : value]));
}
